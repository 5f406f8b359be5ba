import { AppError } from '../lib/errors.ts'
import { MemoryRegion } from './memory-region.ts'

const DEFAULT_REGION_BYTES = 16 * 2 ** 20
const MAX_FRAGMENT_BYTES = 256 * 2 ** 20

/** Where bytes lie, in a form that other threads understand. */
export type FragmentPlace = { readonly region: number; readonly byteOffset: number; readonly sizeBytes: number }

/**
 * The memory in which fragments lie, shared by all threads. It counts holds and reuses what nobody holds any more, because V8 does not
 * count a `SharedArrayBuffer` towards garbage collection: left to it, dropped fragments stay for minutes (3 GB seen
 * where 0.7 were alive). Memory that was once taken is kept for the next fragments and not given back.
 */
export class FragmentMemory {
  readonly #regionBytes: number
  readonly #regions: MemoryRegion[] = []
  readonly #byBuffer = new Map<ArrayBufferLike, MemoryRegion>()
  /** A backstop only: bytes whose owner forgot to release them come back when the owner's view is collected. */
  readonly #forgotten: FinalizationRegistry<{ readonly region: MemoryRegion; readonly byteOffset: number }>
  readonly #owned = new WeakSet<Uint8Array>()
  #current = 0

  constructor(options: { readonly regionBytes?: number } = {}) {
    this.#regionBytes = options.regionBytes ?? DEFAULT_REGION_BYTES
    this.#forgotten = new FinalizationRegistry(({ region, byteOffset }) => region.release(byteOffset))
  }

  /** Bytes in use, rounded up to pages. */
  get usedBytes(): number {
    return this.#regions.reduce((sum, region) => sum + region.usedBytes, 0)
  }

  /** Bytes taken from the operating system, at most. */
  get reservedBytes(): number {
    return this.#regions.reduce((sum, region) => sum + region.buffer.byteLength, 0)
  }

  /**
   * Room for a fragment, to be filled by the caller and then left unchanged. The caller holds it until `disown`; each
   * log that it is appended to holds it for itself. The content is whatever lay there before.
   */
  allocate(sizeBytes: number): Uint8Array {
    if (sizeBytes > MAX_FRAGMENT_BYTES) {
      throw new AppError('LIMIT_EXCEEDED', `a fragment of ${sizeBytes} bytes is larger than ${MAX_FRAGMENT_BYTES}`)
    }
    const bytes = this.#find(sizeBytes)
    const region = this.#regionOf(bytes)
    this.#owned.add(bytes)
    this.#forgotten.register(bytes, { region, byteOffset: bytes.byteOffset }, bytes)
    return bytes
  }

  /** Ends the hold that `allocate` gave, when the bytes have been appended to every log that wants them. */
  disown(bytes: Uint8Array): void {
    if (!this.#owned.delete(bytes)) return
    this.#forgotten.unregister(bytes)
    this.release(bytes)
  }

  /** These bytes were allocated here. */
  has(bytes: Uint8Array): boolean {
    return this.#byBuffer.has(bytes.buffer)
  }

  hold(bytes: Uint8Array): void {
    this.#regionOf(bytes).hold(bytes.byteOffset)
  }

  /** Ends one `hold`; with the last one the memory is used for other fragments. */
  release(bytes: Uint8Array): void {
    this.#regionOf(bytes).release(bytes.byteOffset)
  }

  placeOf(bytes: Uint8Array): FragmentPlace {
    return { region: this.#regionOf(bytes).index, byteOffset: bytes.byteOffset, sizeBytes: bytes.byteLength }
  }

  regionBuffer(region: number): SharedArrayBuffer {
    const found = this.#regions[region]
    if (!found) throw new AppError('INTERNAL', `fragment memory has no region ${region}`)
    return found.buffer
  }

  #find(sizeBytes: number): Uint8Array {
    for (let tried = 0; tried < this.#regions.length; tried++) {
      const bytes = this.#regions[this.#current]?.allocate(sizeBytes)
      if (bytes) return bytes
      this.#current = (this.#current + 1) % this.#regions.length
    }
    const region = new MemoryRegion(this.#regions.length, Math.max(this.#regionBytes, sizeBytes))
    this.#current = this.#regions.push(region) - 1
    this.#byBuffer.set(region.buffer, region)
    const bytes = region.allocate(sizeBytes)
    if (!bytes) throw new AppError('INTERNAL', 'a new memory region has no room')
    return bytes
  }

  #regionOf(bytes: Uint8Array): MemoryRegion {
    const region = this.#byBuffer.get(bytes.buffer)
    if (!region) throw new AppError('INTERNAL', 'these bytes are not in fragment memory')
    return region
  }
}
