import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { withProducerReferences } from '../packaging/producer-references.ts'
import { carriedEvents } from '../presentation/carried-events.ts'
import { findPart } from '../presentation/live-edge.ts'
import type { Track } from '../presentation/records.ts'
import type { Rendition } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import { requireSamples, type SampleDelivery } from './deliveries.ts'
import { type DeliveryKeys, trackKeyRef } from './delivery-keys.ts'
import { keyedInit, keyedSegment, protectedDeliveryOf } from './keyed-media.ts'
import type { ChunkProtection } from './live-segments.ts'
import { CACHE_CONTROL, gone, type MediaRequest } from './media-answers.ts'
import type { PackagedSegments } from './packaged-segments.ts'
import { absentPart } from './part-answers.ts'
import type { FragmentReader } from './ports.ts'
import {
  APART,
  keyFrameOfProtected,
  ProtectedParts,
  protectedInit,
  protectedPackaging,
  protectionOf,
} from './protected-media.ts'
import { sliceChunks } from './slice-chunks.ts'

type Ports = { readonly packaged: PackagedSegments; readonly fragments: FragmentReader; readonly keys: DeliveryKeys }

/** CMAF whose samples are encrypted: init segments, segments, parts and chunks. The same URL has the same bytes on every origin. */
export class ProtectedAnswers {
  readonly #ports: Ports
  readonly #parts = new ProtectedParts()

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /**
   * The init segment of a track, with what names its key. `periodMs`: the begin of the key's period; absent: the key does not rotate, or for
   * who asks by the AMS grammar that of the newest segment.
   * @throws AppError `URL_UNKNOWN` where nothing begins then
   */
  async init(asked: MediaRequest, track: Track, periodMs: number | undefined): Promise<Answer> {
    const delivery = deliveryOf(asked)
    return keyedInit(
      asked,
      this.#ports.keys,
      { track, periodMs },
      { type: `${track.config.kind}/mp4`, bytes: (key) => protectedInit(delivery, track, key) },
    )
  }

  /** The segment that starts at `startTicks`. @throws AppError as `segmentAnswer` */
  async segment(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const delivery = deliveryOf(asked)
    const { segment, key } = await keyedSegment(asked, this.#ports.keys, rendition, startTicks)
    const packaging = protectedPackaging(asked.view, rendition, delivery, key)
    return this.#ports.packaged.answer(asked, [rendition], segment.sequence, packaging)
  }

  /** A key frame by itself, in a view that has each as a segment of its one rendition. @throws AppError as `segment` */
  async keyFrameApart(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { segment, key } = await keyedSegment(asked, this.#ports.keys, rendition, startTicks)
    const packaging = protectedPackaging(asked.view, rendition, deliveryOf(asked), key, APART)
    return this.#ports.packaged.answer(asked, [rendition], segment.sequence, packaging)
  }

  /** The key frame with which the segment that starts at `startTicks` begins. @throws AppError as `segment` */
  async keyFrame(asked: MediaRequest, rendition: Rendition, startTicks: number): Promise<Answer> {
    const { segment, key } = await keyedSegment(asked, this.#ports.keys, rendition, startTicks)
    if (rendition.kind !== 'video' || !segment.independent || segment.leadingBytes === 0) {
      throw new AppError('URL_UNKNOWN', 'The segment does not begin with a key frame.')
    }
    const packaging = keyFrameOfProtected(rendition, deliveryOf(asked), key)
    return this.#ports.packaged.answer(asked, [rendition], segment.sequence, packaging)
  }

  /** A part by its number. @throws AppError as `partAnswer` */
  async part(asked: MediaRequest, rendition: Rendition, trackNumber: number, number: number): Promise<Answer> {
    const { request, view, digest, caching, signal } = asked
    const track = rendition.tracks.find((candidate) => candidate.track === trackNumber)
    const part = view.live && track && findPart(view.live, trackNumber, number)
    if (!part || !track) throw absentPart(view, rendition, trackNumber, number)
    const { sequence, sizeBytes } = part.fragment
    const row = view.segment(sequence) ?? openRow(asked, sequence)
    if (!row) throw gone()
    const delivery = deliveryOf(asked)
    const key = await this.#ports.keys.open(trackKeyRef(delivery, track, row.startTicks))
    const etag = `"${digest}-${trackNumber}.${number}-${key.kid}"`
    const headers = ['Content-Type', `${track.config.kind}/mp4`, 'Cache-Control', CACHE_CONTROL[caching]]
    if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
    const { offsetBytes } = part
    const read = async (reading: AbortSignal) => {
      const chunks = await this.#ports.fragments.read(view.header.id, rendition.index, sequence, reading)
      if (!chunks) throw gone()
      const range = { first: offsetBytes, last: offsetBytes + sizeBytes - 1 }
      const before = offsetBytes === 0 ? [] : sliceChunks(chunks, { first: 0, last: offsetBytes - 1 })
      return { fragment: joined(sliceChunks(chunks, range)), preceding: before }
    }
    const name = partName(digest, sequence, trackNumber, offsetBytes)
    const bytes = await this.#parts.get(name, track, protectionOf(delivery, key), read, signal)
    const events = offsetBytes === 0 ? carriedEvents(view, rendition, sequence) : undefined
    return rangeAnswer(request, etag, headers, events ? [events, bytes] : [bytes])
  }

  /** How segments by number are encrypted, closed or open. */
  chunks(asked: MediaRequest, rendition: Rendition): ChunkProtection {
    const delivery = deliveryOf(asked)
    const { view, digest, signal } = asked
    const keyOf = (track: Track, startTicks: number) => this.#ports.keys.open(trackKeyRef(delivery, track, startTicks))
    return {
      closed: async (row, segment) => {
        const track = view.track(segment.track)
        if (!track) throw gone()
        const packaging = protectedPackaging(view, rendition, delivery, await keyOf(track, row.startTicks), {
          name: '-prft',
          pieces: (_stored, fragments) =>
            fragments.flatMap((fragment) => withProducerReferences(fragment, row, track.timescale)),
        })
        return this.#ports.packaged.answer(asked, [rendition], segment.sequence, packaging)
      },
      chunk: async (open, track, fragments, index) => {
        const key = await keyOf(track, open.startTicks)
        const preceding = fragments.slice(0, index)
        const fragment = fragments[index]
        if (!fragment) throw gone()
        const offset = preceding.reduce((sum, { byteLength }) => sum + byteLength, 0)
        const name = partName(digest, open.sequence, track.track, offset)
        return this.#parts.get(name, track, protectionOf(delivery, key), async () => ({ fragment, preceding }), signal)
      },
    }
  }
}

function deliveryOf(asked: MediaRequest): SampleDelivery {
  return requireSamples(protectedDeliveryOf(asked))
}

function openRow({ view }: MediaRequest, sequence: number) {
  const open = view.live?.openSegment
  return open?.sequence === sequence ? open : undefined
}

function partName(digest: string, sequence: number, track: number, offsetBytes: number): string {
  return `${digest} ${sequence} ${track} ${offsetBytes}`
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = chunks
  return first && others.length === 0 ? first : Buffer.concat(chunks)
}
