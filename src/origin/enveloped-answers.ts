import { AppError } from '../lib/errors.ts'
import type { Track } from '../presentation/records.ts'
import type { Rendition } from '../presentation/view.ts'
import type { Answer } from './answer.ts'
import type { DeliveryKeys, TrackKey } from './delivery-keys.ts'
import { keyedInit, keyedSegment } from './keyed-media.ts'
import type { MediaRequest } from './media-answers.ts'
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
    return keyedInit(
      asked,
      this.#ports.keys,
      { track, periodMs },
      { type: ENVELOPED_TYPE, bytes: (key) => envelopedInit(track.init, namedKey(key)) },
    )
  }

  /** The segment that starts at `startTicks`. @throws AppError `URL_UNKNOWN`, `SEGMENT_GONE`, `SEGMENT_NOT_YET` and what opening a key throws */
  async segment(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { segment, key } = await keyedSegment(asked, this.#ports.keys, rendition, startTicks)
    const packaging = envelopedFragments(asked.view, rendition, namedKey(key))
    return this.#ports.packaged.answer(asked, [rendition], segment.sequence, packaging)
  }

  /** A key frame by itself, in a view that has each as a segment of its one rendition. @throws AppError as `segment` */
  async keyFrameApart(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { segment, key } = await keyedSegment(asked, this.#ports.keys, rendition, startTicks)
    const packaging = envelopedFragments(asked.view, rendition, namedKey(key), 'key-frame-apart')
    return this.#ports.packaged.answer(asked, [rendition], segment.sequence, packaging)
  }

  async #keyFrame(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { segment, key } = await keyedSegment(asked, this.#ports.keys, rendition, startTicks)
    if (rendition.kind !== 'video' || !segment.independent || segment.leadingBytes === 0) {
      throw new AppError('URL_UNKNOWN', 'The segment does not begin with a key frame.')
    }
    return this.#ports.packaged.answer(asked, [rendition], segment.sequence, envelopedKeyFrame(namedKey(key)))
  }
}

function namedKey({ kidBytes: kid, key, constantIv: iv }: TrackKey): NamedSegmentKey {
  return { kid, key, iv }
}

function trackOf({ tracks }: Rendition, wanted: number): Track {
  const found = tracks.find(({ track }) => track === wanted)
  if (!found) throw new AppError('URL_UNKNOWN', 'The presentation has no such track.')
  return found
}
