import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import type { Track } from '../presentation/records.ts'
import type { Rendition } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import type { ProtectedDelivery } from './deliveries.ts'
import { type DeliveryKeys, type TrackKey, trackKeyRef } from './delivery-keys.ts'
import { absent, CACHE_CONTROL, gone, type MediaRequest } from './media-answers.ts'
import type { PackagedSegments } from './packaged-segments.ts'
import {
  ENVELOPED_TYPE,
  envelopedFragments,
  envelopedInit,
  envelopedKeyFrame,
  type NamedSegmentKey,
} from './protected-packaging.ts'
import type { Child } from './target.ts'

type MediaChild = Extract<Child, { kind: 'part' | 'numbered' | 'segment' | 'key-frame' | 'init' }>
type Ports = { readonly packaged: PackagedSegments; readonly keys: DeliveryKeys }

const TICKS_PER_MS = 90

/** CMAF of which init segments and segments are encrypted whole. The same URL has the same bytes on every origin. */
export class EnvelopedAnswers {
  readonly #ports: Ports

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /** What stands under a rendition. @throws AppError as the others; `URL_UNKNOWN` for parts, of which there are none */
  child(asked: MediaRequest, rendition: Rendition, child: MediaChild): Promise<Answer> {
    switch (child.kind) {
      case 'segment':
        return this.segment(asked, rendition, child.startTicks)
      case 'key-frame':
        return this.#keyFrame(asked, rendition, child.startTicks)
      case 'init':
        return this.init(asked, trackOf(rendition, child.track), child.periodMs)
      default:
        throw new AppError('URL_UNKNOWN', 'Segments that are encrypted whole have no parts.')
    }
  }

  /**
   * The init segment of a track. `periodMs`: the begin of its key's period; absent: the key does not rotate, or for who asks by the AMS grammar that
   * of the newest segment. @throws AppError `URL_UNKNOWN` where no period begins then, what `trackKeyRef` and `DeliveryKeys.open` throw
   */
  async init(asked: MediaRequest, track: Track, periodMs: number | undefined): Promise<Answer> {
    const { request, view, digest, caching } = asked
    const newest = view.live?.openSegment ?? view.segment(view.endSequence - 1)
    const startTicks = periodMs === undefined ? (newest?.startTicks ?? 0) : periodMs * TICKS_PER_MS
    const ref = trackKeyRef(deliveryOf(asked), track, startTicks)
    if (caching === 'immutable' && ref.periodMs !== periodMs) {
      throw new AppError('URL_UNKNOWN', 'The key of this track has no such period.')
    }
    const etag = `"${digest}-i${track.track}-${ref.kid}"`
    const headers = ['Content-Type', ENVELOPED_TYPE, 'Cache-Control', CACHE_CONTROL[caching]]
    if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
    const bytes = envelopedInit(track.init, namedKey(await this.#ports.keys.open(ref)))
    return rangeAnswer(request, etag, headers, [bytes])
  }

  /** The segment that starts at `startTicks`. @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`, `SEGMENT_NOT_YET` and what opening a key throws */
  async segment(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { sequence, key } = await this.#locate(asked, rendition, startTicks)
    return this.#ports.packaged.answer(asked, [rendition], sequence, envelopedFragments(asked.view, rendition, key))
  }

  async #keyFrame(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { sequence, key, hasKeyFrame } = await this.#locate(asked, rendition, startTicks)
    if (rendition.kind !== 'video' || !hasKeyFrame) {
      throw new AppError('URL_UNKNOWN', 'The segment does not begin with a key frame.')
    }
    return this.#ports.packaged.answer(asked, [rendition], sequence, envelopedKeyFrame(key))
  }

  async #locate(asked: MediaRequest, rendition: Rendition, startTicks: number) {
    const { view } = asked
    const segment = view.findSegment(rendition.index, startTicks)
    const track = segment && view.track(segment.track)
    if (!segment || !track) throw absent(view, rendition, startTicks)
    const row = view.segment(segment.sequence)
    if (!row) throw gone()
    const { sequence, independent, leadingBytes } = segment
    const key = namedKey(await this.#ports.keys.open(trackKeyRef(deliveryOf(asked), track, row.startTicks)))
    return { sequence, key, hasKeyFrame: independent && leadingBytes > 0 }
  }
}

function deliveryOf({ delivery }: MediaRequest): ProtectedDelivery {
  if (delivery.protection === 'clear') throw new AppError('INTERNAL', 'media in the clear came to be encrypted')
  return delivery
}

function namedKey({ kidBytes: kid, key, constantIv: iv }: TrackKey): NamedSegmentKey {
  return { kid, key, iv }
}

function trackOf({ tracks }: Rendition, wanted: number): Track {
  const found = tracks.find(({ track }) => track === wanted)
  if (!found) throw new AppError('URL_UNKNOWN', 'The presentation has no such track.')
  return found
}
