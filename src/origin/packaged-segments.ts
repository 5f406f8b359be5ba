import { BufferPool } from '../lib/buffer-pool.ts'
import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import type { SegmentPackaging, StoredMedia } from '../packaging/segment-packaging.ts'
import type { Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import { CACHE_CONTROL, gone, type MediaRequest } from './media-answers.ts'
import type { FragmentReader } from './ports.ts'
import { overloaded } from './shed-reason.ts'

type Packaged = {
  readonly chunks: readonly Uint8Array[]
  readonly memoryBytes: number
  /** Nobody reads them any more, nor the stored bytes that they may be views on. */
  letGo(): void
}
type Wanted = { readonly rendition: Rendition; readonly segment: RenditionSegment }

/** An `abort()` without a reason makes an error with a stack each time. */
const OVER = new AppError('STOPPED', 'Nobody reads this any more.')

/** Segments in other containers than the stored one: packaged once for all who ask for one at a time, and kept for who asks next. */
export class PackagedSegments {
  readonly #fragments: FragmentReader
  readonly #cache: SharedCache<Packaged>
  /** Memory for segments: fresh memory for each has the garbage collector run many times a second. */
  readonly #pool = new BufferPool()
  readonly #maxMaking: number
  #making = 0

  /** `maxMaking`: how many may be made at once; beyond that it is refused, since each takes the memory of a segment. */
  constructor(fragments: FragmentReader, cacheBytes: number, maxMaking = Number.POSITIVE_INFINITY) {
    this.#fragments = fragments
    this.#maxMaking = maxMaking
    this.#cache = new SharedCache(cacheBytes, ({ chunks, letGo }) => {
      for (const chunk of chunks) this.#pool.giveBack(chunk)
      letGo()
    })
  }

  get cachedBytes(): number {
    return this.#cache.sizeBytes
  }

  /**
   * The closed segment `sequence` of these renditions in one container; a rendition without media there is left out.
   * @throws AppError `SEGMENT_GONE` where none has any, `ORIGIN_BUSY`, and what packaging throws
   */
  async answer(
    asked: MediaRequest,
    renditions: readonly Rendition[],
    sequence: number,
    packaging: SegmentPackaging,
  ): Promise<Answer> {
    const { request, view, digest, caching, signal } = asked
    const row = view.segment(sequence)
    const wanted = renditions.flatMap((rendition): Wanted[] => {
      const segment = view.renditionSegment(rendition.index, sequence)
      return segment ? [{ rendition, segment }] : []
    })
    if (!row || wanted.length === 0) throw gone()
    const named = wanted.map(({ segment }) => `${segment.track}-${segment.startTicks}-${segment.sizeBytes}`).join('-')
    const etag = `"${digest}-${packaging.name}-${named}"`
    const headers = ['Content-Type', packaging.contentType, 'Cache-Control', CACHE_CONTROL[caching]]
    if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
    const key = `${view.header.epoch}/${etag}`
    if (!this.#cache.has(key)) this.#admit(asked)
    const make = (making: AbortSignal) => this.#package(asked, row, wanted, packaging, making)
    const { chunks } = await this.#cache.lease(key, make, signal)
    return rangeAnswer(request, etag, headers, chunks)
  }

  #admit({ admission }: MediaRequest): void {
    admission?.forWork()
    if (this.#making >= this.#maxMaking)
      throw overloaded('packaging', 'Too many segments are being packaged: try again.')
  }

  async #package(
    { view }: MediaRequest,
    row: SegmentRow,
    wanted: readonly Wanted[],
    packaging: SegmentPackaging,
    signal: AbortSignal,
  ): Promise<Packaged> {
    const { header } = view
    const held = new AbortController()
    const giveUp = () => held.abort(OVER)
    signal.addEventListener('abort', giveUp, { once: true })
    this.#making += 1
    let pieces: readonly Uint8Array[] | undefined
    try {
      const read = async ({ rendition, segment }: Wanted): Promise<StoredMedia> => {
        const track = view.track(segment.track)
        const fragments = await this.#fragments.read(header.id, rendition.index, segment.sequence, held.signal)
        if (!track || !fragments) throw gone()
        return { track, segment, fragments }
      }
      const media = await Promise.all(wanted.map(read))
      if (signal.aborted) throw new AppError('STOPPED', 'Nobody waits for this segment any more.')
      const take = (sizeBytes: number) => this.#pool.take(sizeBytes)
      if (media.every(mayBeHeld)) pieces = packaging.pieces?.({ header, row, media }, take)
      const chunks = pieces ?? [packaging.package({ header, row, media }, take)]
      const memoryBytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0)
      return { chunks, memoryBytes, letGo: () => held.abort(OVER) }
    } finally {
      this.#making -= 1
      signal.removeEventListener('abort', giveUp)
      // The stored bytes may be used for others from here on, unless they are given out as they are.
      if (!pieces) held.abort(OVER)
    }
  }
}

/** What is of a live log belongs to the node, which counts on having it back. */
function mayBeHeld({ fragments }: StoredMedia): boolean {
  return fragments.every(({ buffer }) => buffer instanceof ArrayBuffer)
}
