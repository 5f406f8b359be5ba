import { AppError } from '../lib/errors.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import { Turns } from '../lib/turns.ts'
import { buildThumbnailTrack } from '../manifest/thumbnail-track.ts'
import { type KeyFrameStream, keyFrameStream, type StoredKeyFrame } from '../packaging/key-frame-stream.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { sequenceAt, wallTicks } from '../presentation/segment-search.ts'
import {
  hasKeyFrame,
  renditionFor,
  spriteSegments,
  TILE_COLUMNS,
  TILE_ROWS,
  tileGrid,
} from '../presentation/tile-grid.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import { type Answer, entityAnswer } from './answer.ts'
import { CACHE_CONTROL, type MediaRequest } from './media-answers.ts'
import type { SegmentSource } from './ports.ts'
import { digestOf } from './rendered.ts'
import { overloaded } from './shed-reason.ts'
import { SPRITES, type ThumbnailTarget } from './thumbnail-target.ts'

/** Makes a JPEG of key frames: of the first, or of all of them in rows. */
export type PictureMaker = (
  wish: KeyFrameStream & {
    readonly width: number
    readonly height?: number
    readonly tiles?: { readonly columns: number; readonly rows: number }
  },
  signal: AbortSignal,
) => Promise<Uint8Array>

type Picture = { readonly body: Uint8Array; readonly memoryBytes: number }
type Wish = Omit<Parameters<PictureMaker>[0], keyof KeyFrameStream>

/** Decoders at once, and who waits for one: each takes a core for some tenths of a second. */
const MAX_MAKING = 2
const MAX_WAITING = 64

