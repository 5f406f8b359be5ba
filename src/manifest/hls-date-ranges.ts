import { markerEndTicks } from '../presentation/markers.ts'
import type { PresentationView } from '../presentation/view.ts'
import { dateRangeTag, listedMarkers } from './hls-markers.ts'
import type { ListedWindow } from './listed-window.ts'

/** What a delta update says of date ranges. */
export type DateRangeUpdate = {
  /** `EXT-X-DATERANGE` of those that a player which can use the update may not know, or not as they are. */
  readonly tags: readonly string[]
  /** `RECENTLY-REMOVED-DATERANGES`: ids of those that it may know, and that are listed no more. */
  readonly removed: string
}

/** Whether delta updates may leave date ranges out, which is said as soon as there is one. */
export function canSkipDateRanges({ header }: PresentationView): boolean {
  return (header.markerChanges ?? 0) > 0
}

/**
 * The date ranges of a delta update that begins with `firstKept` (RFC 8216bis §6.2.5.1). A player that can use it has loaded a playlist that
 * ends there or later, and knows what had been said of markers until then.
 */
export function dateRangeUpdate(view: PresentationView, window: ListedWindow, firstKept: number): DateRangeUpdate {
  const keptTicks = view.segment(firstKept)?.startTicks ?? 0
  const listed = listedMarkers(view, window)
  // Where the live edge is hidden, a marker is listed when the window comes to it, however long ago it was announced.
  const isNews = ({ changedSequence, startTicks }: (typeof listed)[number]) =>
    changedSequence >= firstKept || startTicks >= keptTicks
  return { tags: listed.filter(isNews).map(dateRangeTag), removed: removedSince(view, window, firstKept).join('\t') }
}

function removedSince(view: PresentationView, { first, end }: ListedWindow, firstKept: number): readonly string[] {
  const fromTicks = view.segment(first)?.startTicks ?? 0
  const newest = view.segment(end - 1)
  const keptTicks = view.segment(firstKept)?.startTicks ?? fromTicks
  // While what is kept was added, about as much has left the window at its other end; a gap or two more do no harm.
  const leftTicks = newest ? newest.startTicks + 2 * newest.durationTicks - keptTicks : 0
  return view.markers.flatMap((marker) => {
    const endTicks = markerEndTicks(marker)
    const hasLeft = endTicks < fromTicks && endTicks >= fromTicks - leftTicks
    const wasCalledOff = marker.isCancelled && marker.changedSequence >= firstKept
    // A tab stands between ids, so no id that has one can be named.
    return hasLeft || wasCalledOff ? [marker.id.replace(/[\t"\r\n]/g, '')] : []
  })
}
