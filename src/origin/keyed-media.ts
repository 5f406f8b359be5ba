import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import type { ProtectedDelivery } from './deliveries.ts'
import { type DeliveryKeys, type TrackKey, trackKeyRef } from './delivery-keys.ts'
import { absent, CACHE_CONTROL, gone, type MediaRequest } from './media-answers.ts'

/** A segment of a rendition, and the key that it is encrypted with. */
export type KeyedSegment = { readonly row: SegmentRow; readonly segment: RenditionSegment; readonly key: TrackKey }

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/** How what was asked for is protected. @throws AppError `INTERNAL` where it is in the clear */
export function protectedDeliveryOf({ delivery }: MediaRequest): ProtectedDelivery {
  if (delivery.protection === 'clear') throw new AppError('INTERNAL', 'media in the clear came to be encrypted')
  return delivery
}

/**
 * The segment of a rendition that starts at `startTicks`.
 * @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`, `SEGMENT_NOT_YET`; what `trackKeyRef` and `DeliveryKeys.open` throw
 */
export async function keyedSegment(
  asked: MediaRequest,
  keys: DeliveryKeys,
  rendition: Rendition,
  startTicks: number,
): Promise<KeyedSegment> {
  const { view } = asked
  const segment = view.findSegment(rendition.index, startTicks)
  const track = segment && view.track(segment.track)
  if (!segment || !track) throw absent(view, rendition, startTicks)
  const row = view.segment(segment.sequence)
  if (!row) throw gone()
  return { row, segment, key: await keys.open(trackKeyRef(protectedDeliveryOf(asked), track, row.startTicks)) }
}

/**
 * The init segment of a track. `periodMs`: the begin of its key's period; absent: the key does not rotate, or for who asks by the AMS grammar that
 * of the newest segment. `made`: its type, and its bytes under a key.
 * @throws AppError `URL_UNKNOWN` where no period begins then, what `trackKeyRef` and `DeliveryKeys.open` throw
 */
export async function keyedInit(
  asked: MediaRequest,
  keys: DeliveryKeys,
  { track, periodMs }: { readonly track: Track; readonly periodMs: number | undefined },
  made: { readonly type: string; bytes(key: TrackKey): Uint8Array },
): Promise<Answer> {
  const { request, view, digest, caching } = asked
  const newest = view.live?.openSegment ?? view.segment(view.endSequence - 1)
  const startTicks = periodMs === undefined ? (newest?.startTicks ?? 0) : periodMs * TICKS_PER_MS
  const ref = trackKeyRef(protectedDeliveryOf(asked), track, startTicks)
  if (caching === 'immutable' && ref.periodMs !== periodMs) {
    throw new AppError('URL_UNKNOWN', 'The key of this track has no such period.')
  }
  const etag = `"${digest}-i${track.track}-${ref.kid}"`
  const headers = ['Content-Type', made.type, 'Cache-Control', CACHE_CONTROL[caching]]
  if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
  return rangeAnswer(request, etag, headers, [made.bytes(await keys.open(ref))])
}