/** Pictures of presentations, decoded when they are first asked for. */
export class ThumbnailAnswers {
  readonly #segments: SegmentSource
  readonly #make: PictureMaker
  readonly #cache: SharedCache<Picture>
  readonly #turns = new Turns(MAX_MAKING, {
    maxWaiting: MAX_WAITING,
    refusal: () => overloaded('pictures', 'Too many pictures are being made: try again.'),
  })

  constructor(segments: SegmentSource, make: PictureMaker, cacheBytes: number) {
    this.#segments = segments
    this.#make = make
    this.#cache = new SharedCache(cacheBytes)
  }

  /** The key frame next to a time. @throws AppError `URL_UNKNOWN` where there is none; `ORIGIN_BUSY` and what decoding throws */
  picture(asked: MediaRequest, { time, width }: ThumbnailTarget): Promise<Answer> {
    const { view } = asked
    const rendition = renditionFor(view, width)
    if (!rendition) throw noPictures()
    const wanted =
      'seconds' in time ? startOf(view) + time.seconds * PRESENTATION_TIMESCALE : wallTicks(view, time.wallMs)
    const sequence = nearestKeyFrame(view, rendition, wanted)
    const config = rendition.tracks.at(-1)?.config
    const widest = config?.kind === 'video' ? config.width : width
    // Larger than it is coded it would only take more bytes; JPEG's halved colours want an even number.
    return this.#answer(asked, rendition, [sequence], {
      width: Math.max(2, 2 * Math.floor(Math.min(width, widest) / 2)),
    })
  }

  /** Many small pictures in one. @throws AppError as `picture` */
  sprite(asked: MediaRequest, sprite: number): Promise<Answer> {
    const grid = tileGrid(asked.view)
    if (!grid) throw noPictures()
    const sequences = spriteSegments(asked.view, grid, sprite)
    if (sequences.length === 0) throw new AppError('URL_UNKNOWN', 'There is no picture at this time.')
    return this.#answer(asked, grid.rendition, sequences, {
      ...{ width: grid.tileWidth, height: grid.tileHeight },
      tiles: { columns: TILE_COLUMNS, rows: TILE_ROWS },
    })
  }

  /**
   * What is where on the sprites, which are found below `children`, of a part of what is asked for.
   * @throws AppError `SEGMENT_NOT_YET` while it is live, `URL_UNKNOWN` where there are no pictures
   */
  track({ request, view }: MediaRequest, children: string, part: PresentationView): Answer {
    const grid = tileGrid(view)
    if (!grid) throw noPictures()
    if (!part.ended) throw new AppError('SEGMENT_NOT_YET', 'The pictures of the whole are there when it has ended.')
    const body = Buffer.from(buildThumbnailTrack(part, grid, (sprite) => `${children}${SPRITES}/${sprite}.jpg`))
    const headers = ['Content-Type', 'text/vtt; charset=utf-8', 'Cache-Control', CACHE_CONTROL.validated]
    return entityAnswer(request, `"${digestOf(body)}"`, headers, body)
  }

  async #answer(asked: MediaRequest, rendition: Rendition, sequences: readonly number[], wish: Wish): Promise<Answer> {
    const { request, view, digest, signal } = asked
    const frames = sequences.map((sequence) => view.renditionSegment(rendition.index, sequence)?.startTicks)
    const shape = [wish.width, wish.height ?? '', wish.tiles ? 'tiles' : ''].join('x')
    const etag = `"${digest}-jpeg-${digestOf(JSON.stringify([rendition.name, shape, frames]))}"`
    const make = (making: AbortSignal) => this.#picture(view, rendition, sequences, wish, making)
    const { body } = await this.#cache.get(`${view.header.epoch}/${etag}`, make, signal)
    const headers = ['Content-Type', 'image/jpeg', 'Cache-Control', CACHE_CONTROL.validated]
    return entityAnswer(request, etag, headers, body)
  }

  #picture(
    view: PresentationView,
    rendition: Rendition,
    sequences: readonly number[],
    wish: Wish,
    signal: AbortSignal,
  ): Promise<Picture> {
    return this.#turns.run(
      async () => {
        const known = new Map<number, StoredKeyFrame>()
        for (const sequence of new Set(sequences))
          known.set(sequence, await this.#keyFrame(view, rendition, sequence, signal))
        const codec = known.values().next().value?.track.config.codec
        let last: StoredKeyFrame | undefined
        const frames = sequences.flatMap((sequence) => {
          const frame = known.get(sequence)
          // A decoder takes one codec: behind a change of it the last picture before it stands.
          if (frame?.track.config.codec === codec) last = frame
          return last ? [last] : []
        })
        const body = await this.#make({ ...keyFrameStream(frames), ...wish }, signal)
        return { body, memoryBytes: body.byteLength }
      },
      { signal },
    )
  }

  async #keyFrame(
    view: PresentationView,
    { index }: Rendition,
    sequence: number,
    signal: AbortSignal,
  ): Promise<StoredKeyFrame> {
    const segment = view.renditionSegment(index, sequence)
    const track = segment && view.track(segment.track)
    const range = { first: 0, last: (segment?.leadingBytes ?? 1) - 1 }
    const leading = track && (await this.#segments.read(view.header.id, index, sequence, range, signal))
    if (!track || !leading) throw new AppError('SEGMENT_GONE', 'This picture is older than what is kept.')
    return { track, leading }
  }
}

function startOf(view: PresentationView): number {
  return view.segment(view.firstSequence)?.startTicks ?? 0
}

/** The segment with the key frame that is shown nearest to `ticks` (90 kHz); how far it is looked for is bounded. */
function nearestKeyFrame(view: PresentationView, rendition: Rendition, ticks: number): number {
  const at = sequenceAt(view, ticks)
  const row = view.segment(at)
  const isPastMiddle = row !== undefined && ticks > row.startTicks + row.durationTicks / 2
  for (let distance = 0; distance < 1_000; distance++) {
    const both = isPastMiddle ? [at + 1 + distance, at - distance] : [at - distance, at + 1 + distance]
    for (const sequence of both) if (hasKeyFrame(view, rendition, sequence)) return sequence
  }
  throw new AppError('URL_UNKNOWN', 'There is no picture at this time.')
}

function noPictures(): AppError {
  return new AppError('URL_UNKNOWN', 'The presentation has no pictures.')
}
