import { type BlobReadCall, type BlobStorage, MAX_READ_BYTES } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { SharedCache } from '../lib/shared-cache.ts'

/** A blob that never changes, and its size. */
export type BlobToRead = {
  readonly storage: Pick<BlobStorage, 'read'>
  readonly name: string
  readonly sizeBytes: number
}

type Block = { readonly bytes: Uint8Array; readonly memoryBytes: number }

const BLOCK_BYTES = 65_536

/**
 * Reads ranges of blobs. What is small is read as part of a block, which is kept for what is read next: the boxes of a file stand
 * side by side, and each call to an object store takes its time. What is larger is read as it is.
 */
export class BlockReader {
  readonly #blocks: SharedCache<Block>

  constructor(cacheBytes: number) {
    this.#blocks = new SharedCache(cacheBytes)
  }

  /**
   * Exactly the bytes of the range, which may be those that others are given, or in memory that `take` gave for them alone.
   *
   * @throws AppError `BLOB_TRUNCATED` where it goes past the end, `LIMIT_EXCEEDED`, `STORAGE_DOWN` where there is no such blob, and
   * what the storage throws; the signal's reason
   */
  async read(
    blob: BlobToRead,
    { first, last }: ByteRange,
    signal: AbortSignal,
    take?: BlobReadCall['take'],
  ): Promise<Uint8Array> {
    const { name, sizeBytes } = blob
    const size = last - first + 1
    if (!(first >= 0 && size > 0 && last < sizeBytes)) {
      throw new AppError('BLOB_TRUNCATED', `Bytes ${first} to ${last} are not within the ${sizeBytes} of ${name}.`)
    }
    if (size > MAX_READ_BYTES) throw new AppError('LIMIT_EXCEEDED', `${size} bytes of ${name} can't be read at once.`)
    const block = Math.floor(first / BLOCK_BYTES)
    const lastBlock = Math.floor(last / BLOCK_BYTES)
    if (size > BLOCK_BYTES / 2 || lastBlock > block + 1) return readExactly(blob, { first, last }, signal, take)
    const start = first - block * BLOCK_BYTES
    const head = await this.#block(blob, block, signal)
    if (lastBlock === block) return head.subarray(start, start + size)
    const tail = await this.#block(blob, lastBlock, signal)
    const bytes = new Uint8Array(size)
    bytes.set(head.subarray(start))
    bytes.set(tail.subarray(0, last + 1 - lastBlock * BLOCK_BYTES), head.byteLength - start)
    return bytes
  }

  async #block(blob: BlobToRead, index: number, signal: AbortSignal): Promise<Uint8Array> {
    const first = index * BLOCK_BYTES
    const range = { first, last: Math.min(blob.sizeBytes, first + BLOCK_BYTES) - 1 }
    const read = async (reading: AbortSignal): Promise<Block> => {
      const bytes = await readExactly(blob, range, reading)
      return { bytes, memoryBytes: bytes.byteLength }
    }
    return (await this.#blocks.get(`${blob.name}/${index}`, read, signal)).bytes
  }
}

async function readExactly(
  { storage, name }: BlobToRead,
  range: ByteRange,
  signal: AbortSignal,
  take?: BlobReadCall['take'],
): Promise<Uint8Array> {
  const bytes = await storage.read(name, range, { signal, take })
  if (bytes) return bytes
  throw new AppError('STORAGE_DOWN', `The blob ${name} is not in its storage.`, { details: { name } })
}
