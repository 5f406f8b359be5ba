import { BufferPool } from '../lib/buffer-pool.ts'
import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import type { SegmentPackaging, StoredMedia } from '../packaging/segment-packaging.ts'
import type { Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import { CACHE_CONTROL, gone, type MediaRequest } from './media-answers.ts'
import type { FragmentReader } from './ports.ts'

type Packaged = { readonly bytes: Uint8Array; readonly memoryBytes: number }
type Wanted = { readonly rendition: Rendition; readonly segment: RenditionSegment }

/** Segments in other containers than the stored one: packaged once for all who ask for one at a time, and kept for who asks next. */
export class PackagedSegments {
  readonly #fragments: FragmentReader
  readonly #cache: SharedCache<Packaged>
  /** Memory for segments: fresh memory for each has the garbage collector run many times a second. */
  readonly #pool = new BufferPool()

  constructor(fragments: FragmentReader, cacheBytes: number) {
    this.#fragments = fragments
    this.#cache = new SharedCache(cacheBytes, ({ bytes }) => this.#pool.giveBack(bytes))
  }

  get cachedBytes(): number {
    return this.#cache.sizeBytes
  }

  /**
   * The closed segment `sequence` of these renditions in one container; a rendition without media there is left out.
   * @throws AppError `SEGMENT_GONE` where none has any, and what packaging throws
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
    const make = (making: AbortSignal) => this.#package(asked, row, wanted, packaging, making)
    const { bytes } = await this.#cache.lease(`${view.header.epoch}/${etag}`, make, signal)
    return rangeAnswer(request, etag, headers, [bytes])
  }

  async #package(
    { view }: MediaRequest,
    row: SegmentRow,
    wanted: readonly Wanted[],
    packaging: SegmentPackaging,
    signal: AbortSignal,
  ): Promise<Packaged> {
    const { header } = view
    const done = new AbortController()
    try {
      const reading = AbortSignal.any([signal, done.signal])
      const read = async ({ rendition, segment }: Wanted): Promise<StoredMedia> => {
        const track = view.track(segment.track)
        const fragments = await this.#fragments.read(header.id, rendition.index, segment.sequence, reading)
        if (!track || !fragments) throw gone()
        return { track, segment, fragments }
      }
      const media = await Promise.all(wanted.map(read))
      if (signal.aborted) throw new AppError('STOPPED', 'Nobody waits for this segment any more.')
      const bytes = packaging.package({ header, row, media }, (sizeBytes) => this.#pool.take(sizeBytes))
      return { bytes, memoryBytes: bytes.byteLength }
    } finally {
      // The stored bytes may be used for others from here on.
      done.abort()
    }
  }
}
