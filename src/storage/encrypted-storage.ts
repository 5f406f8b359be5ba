import type { BlobCall, BlobInfo, BlobRead, BlobSource, BlobStorage } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import {
  CHUNK_BYTES,
  ChunkOpener,
  HEADER_BYTES,
  lastChunk,
  plainSize,
  readSealHeader,
  type SealHeader,
  sealedSpan,
} from '../protection/sealed-chunks.ts'
import { readSize, truncated } from './file-reading.ts'
import { openStream, type SealedBlob, tampered, tamperedChunk } from './opening.ts'
import { sealSource } from './sealing.ts'

/** Headers that are remembered: a span of each track, the log's chunk, and those that viewers rewind to. */
const MAX_KNOWN = 512
/** What is opened in one go, so that a large read neither holds up the thread nor takes its memory twice. */
const PIECE_BYTES = 8_388_608

/**
 * Blobs that are sealed under an asset's key before an inner storage gets them: whoever holds that storage learns their names and
 * lengths and no more, and can't alter a byte, cut a blob short, add to it or move its parts unnoticed. What isn't as it was
 * written is `STORAGE_TAMPERED`, for reads alone that touch a chunk (`CHUNK_BYTES`) that isn't. A blob as a whole may be put back
 * to an older state, or under another's name, and opens: see `src/protection/DESIGN.md`.
 *
 * `copy` copies what is sealed, so that the copy has the same key.
 */
export class EncryptedStorage implements BlobStorage {
  readonly #inner: BlobStorage
  readonly #key: Uint8Array
  readonly #chunkBytes: number
  /** By name, what was used last at the end. What it says may be of a blob that has been replaced. */
  readonly #known = new Map<string, SealedBlob>()

  /** `key` is the asset's, 32 bytes. Another chunk size than the usual is for measurements. */
  constructor(inner: BlobStorage, key: Uint8Array, chunkBytes: number = CHUNK_BYTES) {
    this.#inner = inner
    this.#key = key
    this.#chunkBytes = chunkBytes
  }

