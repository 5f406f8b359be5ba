import { randomBytes } from 'node:crypto'
import type { BlobSource } from '../domain/blob-storage.ts'
import { KEY_BYTES, TAG_BYTES } from '../protection/derived-key.ts'
import { ChunkSealer, HEADER_BYTES, sealedSize } from '../protection/sealed-chunks.ts'

/** Chunks that are handed on together: a call of the operating system for each would cost more than the sealing. */
const CHUNKS_AT_ONCE = 8
/** What is at hand and no larger is sealed at once, so that the storage knows its size; more would hold up the thread. */
const AT_ONCE_BYTES = 4_194_304

/** A blob on its way to storage: what to put there, and how much it holds when all of that has been taken. */
export type SealedSource = { readonly source: BlobSource; plainBytes(): number }

/** Seals what comes, under a salt that is drawn for it alone. @throws AppError `INTERNAL` for a key that isn't 32 bytes */
export function sealSource(source: BlobSource, assetKey: Uint8Array, chunkBytes: number): SealedSource {
  if (isAtHand(source)) {
    const plainBytes = source.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (plainBytes <= AT_ONCE_BYTES) {
      const sealing = new Sealing(assetKey, chunkBytes, sealedSize(plainBytes, chunkBytes))
      return { source: Array.from(sealAtHand(source, sealing)), plainBytes: () => plainBytes }
    }
  }
  const sealing = new Sealing(assetKey, chunkBytes, HEADER_BYTES + CHUNKS_AT_ONCE * (chunkBytes + TAG_BYTES))
  return { source: sealInTurn(source, sealing), plainBytes: () => sealing.plainBytes }
}

function isAtHand(source: BlobSource): source is readonly Uint8Array[] {
  return Array.isArray(source)
}

function* sealAtHand(source: readonly Uint8Array[], sealing: Sealing): Generator<Uint8Array> {
  for (const piece of source) yield* sealing.add(piece)
  yield* sealing.end()
}

async function* sealInTurn(source: BlobSource, sealing: Sealing): AsyncGenerator<Uint8Array> {
  for await (const piece of source) yield* sealing.add(piece)
  yield* sealing.end()
}

/** Cuts what comes, in whatever pieces, into chunks, and hands them on sealed, in buffers of a given size. */
class Sealing {
  readonly #chunkBytes: number
  readonly #bufferBytes: number
  readonly #sealer: ChunkSealer
  /** What is no whole chunk yet, or is one that may be the last. */
  readonly #pending: Uint8Array
  #pendingBytes = 0
  #out: Uint8Array
  #outBytes: number
  #plainBytes = 0

  constructor(assetKey: Uint8Array, chunkBytes: number, bufferBytes: number) {
    this.#chunkBytes = chunkBytes
    this.#bufferBytes = bufferBytes
    this.#sealer = new ChunkSealer(assetKey, { chunkBytes, salt: randomBytes(KEY_BYTES) })
    this.#pending = Buffer.allocUnsafeSlow(chunkBytes)
    this.#out = Buffer.allocUnsafeSlow(bufferBytes)
    this.#out.set(this.#sealer.header)
    this.#outBytes = HEADER_BYTES
  }

  get plainBytes(): number {
    return this.#plainBytes
  }

  *add(piece: Uint8Array): Generator<Uint8Array> {
    const { byteLength } = piece
    this.#plainBytes += byteLength
    for (let at = 0; at < byteLength; ) {
      // More follows, so what is whole is not the last.
      if (this.#pendingBytes === this.#chunkBytes) yield* this.#sealPending(false)
      const left = byteLength - at
      if (this.#pendingBytes === 0 && left > this.#chunkBytes) {
        yield* this.#seal(piece.subarray(at, at + this.#chunkBytes), false)
        at += this.#chunkBytes
        continue
      }
      const count = Math.min(left, this.#chunkBytes - this.#pendingBytes)
      this.#pending.set(piece.subarray(at, at + count), this.#pendingBytes)
      this.#pendingBytes += count
      at += count
    }
  }

  *end(): Generator<Uint8Array> {
    yield* this.#sealPending(true)
    yield this.#out.subarray(0, this.#outBytes)
  }

  *#sealPending(isLast: boolean): Generator<Uint8Array> {
    yield* this.#seal(this.#pending.subarray(0, this.#pendingBytes), isLast)
    this.#pendingBytes = 0
  }

  *#seal(plain: Uint8Array, isLast: boolean): Generator<Uint8Array> {
    if (this.#outBytes + plain.byteLength + TAG_BYTES > this.#out.byteLength) {
      yield this.#out.subarray(0, this.#outBytes)
      // A new one: a storage may keep what it was handed until it is written.
      this.#out = Buffer.allocUnsafeSlow(this.#bufferBytes)
      this.#outBytes = 0
    }
    this.#outBytes = this.#sealer.seal(plain, isLast, this.#out, this.#outBytes)
  }
}
