import type { PresentationView, Rendition } from '../presentation/view.ts'
import { countParts, partTargetMs } from './hls-parts.ts'

/** A segment by its media sequence number, and of its parts the one with this index, or all. */
export type PlaylistPosition = { readonly msn: number; readonly part: number | undefined }

/** RFC 8216bis §6.2.5.2: a number that is greater than the last segment's by more than this is an error. */
const MAX_SEGMENTS_AHEAD = 2

/**
 * Whether a rendition's playlist has come to a position. A part behind the last one of a closed segment is the first one of the next
 * (RFC 8216bis §6.2.5.2). A playlist that changes no more has come as far as it ever will.
 */
export function hasReached(view: PresentationView, rendition: Rendition, { msn, part }: PlaylistPosition): boolean {
  if (view.ended || view.live === undefined) return true
  const { endSequence } = view
  if (part === undefined) return msn < endSequence
  if (msn > endSequence) return false
  if (msn === endSequence) return part < partsOfOpen(view, rendition)
  const count = countParts(view, rendition, msn)
  if (count === undefined || part < count || msn + 1 < endSequence) return true
  return partsOfOpen(view, rendition) > 0
}

/** Whether nobody who knows this playlist can have reason to wait for this position yet: RFC 8216bis §6.2.5.2 wants 400. */
export function isTooFarAhead(
  view: PresentationView,
  rendition: Rendition,
  { msn, part = 0 }: PlaylistPosition,
): boolean {
  const { endSequence } = view
  if (msn > endSequence - 1 + MAX_SEGMENTS_AHEAD) return true
  // What lies behind is there, or is the next segment's first part, however large the number is.
  if (msn < endSequence) return false
  const partSeconds = partTargetMs(view.header) / 1_000
  const advanceLimit = partSeconds < 1 ? Math.ceil(3 / partSeconds) : 3
  const listed = msn === endSequence ? partsOfOpen(view, rendition) : 0
  return part > listed - 1 + advanceLimit
}

function partsOfOpen(view: PresentationView, rendition: Rendition): number {
  const open = view.live?.openSegment
  return open ? (countParts(view, rendition, open.sequence) ?? 0) : 0
}
