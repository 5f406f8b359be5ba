import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, SegmentRow } from '../presentation/view.ts'

/** Apple HLS authoring specification, "Media playlists": a live playlist lists at least this many segments where it has them. */
const MIN_SEGMENTS = 6

/** The segments that a manifest lists: `first` ≤ sequence < `end`. */
export type ListedWindow = { readonly first: number; readonly end: number }

/**
 * What every manifest of this view lists, alike for all renditions: the segments that reach back over the rewind window,
 * at least six of them. The window of an ended presentation is the one it had when it ended.
 */
export function listedWindow(view: PresentationView): ListedWindow {
  const { firstSequence, endSequence: end } = view
  const { rewindWindowMs } = view.header
  const newest = view.segment(end - 1)
  if (rewindWindowMs === undefined || newest === undefined) return { first: firstSequence, end }
  const fromTicks = newest.startTicks + newest.durationTicks - (rewindWindowMs / 1_000) * PRESENTATION_TIMESCALE
  // The newest segment that starts at or before the window does, so that the window is covered.
  let low = firstSequence
  let high = end - 1
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2)
    if ((view.segment(middle)?.startTicks ?? 0) <= fromTicks) low = middle
    else high = middle - 1
  }
  return { first: Math.max(firstSequence, Math.min(low, end - MIN_SEGMENTS)), end }
}

/** The rows of a window, in order. */
export function* rowsOf(view: PresentationView, { first, end }: ListedWindow): Iterable<SegmentRow> {
  for (let sequence = first; sequence < end; sequence++) yield view.segment(sequence) as SegmentRow
}

/** What a window lists of one rendition. */
export type ListedRendition = {
  readonly rendition: Rendition
  /** The tracks that its segments are of, in the order they come; the current one if there are no segments. Never empty. */
  readonly tracks: readonly [Track, ...Track[]]
  /** Every segment starts with a random access point. */
  readonly independent: boolean
}

/** Reads through a window for what its manifests say of one rendition. */
export function listedRendition(view: PresentationView, rendition: Rendition, window: ListedWindow): ListedRendition {
  const tracks = new Set<Track>()
  let independent = true
  let number: number | undefined
  for (let sequence = window.first; sequence < window.end; sequence++) {
    const media = view.renditionSegment(rendition.index, sequence)
    if (media === undefined) continue
    independent &&= media.independent
    if (media.track === number) continue
    number = media.track
    const track = view.track(number)
    if (track) tracks.add(track)
  }
  const [first = currentTrack(rendition), ...others] = tracks
  return { rendition, tracks: [first, ...others], independent }
}

/** The track that was added last. */
export function currentTrack(rendition: Rendition): Track {
  return rendition.tracks.at(-1) as Track
}
