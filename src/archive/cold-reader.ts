import type { ArchivePlace } from '../domain/archive-place.ts'
import { type BlobStorage, MAX_READ_BYTES } from '../domain/blob-storage.ts'
import { BufferPool } from '../lib/buffer-pool.ts'
import { AppError } from '../lib/errors.ts'
import { SharedCache } from '../lib/shared-cache.ts'
import { Turns } from '../lib/turns.ts'
import type { PresentationView } from '../presentation/view.ts'
import { spanBlob } from './blob-names.ts'
import { placeInSpan, type SpanPlace } from './span-place.ts'

/** A recording, as a reader knows it. */
export type ColdRecording = { readonly view: PresentationView; readonly place: ArchivePlace }

/** What cold segments are read from. */
export type ColdReaderPorts = {
  readonly storage: (place: ArchivePlace) => BlobStorage
  /** What has not come to storage yet, from the node that records it. `undefined`: not there (any more). */
  readonly spooled: (
    presentationId: string,
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ) => Promise<readonly Uint8Array[] | undefined>
}

type Found = { readonly bytes: Uint8Array | undefined; readonly memoryBytes: number | undefined }

const MAX_READS = 64
const MAX_WAITING = 1_024

/**
 * Reads segments that are not in memory any more. Who asks for the same one at the same time shares the reading, and the newest
 * ones are kept within `cacheBytes`: viewers of a recording come in crowds.
 */
export class ColdReader {
  readonly #ports: ColdReaderPorts
  /** One that would drive most of the others out is not kept. */
  readonly #largestBytes: number
  readonly #turns = new Turns(MAX_READS, {
    maxWaiting: MAX_WAITING,
    refusal: () => new AppError('STORAGE_BUSY', 'Too much is being read from storage: try again.'),
  })
  readonly #cache: SharedCache<Found>
  /** Memory for segments: fresh memory for each has the garbage collector run many times a second. */
  readonly #pool = new BufferPool()

  constructor(ports: ColdReaderPorts, cacheBytes: number) {
    this.#ports = ports
    this.#cache = new SharedCache(cacheBytes, ({ bytes }) => bytes && this.#pool.giveBack(bytes))
    this.#largestBytes = cacheBytes / 4
  }

  get cachedBytes(): number {
    return this.#cache.sizeBytes
  }

  /** Whether a segment is at hand, or being read. */
  holds(recording: ColdRecording, renditionIndex: number, sequence: number): boolean {
    const spot = placeInSpan(recording.view, renditionIndex, sequence)
    return spot !== undefined && this.#cache.has(keyOf(recording, spot))
  }

  /**
   * A closed segment of a rendition; `undefined` where it is nowhere (any more). The bytes are leased: they stay what they are until `signal`
   * aborts; then their memory may be another segment's, so whoever needs them for longer copies them before.
   *
   * @throws AppError `STORAGE_DOWN`, `STORAGE_BUSY`, `STORAGE_TAMPERED` …: what the storage throws; the signal's reason
   */
  async read(
    recording: ColdRecording,
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[] | undefined> {
    const { view, place } = recording
    const spot = placeInSpan(view, renditionIndex, sequence)
    if (!spot) return this.#ports.spooled(view.header.id, renditionIndex, sequence, signal)
    const name = spanBlob(place.folder, spot.track, spot.spanTicks)
    if (spot.sizeBytes > MAX_READ_BYTES)
      throw new AppError('LIMIT_EXCEEDED', 'This segment is too large to be read at once.')
    const range = { first: spot.offset, last: spot.offset + spot.sizeBytes - 1 }
    const key = keyOf(recording, spot)
    const read = async (reading: AbortSignal): Promise<Found> => {
      const readNow = () =>
        this.#ports
          .storage(place)
          .read(name, range, { signal: reading, take: (sizeBytes) => this.#pool.take(sizeBytes) })
      const bytes = await this.#turns.run(readNow, { signal: reading })
      const isKept = bytes !== undefined && bytes.byteLength <= this.#largestBytes
      return { bytes, memoryBytes: isKept ? bytes.byteLength : undefined }
    }
    const { bytes } = await this.#cache.lease(key, read, signal)
    return bytes && [bytes]
  }
}

function keyOf({ view, place }: ColdRecording, { track, spanTicks, offset }: SpanPlace): string {
  return `${view.header.epoch}/${spanBlob(place.folder, track, spanTicks)}/${offset}`
}
