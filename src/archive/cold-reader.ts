import type { ArchivePlace } from '../domain/archive-place.ts'
import { type BlobStorage, MAX_READ_BYTES } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import type { PresentationView } from '../presentation/view.ts'
import { spanBlob } from './blob-names.ts'
import { placeInSpan } from './span-place.ts'

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

type Reading = { readonly bytes: Promise<Uint8Array | undefined>; readonly abort: AbortController; readers: number }

const MAX_READS = 64
const MAX_WAITING = 1_024

/**
 * Reads segments that are not in memory any more. Who asks for the same one at the same time shares the reading, and the newest
 * ones are kept within `cacheBytes`: viewers of a recording come in crowds.
 */
export class ColdReader {
  readonly #ports: ColdReaderPorts
  readonly #cacheBytes: number
  readonly #turns = new Turns(MAX_READS, {
    maxWaiting: MAX_WAITING,
    refusal: () => new AppError('STORAGE_BUSY', 'Too much is being read from storage: try again.'),
  })
  /** The least recently used first. */
  readonly #cache = new Map<string, Uint8Array>()
  readonly #readings = new Map<string, Reading>()
  #cachedBytes = 0

  constructor(ports: ColdReaderPorts, cacheBytes: number) {
    this.#ports = ports
    this.#cacheBytes = cacheBytes
  }

  get cachedBytes(): number {
    return this.#cachedBytes
  }

  /**
   * A closed segment of a rendition; `undefined` where it is nowhere (any more).
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
    const key = `${view.header.epoch}/${name}/${spot.offset}`
    const cached = this.#cached(key)
    if (cached) return [cached]
    const bytes = await this.#shared(key, signal, (reading) =>
      this.#turns.run(() => this.#ports.storage(place).read(name, range, { signal: reading }), { signal: reading }),
    )
    return bytes && [bytes]
  }

  #cached(key: string): Uint8Array | undefined {
    const bytes = this.#cache.get(key)
    if (!bytes) return undefined
    this.#cache.delete(key)
    this.#cache.set(key, bytes)
    return bytes
  }

  /** The reading goes on as long as anybody wants it. */
  async #shared(
    key: string,
    signal: AbortSignal,
    read: (signal: AbortSignal) => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> {
    signal.throwIfAborted()
    const reading = this.#readings.get(key) ?? this.#begin(key, read)
    reading.readers++
    const left = Promise.withResolvers<never>()
    left.promise.catch(() => undefined)
    const onAbort = () => left.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([reading.bytes, left.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (--reading.readers === 0) {
        reading.abort.abort()
        // Nobody may join a reading that was given up.
        if (this.#readings.get(key) === reading) this.#readings.delete(key)
      }
    }
  }

  #begin(key: string, read: (signal: AbortSignal) => Promise<Uint8Array | undefined>): Reading {
    const abort = new AbortController()
    const bytes = read(abort.signal).then((found) => {
      if (found) this.#keep(key, found)
      return found
    })
    bytes.catch(() => undefined)
    const reading: Reading = { bytes, abort, readers: 0 }
    this.#readings.set(key, reading)
    return reading
  }

  #keep(key: string, bytes: Uint8Array): void {
    if (bytes.byteLength > this.#cacheBytes / 4 || this.#cache.has(key)) return
    this.#cache.set(key, bytes)
    this.#cachedBytes += bytes.byteLength
    for (const [oldest, { byteLength }] of this.#cache) {
      if (this.#cachedBytes <= this.#cacheBytes) return
      this.#cache.delete(oldest)
      this.#cachedBytes -= byteLength
    }
  }
}
