const MIN_BYTES = 512
/** Sizes between two powers of two: what a buffer is longer than was asked for stays below a quarter. */
const STEPS_LOG2 = 2
const DEFAULT_MAX_FREE_BYTES = 32 * 2 ** 20

/** Memory of just so many bytes that nobody else uses, whatever lay there before: every byte of it is to be written. */
export type TakeMemory = (sizeBytes: number) => Buffer

/**
 * Memory for messages that come and go by the thousand. The garbage collector sees only the small objects that stand for
 * them and takes its time: left to it, the dead ones are many times those alive (65 MB for 10 at thirty publishers of
 * 3 Mbit/s). Who knows that a message is not read any more gives its memory back; what nobody gives back is collected as ever.
 */
export class BufferPool {
  readonly #maxFreeBytes: number
  /** By size, that which was used longest ago first. */
  readonly #free = new Map<number, ArrayBuffer[]>()
  readonly #taken = new WeakSet<ArrayBufferLike>()
  #freeBytes = 0

  /** `maxFreeBytes` bounds what waits to be used again; beyond it, the garbage collector gets what has the size that was asked for longest ago. */
  constructor(options: { readonly maxFreeBytes?: number } = {}) {
    this.#maxFreeBytes = options.maxFreeBytes ?? DEFAULT_MAX_FREE_BYTES
  }

  /** Bytes that wait to be used again. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** `sizeBytes` of memory that nobody else uses; it holds whatever lay there before. */
  take(sizeBytes: number): Buffer {
    const wholeBytes = roundUp(sizeBytes)
    let memory = this.#freeOf(wholeBytes).pop()
    if (memory) this.#freeBytes -= wholeBytes
    else memory = Buffer.allocUnsafeSlow(wholeBytes).buffer
    this.#taken.add(memory)
    return Buffer.from(memory, 0, sizeBytes)
  }

  /**
   * Takes back all of the memory that `bytes` are a part of, for whoever asks next: from now on nobody may read it through
   * any view. Memory from elsewhere, and what was given back before, is left alone.
   */
  giveBack(bytes: Uint8Array): void {
    const memory = bytes.buffer
    if (!(memory instanceof ArrayBuffer) || !this.#taken.delete(memory)) return
    const wholeBytes = memory.byteLength
    if (wholeBytes > this.#maxFreeBytes) return
    this.#freeOf(wholeBytes).push(memory)
    this.#freeBytes += wholeBytes
    for (const [oldest, free] of this.#free) {
      if (this.#freeBytes <= this.#maxFreeBytes) return
      while (this.#freeBytes > this.#maxFreeBytes && free.pop()) this.#freeBytes -= oldest
      if (free.length === 0) this.#free.delete(oldest)
    }
  }

  /** Those of a size, which is now the one used last. */
  #freeOf(wholeBytes: number): ArrayBuffer[] {
    const free = this.#free.get(wholeBytes) ?? []
    this.#free.delete(wholeBytes)
    this.#free.set(wholeBytes, free)
    return free
  }
}

/**
 * Frees the memory of bytes that nobody reads any more, at once instead of when the garbage collector comes by; every view
 * on it is empty from then on. Bytes that are only a part of their memory are left alone: others may lie beside them.
 */
export function freeBytes(bytes: Uint8Array): void {
  const memory = bytes.buffer
  if (memory instanceof ArrayBuffer && bytes.byteLength === memory.byteLength) memory.transfer(0)
}

/** The next of 512, 640, 768, 896, 1024, 1280, … */
function roundUp(sizeBytes: number): number {
  if (sizeBytes <= MIN_BYTES) return MIN_BYTES
  const stepBytes = 2 ** (31 - Math.clz32(sizeBytes - 1) - STEPS_LOG2)
  return Math.ceil(sizeBytes / stepBytes) * stepBytes
}
