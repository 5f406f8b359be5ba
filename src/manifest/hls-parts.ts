import type { PartRecord } from '../presentation/live-edge.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { microsAt, rescale } from './time-text.ts'

/** HLS2 §6.2.2: parts are listed until they are three target durations from the playlist's end. */
const LISTED_TARGETS = 3
/** By how much the segmenter lets a part pass its target, for the rounding of timestamps. */
const ROUNDING_MS = 1

/** A part as a playlist lists it; one that is missing has a time at which nothing starts. */
export type ListedPart = {
  readonly durationMicros: number
  readonly independent: boolean
  readonly place: { readonly number: number } | { readonly startTicks: number }
}

/** The part target that is declared, in milliseconds: no part is longer. */
export function partTargetMs({ partDurationMs = 0 }: PresentationHeader): number {
  return partDurationMs + ROUNDING_MS
}

/** Whether playlists of segments list parts, and can be waited for. */
export function listsParts(view: PresentationView): boolean {
  return view.live !== undefined && !view.archived
}

/** The first segment whose parts are listed, alike for all renditions; where none are, the one that comes next. */
export function firstInParts(view: PresentationView): number {
  const { endSequence, firstSequence } = view
  const newest = view.segment(endSequence - 1)
  if (!newest || !listsParts(view)) return endSequence
  const listedTicks = (view.header.targetDurationMs / 1_000) * LISTED_TARGETS * PRESENTATION_TIMESCALE
  const fromTicks = newest.startTicks + newest.durationTicks - listedTicks
  let first = endSequence
  while (first > firstSequence) {
    const row = view.segment(first - 1)
    if (!row || row.startTicks + row.durationTicks <= fromTicks) break
    first--
  }
  return first
}

/**
 * The parts of one rendition in a segment, closed or open, in order. A closed segment without media of the rendition has parts that
 * are gaps; `undefined`: the segment's parts are not known one by one.
 */
export function partsOf(
  view: PresentationView,
  { index }: Rendition,
  track: Track,
  sequence: number,
): readonly ListedPart[] | undefined {
  const fragments = view.live?.parts(index, sequence) ?? []
  if (fragments.length > 0) return mediaParts(view.header, fragments, track)
  const row = view.segment(sequence)
  if (!row) return view.live?.openSegment?.sequence === sequence ? [] : undefined
  if (view.renditionSegment(index, sequence)) return undefined
  const target = partTargetMs(view.header)
  const micros = microsAt(row.durationTicks, PRESENTATION_TIMESCALE)
  const count = Math.max(1, Math.ceil(micros / (target * 1_000)))
  return Array.from({ length: count }, (_none, at): ListedPart => {
    const startTicks = row.startTicks + Math.round((row.durationTicks * at) / count)
    const durationMicros = Math.round((micros * (at + 1)) / count) - Math.round((micros * at) / count)
    return {
      durationMicros,
      independent: false,
      place: { startTicks: rescale(startTicks, PRESENTATION_TIMESCALE, track.timescale) },
    }
  })
}

/** How many parts a rendition has in a segment; `undefined`: they are not known one by one. */
export function countParts(view: PresentationView, rendition: Rendition, sequence: number): number | undefined {
  const track = rendition.tracks[0]
  return track && partsOf(view, rendition, track, sequence)?.length
}

/** Their durations add up to the segment's: both ends of each are rounded, from the same instant on. */
function mediaParts(
  header: PresentationHeader,
  fragments: readonly PartRecord[],
  { timescale }: Track,
): readonly ListedPart[] | undefined {
  const longestMicros = partTargetMs(header) * 1_000
  const parts: ListedPart[] = []
  let startTicks = fragments[0]?.startTicks ?? 0
  for (const { durationTicks, independent, number } of fragments) {
    if (number === undefined) return undefined
    const endTicks = startTicks + durationTicks
    // One picture may be seen for longer than a part lasts; what is declared holds all the same (HLS2 §4.4.4.9).
    const durationMicros = Math.min(longestMicros, microsAt(endTicks, timescale) - microsAt(startTicks, timescale))
    parts.push({ durationMicros, independent, place: { number } })
    startTicks = endTicks
  }
  return parts
}
