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

/** A cue where it lies on the track, as a sample has it. */
type PlacedCue = { readonly from: number; readonly to: number; readonly box: Uint8Array }

const encoder = new TextEncoder()
/** Of one run of samples: far more cues than anybody reads in a segment, and bytes than its pictures have. */
const MAX_PLACED = 2_048
const MAX_RUN_BYTES = 4 * 2 ** 20
/** `vtte`: nothing is shown. */
const EMPTY_SAMPLE = Uint8Array.of(0, 0, 0, 8, 0x76, 0x74, 0x74, 0x65)

/**
 * The samples of `wvtt` from `fromTicks` to `toTicks` (ISO/IEC 14496-30 §7): they follow each other without a hole, a new one wherever a cue
 * comes or goes, an empty one where there is none. A cue that is in several has the same source id in each. Each sample repeats all cues that it shows: what
 * is more than 2,048 cues, or would come to more than 4 MiB, is left out.
 */
export function writeWvttSamples(
  cues: readonly TextCue[],
  fromTicks: number,
  toTicks: number,
  { zeroTicks, ticksPerMs }: TextPlacement,
): readonly TextSample[] {
  const placed: PlacedCue[] = []
  for (const cue of cues) {
    const from = Math.max(fromTicks, Math.round(cue.startMs * ticksPerMs) + zeroTicks)
    const to = Math.min(toTicks, Math.round(cue.endMs * ticksPerMs) + zeroTicks)
    if (from < to) placed.push({ from, to, box: writeCue(cue) })
    if (placed.length === MAX_PLACED) break
  }
  const kept = withinBytes(placed, edgesOf(placed, fromTicks, toTicks))
  const edges = edgesOf(kept, fromTicks, toTicks)
  const places = new Map(edges.map((edge, at) => [edge, at]))
  const samples: Uint8Array[][] = edges.slice(1).map(() => [])
  for (const { from, to, box } of kept) {
    for (let at = places.get(from) ?? 0; at < (places.get(to) ?? 0); at++) samples[at]?.push(box)
  }
  return samples.map((boxes, at) => {
    const [startTicks = fromTicks, endTicks = toTicks] = edges.slice(at, at + 2)
    const data = Uint8Array.from(Buffer.concat(boxes.length === 0 ? [EMPTY_SAMPLE] : boxes))
    return { startTicks, durationTicks: endTicks - startTicks, data }
  })
}

/** Where a new sample begins, and the end. */
function edgesOf(placed: readonly PlacedCue[], fromTicks: number, toTicks: number): readonly number[] {
  const edges = new Set([fromTicks, toTicks])
  for (const { from, to } of placed) edges.add(from).add(to)
  return [...edges].sort((a, b) => a - b)
}

/** The first cues that find room, each as often as it would be repeated between these edges. */
function withinBytes(placed: readonly PlacedCue[], edges: readonly number[]): readonly PlacedCue[] {
  const places = new Map(edges.map((edge, at) => [edge, at]))
  let left = MAX_RUN_BYTES
  return placed.filter(({ from, to, box }) => {
    const bytes = box.byteLength * ((places.get(to) ?? 0) - (places.get(from) ?? 0))
    const hasRoom = bytes <= left
    if (hasRoom) left -= bytes
    return hasRoom
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

function writeCue(cue: TextCue): Uint8Array {
  const out = new BoxWriter(256)
  out.box('vttc', () => {
    out.box('vsid', () => out.u32(sourceId(cue)))
    if (cue.id !== undefined) textBox(out, 'iden', cue.id)
    if (cue.settings !== undefined) textBox(out, 'sttg', cue.settings)
    textBox(out, 'payl', safeCueText(cue.text))
  })
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
