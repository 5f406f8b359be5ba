import { ByteReader } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import { readBoxes } from '../isobmff/boxes.ts'
import { decodeText } from './decode-text.ts'
import { inOrder, TEXT_LIMITS, type TextCue, type TextDocument } from './text-document.ts'
import type { TextPlacement, TextSample } from './wvtt.ts'
import { escapeText } from './xml-tree.ts'

/** A stretch of characters with a face of its own. */
type StyleRun = { readonly from: number; readonly to: number; readonly face: number }

const FACES = [
  { bit: 1, tag: 'b' },
  { bit: 2, tag: 'i' },
  { bit: 4, tag: 'u' },
] as const
const RECORD_BYTES = 12

/**
 * Reads samples of 3GPP Timed Text (3GPP TS 26.245 §5.17), as `tx3g` and QuickTime's `text` tracks have them: a cue for each sample with text, with
 * its bold, italic and underlined stretches. A sample that is broken is counted in `skipped`.
 *
 * @throws FormatError for more than `TEXT_LIMITS`
 */
export function readTx3gSamples(samples: Iterable<TextSample>, { zeroTicks, ticksPerMs }: TextPlacement): TextDocument {
  const cues: TextCue[] = []
  let skipped = 0
  for (const { startTicks, durationTicks, data } of samples) {
    const text = readSample(data)
    const startMs = Math.round((startTicks - zeroTicks) / ticksPerMs)
    const endMs = Math.round((startTicks + durationTicks - zeroTicks) / ticksPerMs)
    if (text === undefined) skipped++
    if (text === undefined || text === '' || endMs <= startMs) continue
    if (cues.length === TEXT_LIMITS.cues) throw new FormatError('tx3g', 0, `more than ${TEXT_LIMITS.cues} cues`)
    cues.push({ startMs, endMs, text })
  }
  return { cues: inOrder(cues), blocks: [], skipped }
}

function readSample(data: Uint8Array): string | undefined {
  try {
    const reader = new ByteReader(data, 'tx3g')
    const text = decodeText(reader.take(reader.u16()), 'tx3g')
    if (text.length > TEXT_LIMITS.cueCharacters) return undefined
    const styles = readBoxes(reader.rest(), 'tx3g').find(({ type }) => type === 'styl')
    return marked(text.replace(/\r\n?/g, '\n'), styles ? readStyles(styles.body) : [])
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

function readStyles(body: Uint8Array): readonly StyleRun[] {
  const reader = new ByteReader(body, 'tx3g/styl')
  const count = reader.u16()
  if (count * RECORD_BYTES > reader.remaining) return reader.fail(`${count} styles in ${reader.remaining} bytes`)
  return Array.from({ length: count }, () => {
    const [from, to] = [reader.u16(), reader.u16()]
    reader.skip(2)
    const face = reader.u8()
    reader.skip(5)
    return { from, to, face }
  })
}

/** Offsets count characters as Unicode has them, not as strings do. */
function marked(text: string, styles: readonly StyleRun[]): string {
  const characters = [...text]
  const edges = new Set([0, characters.length])
  for (const { from, to } of styles) for (const edge of [from, to]) edges.add(Math.min(edge, characters.length))
  const sorted = [...edges].sort((a, b) => a - b)
  const faces = facesOf(characters.length, styles)
  const pieces = sorted.slice(1).map((end, at) => {
    const start = sorted[at] ?? 0
    const face = faces[start] ?? 0
    const tags = FACES.filter(({ bit }) => (face & bit) !== 0).map(({ tag }) => tag)
    const piece = escapeText(characters.slice(start, end).join(''))
    if (piece.trim() === '') return piece
    return `${tags.map((tag) => `<${tag}>`).join('')}${piece}${[...tags]
      .reverse()
      .map((tag) => `</${tag}>`)
      .join('')}`
  })
  const lines = pieces.join('').split('\n')
  return lines.filter((line) => line.trim() !== '').join('\n')
}

/** The face of each character: that of the first style it is in. Each character is painted once, however many styles there are. */
function facesOf(length: number, styles: readonly StyleRun[]): Uint8Array {
  const faces = new Uint8Array(length)
  /** From each character, one that is no later than the next without a face. */
  const next = Uint32Array.from({ length: length + 1 }, (_, at) => at)
  const unpainted = (from: number) => {
    let at = from
    while (next[at] !== at) {
      next[at] = next[next[at] ?? at] ?? at
      at = next[at] ?? at
    }
    return at
  }
  for (const { from, to, face } of styles) {
    const end = Math.min(to, length)
    for (let at = unpainted(Math.min(from, length)); at < end; at = unpainted(at)) {
      faces[at] = face
      next[at] = at + 1
    }
  }
  return faces
}
