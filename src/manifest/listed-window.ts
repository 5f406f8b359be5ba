import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { sequenceAt } from '../presentation/segment-search.ts'
import type { PresentationView } from '../presentation/view.ts'

/** Apple HLS authoring specification, "Media playlists": a live playlist lists at least this many segments where it has them. */
const MIN_SEGMENTS = 6

/** The segments that a manifest lists: `first` ≤ sequence < `end`. */
export type ListedWindow = { readonly first: number; readonly end: number }

/**
 * What every manifest of this view lists, alike for all renditions: the live window; of an archived presentation, all that
 * is kept.
 */
export function listedWindow(view: PresentationView): ListedWindow {
  if (view.archived) return { first: view.firstSequence, end: view.endSequence }
  return liveWindow(view)
}

/**
 * The segments that reach back over the rewind window, or over `limitMs` where that is less, at least six of them. A
 * presentation that has ended keeps the window that it had then, for players that are in the middle of it.
 */
export function liveWindow(view: PresentationView, limitMs = Number.POSITIVE_INFINITY): ListedWindow {
  const { firstSequence, endSequence: end } = view
  const windowMs = Math.min(view.header.rewindWindowMs ?? Number.POSITIVE_INFINITY, limitMs)
  const newest = view.segment(end - 1)
  if (windowMs === Number.POSITIVE_INFINITY || newest === undefined) return { first: firstSequence, end }
  const fromTicks = newest.startTicks + newest.durationTicks - (windowMs / 1_000) * PRESENTATION_TIMESCALE
  // The newest segment that starts at or before the window does, so that the window is covered.
  const covering = sequenceAt(view, fromTicks)
  return { first: Math.max(firstSequence, Math.min(covering, end - MIN_SEGMENTS)), end }
}
