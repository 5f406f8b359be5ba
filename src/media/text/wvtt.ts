import { FormatError } from '../../lib/errors.ts'
import { BoxWriter } from '../isobmff/box-writer.ts'
import { findBox, readBoxes } from '../isobmff/boxes.ts'
import { decodeText } from './decode-text.ts'
import { inOrder, TEXT_LIMITS, type TextCue, type TextDocument } from './text-document.ts'
import { knownSettings, parseWebVtt } from './web-vtt.ts'
import { safeCueText } from './web-vtt-writer.ts'

/** A sample of a text track, and how long it is shown, in ticks of the track. */
export type TextSample = { readonly startTicks: number; readonly durationTicks: number; readonly data: Uint8Array }

/** What places cues on a track: `zeroTicks` is where the cues' time 0 lies, `ticksPerMs` how fast the track counts. */
export type TextPlacement = { readonly zeroTicks: number; readonly ticksPerMs: number }

const encoder = new TextEncoder()

/**
 * The samples of `wvtt` from `fromTicks` to `toTicks` (ISO/IEC 14496-30 §7): they follow each other without a hole, a new one wherever a cue
 * comes or goes, an empty one where there is none. A cue that is in several has the same source id in each.
 */
export function writeWvttSamples(
  cues: readonly TextCue[],
  fromTicks: number,
  toTicks: number,
  { zeroTicks, ticksPerMs }: TextPlacement,
): readonly TextSample[] {
  const placed = cues
    .map((cue) => ({
      cue,
      from: Math.max(fromTicks, Math.round(cue.startMs * ticksPerMs) + zeroTicks),
      to: Math.min(toTicks, Math.round(cue.endMs * ticksPerMs) + zeroTicks),
    }))
    .filter(({ from, to }) => from < to)
  const edges = [...new Set([fromTicks, toTicks, ...placed.flatMap(({ from, to }) => [from, to])])].sort(
    (a, b) => a - b,
  )
  return edges.slice(1).map((end, at) => {
    const start = edges[at] ?? fromTicks
    const shown = placed.filter(({ from, to }) => from < end && to > start)
    return { startTicks: start, durationTicks: end - start, data: writeSample(shown.map(({ cue }) => cue)) }
  })
}

/**
 * Reads `wvtt` samples; a cue that goes on from one sample to the next, by its source id or as it stands, is one cue. `header` is what the sample entry has.
 * A sample that is broken is counted in `skipped`.
 *
 * @throws FormatError for more than `TEXT_LIMITS`
 */
export function readWvttSamples(
  samples: Iterable<TextSample>,
  header: string,
  { zeroTicks, ticksPerMs }: TextPlacement,
): TextDocument {
  const cues: TextCue[] = []
  /** The cues of the sample before, by what tells them from each other. */
  let open = new Map<string, number>()
  let skipped = 0
  for (const { startTicks, durationTicks, data } of samples) {
    const startMs = Math.round((startTicks - zeroTicks) / ticksPerMs)
    const endMs = Math.round((startTicks + durationTicks - zeroTicks) / ticksPerMs)
    const found = readSample(data)
    if (!found) skipped++
    const now = new Map<string, number>()
    for (const { key, cue } of found ?? []) {
      if (endMs <= startMs) continue
      const before = open.get(key)
      const known = before === undefined ? undefined : cues[before]
      if (before !== undefined && known?.endMs === startMs) {
        cues[before] = { ...known, endMs }
        now.set(key, before)
      } else {
        if (cues.length === TEXT_LIMITS.cues) throw new FormatError('wvtt', 0, `more than ${TEXT_LIMITS.cues} cues`)
        now.set(key, cues.push({ startMs, endMs, ...cue }) - 1)
      }
    }
    open = now
  }
  return { cues: inOrder(cues), blocks: blocksOf(header), skipped }
}

function writeSample(cues: readonly TextCue[]): Uint8Array {
  const out = new BoxWriter(256)
  if (cues.length === 0) out.box('vtte', () => {})
  for (const cue of cues) {
    out.box('vttc', () => {
      out.box('vsid', () => out.u32(sourceId(cue)))
      if (cue.id !== undefined) textBox(out, 'iden', cue.id)
      if (cue.settings !== undefined) textBox(out, 'sttg', cue.settings)
      textBox(out, 'payl', safeCueText(cue.text))
    })
  }
  return out.finish().slice()
}

/** The same in every segment, and on every origin, that has a piece of the cue: a digest of what it is (FNV-1a). */
function sourceId({ startMs, endMs, text }: TextCue): number {
  let hash = 0x811c9dc5
  const seen = `${startMs} ${endMs} ${text}`
  for (let at = 0; at < seen.length; at++) hash = Math.imul(hash ^ seen.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

function textBox(out: BoxWriter, type: string, text: string): void {
  out.box(type, () => out.append(encoder.encode(text)))
}

type ReadCue = { readonly key: string; readonly cue: Pick<TextCue, 'text' | 'id' | 'settings'> }

function readSample(data: Uint8Array): readonly ReadCue[] | undefined {
  try {
    return readBoxes(data, 'wvtt').flatMap((box): ReadCue[] => {
      if (box.type !== 'vttc') return []
      const boxes = readBoxes(box.body, box.path)
      const textOf = (type: string) => {
        const found = findBox(boxes, type)
        return found && decodeText(found.body, found.path)
      }
      const text = safeCueText(textOf('payl') ?? '')
      if (text.length > TEXT_LIMITS.cueCharacters) throw new FormatError(box.path, 0, `${text.length} characters`)
      const id = textOf('iden')
      const settings = knownSettings(textOf('sttg') ?? '')
      const source = findBox(boxes, 'vsid')?.body.join('.')
      const cue = { text, ...(id !== undefined && { id }), ...(settings !== undefined && { settings }) }
      return [{ key: source ?? JSON.stringify(cue), cue }]
    })
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

function blocksOf(header: string): readonly string[] {
  const text = header.startsWith('WEBVTT') ? header : `WEBVTT\n\n${header}`
  return parseWebVtt(encoder.encode(text.slice(0, TEXT_LIMITS.blockCharacters))).blocks
}