  async put(name: string, source: BlobSource, call?: BlobCall) {
    const sealed = sealSource(source, this.#key, this.#chunkBytes)
    try {
      await this.#inner.put(name, sealed.source, call)
      return { sizeBytes: sealed.plainBytes() }
    } finally {
      this.#known.delete(name)
    }
  }

  async read(name: string, range: ByteRange, call: BlobCall = {}): Promise<Uint8Array | undefined> {
    const sizeBytes = readSize(name, range)
    return this.#reading(name, call, async (blob) => {
      if (range.last >= blob.plainBytes) throw truncated(name, range, blob.plainBytes)
      if (sizeBytes <= PIECE_BYTES) return this.#readPiece(blob, range, call)
      const bytes = Buffer.allocUnsafeSlow(sizeBytes)
      for (let { first } = range; first <= range.last; ) {
        const last = Math.min(range.last, first - (first % this.#chunkBytes) + PIECE_BYTES - 1)
        const piece = await this.#readPiece(blob, { first, last }, call)
        if (piece === undefined) return undefined
        bytes.set(piece, first - range.first)
        first = last + 1
      }
      return bytes
    })
  }

  async readRange(name: string, range: ByteRange | undefined, call: BlobCall = {}): Promise<BlobRead | undefined> {
    return this.#reading(name, call, async (blob) => {
      const { plainBytes: sizeBytes } = blob
      const { first, last } = range ?? { first: 0, last: sizeBytes - 1 }
      if (last >= sizeBytes) throw truncated(name, { first, last }, sizeBytes)
      // A blob that holds nothing has a chunk all the same, to be seen to be whole.
      const span = sealedSpan({ first, last: Math.max(first, last) }, sizeBytes, this.#chunkBytes)
      const found = await this.#inner.readRange(name, span.range, call)
      if (found === undefined) return undefined
      if (plainSize(found.sizeBytes, this.#chunkBytes) !== sizeBytes) {
        found.stream.destroy()
        throw tampered(name, 'it has another length')
      }
      return { sizeBytes, stream: await openStream(found.stream, blob, { ...span, wantedBytes: last - first + 1 }) }
    })
  }

  /** With the sizes of what blobs hold; 0 for what can't be a sealed blob. */
  async *list(folder: string, call?: BlobCall & { readonly after?: string }): AsyncGenerator<BlobInfo> {
    for await (const { name, sizeBytes } of this.#inner.list(folder, call)) {
      yield { name, sizeBytes: plainSize(sizeBytes, this.#chunkBytes) ?? 0 }
    }
  }

  async delete(name: string, call?: BlobCall): Promise<void> {
    this.#known.delete(name)
    await this.#inner.delete(name, call)
  }

  async copy(from: string, to: string, call?: BlobCall): Promise<boolean> {
    try {
      return await this.#inner.copy(from, to, call)
    } finally {
      this.#known.delete(to)
    }
  }

  /**
   * Reads with what is known of the blob, and once more with what its header says now: it may have been replaced since, or in
   * between.
   */
  async #reading<T>(
    name: string,
    call: BlobCall,
    work: (blob: SealedBlob) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const known = this.#recall(name) ?? (await this.#readHeader(name, call))
    if (known === undefined) return undefined
    try {
      return await work(known)
    } catch (error) {
      this.#known.delete(name)
      if (!isOfAnother(error)) throw error
    }
    const now = await this.#readHeader(name, call)
    return now && work(now)
  }

  #recall(name: string): SealedBlob | undefined {
    const known = this.#known.get(name)
    if (known === undefined) return undefined
    this.#known.delete(name)
    this.#known.set(name, known)
    return known
  }

  async #readHeader(name: string, call: BlobCall): Promise<SealedBlob | undefined> {
    const found = await takeHeader(this.#inner, name, call)
    if (found === undefined) return undefined
    const header = parseHeader(name, found.bytes)
    if (header.chunkBytes !== this.#chunkBytes) {
      throw tampered(name, `its chunks have ${header.chunkBytes} bytes instead of ${this.#chunkBytes}`)
    }
    const plainBytes = plainSize(found.sizeBytes, this.#chunkBytes)
    if (plainBytes === undefined) throw tampered(name, `no sealed blob has ${found.sizeBytes} bytes`)
    const opener = new ChunkOpener(this.#key, header)
    const blob = { name, opener, plainBytes, lastChunk: lastChunk(plainBytes, this.#chunkBytes) }
    this.#known.set(name, blob)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest)
    return blob
  }

  async #readPiece(blob: SealedBlob, range: ByteRange, call: BlobCall): Promise<Uint8Array | undefined> {
    const span = sealedSpan(range, blob.plainBytes, this.#chunkBytes)
    // What is sealed is read into memory of its own: what was taken is for what is opened.
    const sealed = await this.#inner.read(blob.name, span.range, { signal: call.signal })
    if (sealed === undefined) return undefined
    const opened = blob.opener.openRun(sealed, span.firstChunk, blob.lastChunk)
    if (typeof opened === 'number') throw tamperedChunk(blob.name, opened)
    return opened.subarray(span.skipBytes, span.skipBytes + range.last - range.first + 1)
  }
}

/** What happens to a read with the header of one blob and the chunks of another. */
function isOfAnother(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'STORAGE_TAMPERED' || error.code === 'BLOB_TRUNCATED')
}

type Head = { readonly sizeBytes: number; readonly bytes: Uint8Array }

async function takeHeader(inner: BlobStorage, name: string, call: BlobCall): Promise<Head | undefined> {
  try {
    const found = await inner.readRange(name, { first: 0, last: HEADER_BYTES - 1 }, call)
    if (found === undefined) return undefined
    const bytes = Buffer.concat(await Array.fromAsync(found.stream as AsyncIterable<Uint8Array>))
    return { sizeBytes: found.sizeBytes, bytes }
  } catch (error) {
    const isShort = error instanceof AppError && error.code === 'BLOB_TRUNCATED'
    throw isShort ? tampered(name, 'it is cut short in its header', error) : error
  }
}

function parseHeader(name: string, bytes: Uint8Array): SealHeader {
  try {
    return readSealHeader(bytes)
  } catch (error) {
    throw tampered(name, error instanceof AppError ? error.message : 'its header', error)
  }
}
