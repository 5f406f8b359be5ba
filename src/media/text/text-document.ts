import { firstIndex } from '../../lib/first-index.ts'

/** A cue of a text track. Times are milliseconds from the track's zero; `endMs` is later than `startMs`. */
export type TextCue = {
  readonly startMs: number
  readonly endMs: number
  /** WebVTT cue text: lines with its markup, without empty lines. */
  readonly text: string
  readonly id?: string
  /** WebVTT cue settings, such as `line:0 align:start`; only those that WebVTT knows. */
  readonly settings?: string
  /** The same as TTML had it: `p` with its attributes and content but for the times. */
  readonly ttml?: string
}

/** A text track, whichever format it came in. Cues are in the order of their start, then of their place in the source. */
export type TextDocument = {
  readonly cues: readonly TextCue[]
  /** What stood in STYLE and REGION blocks of WebVTT, each with its first line. */
  readonly blocks: readonly string[]
  /** What TTML is written around the paragraphs of a TTML source; absent for other sources. */
  readonly frame?: TtmlFrame
  /** Cues that were broken and are left out. */
  readonly skipped: number
}

/** What stands around the paragraphs of a TTML document. */
export type TtmlFrame = {
  /** The root's start tag without its `>`, and its name. */
  readonly root: string
  readonly rootName: string
  /** The `head` element, or nothing. */
  readonly head: string
  /** What stands before the names of TTML's elements: `tt:` or nothing. */
  readonly prefix: string
}

/** Bounds of any text track; what is beyond is a `FormatError`. */
export const TEXT_LIMITS = {
  sourceBytes: 8 * 2 ** 20,
  /** Of all cues together, with what they inherit. */
  madeCharacters: 32 * 2 ** 20,
  cues: 100_000,
  cueCharacters: 16_384,
  blockCharacters: 65_536,
} as const

/** What the cues of a track take in memory, about. */
export function textMemoryBytes({ cues, blocks, frame }: TextDocument): number {
  const around =
    blocks.reduce((sum, block) => sum + block.length, 0) + (frame ? frame.root.length + frame.head.length : 0)
  return cues.reduce((sum, { text, ttml = '' }) => sum + 2 * (text.length + ttml.length) + 120, 2 * around)
}

/** Cues in the order that a `TextDocument` has them in. */
export function inOrder(cues: readonly TextCue[]): readonly TextCue[] {
  return [...cues].sort((a, b) => a.startMs - b.startMs)
}

/**
 * The cues that are shown at any time from `fromMs` to before `toMs`, in order. `reaches` (of `reachesOf`) says where to look, so that
 * a segment of a long track costs no more than one of a short one.
 */
export function cuesWithin(
  cues: readonly TextCue[],
  reaches: Float64Array,
  fromMs: number,
  toMs: number,
): readonly TextCue[] {
  const first = firstIndex(0, cues.length, (at) => (reaches[at] ?? 0) > fromMs)
  const found: TextCue[] = []
  for (let at = first; at < cues.length; at++) {
    const cue = cues[at] as TextCue
    if (cue.startMs >= toMs) break
    if (cue.endMs > fromMs) found.push(cue)
  }
  return found
}

/** How far the cues up to each one reach. */
export function reachesOf(cues: readonly TextCue[]): Float64Array {
  let reach = 0
  return Float64Array.from(cues, ({ endMs }) => {
    reach = Math.max(reach, endMs)
    return reach
  })
}
