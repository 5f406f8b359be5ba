import { type CipherGCM, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { AppError, FormatError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { deriveKey, KEY_BYTES, TAG_BYTES } from './derived-key.ts'
import { moveInto } from './scratch.ts'

/** The bytes of a chunk before it is sealed; why this many is in `DESIGN.md`. */
export const CHUNK_BYTES = 131_072
/** What stands before the first chunk. */
export const HEADER_BYTES = 40

const MAGIC = Buffer.from('HDSB')
const VERSION = 1
const SALT_OFFSET = 8
const NONCE_BYTES = 12
const GCM = { authTagLength: TAG_BYTES }
/** Chunks a tool may ask for, to measure: powers of two between these. */
const MIN_CHUNK_LOG2 = 12
const MAX_CHUNK_LOG2 = 20

/** What the head of a sealed blob says; sealed under it, so that who alters it finds nothing to open. */
export type SealHeader = {
  readonly chunkBytes: number
  /** 32 random bytes, of this blob alone. */
  readonly salt: Uint8Array
}

function useOf({ chunkBytes }: SealHeader): string {
  return `headend sealed blob ${VERSION} ${chunkBytes}`
}

/**
 * `HDSB`, version, the binary logarithm of the chunk size, two zero bytes, the salt.
 *
 * @throws AppError `INTERNAL` for a chunk size that is no power of two from 4 KiB to 1 MiB, or a salt that isn't 32 bytes
 */
export function writeSealHeader({ chunkBytes, salt }: SealHeader): Uint8Array {
  const log2 = Math.log2(chunkBytes)
  const isSize = Number.isInteger(log2) && log2 >= MIN_CHUNK_LOG2 && log2 <= MAX_CHUNK_LOG2
  if (!isSize || salt.byteLength !== KEY_BYTES) throw new AppError('INTERNAL', 'A blob can’t be sealed in this way.')
  const header = Buffer.alloc(HEADER_BYTES)
  header.set(MAGIC)
  header[4] = VERSION
  header[5] = log2
  header.set(salt, SALT_OFFSET)
  return header
}

/** The header at the beginning of `bytes`. @throws FormatError for anything that `writeSealHeader` doesn't write */
export function readSealHeader(bytes: Uint8Array): SealHeader {
  if (bytes.byteLength < HEADER_BYTES) throw new FormatError('header', bytes.byteLength, 'cut short')
  if (MAGIC.compare(bytes, 0, MAGIC.byteLength) !== 0) throw new FormatError('header/magic', 0, 'not a sealed blob')
  const [version = 0, log2 = 0, ...reserved] = bytes.subarray(MAGIC.byteLength, SALT_OFFSET)
  if (version !== VERSION) throw new FormatError('header/version', 4, `version ${version} is not known`)
  if (log2 < MIN_CHUNK_LOG2 || log2 > MAX_CHUNK_LOG2) throw new FormatError('header/chunk', 5, 'no size of a chunk')
  if (reserved.some((byte) => byte !== 0)) throw new FormatError('header/reserved', 6, 'not zero')
  // A copy: whoever keeps a header doesn't keep what it was read from.
  return { chunkBytes: 2 ** log2, salt: new Uint8Array(bytes.subarray(SALT_OFFSET, HEADER_BYTES)) }
}

/** How long a blob is that holds so much, sealed. One that holds nothing has a chunk all the same, to be seen to be whole. */
export function sealedSize(plainBytes: number, chunkBytes: number = CHUNK_BYTES): number {
  return HEADER_BYTES + plainBytes + TAG_BYTES * Math.max(1, Math.ceil(plainBytes / chunkBytes))
}

/** How much a sealed blob of this length holds; `undefined` for a length that none has. */
export function plainSize(sealedBytes: number, chunkBytes: number = CHUNK_BYTES): number | undefined {
  const chunks = Math.ceil((sealedBytes - HEADER_BYTES) / (chunkBytes + TAG_BYTES))
  const plainBytes = sealedBytes - HEADER_BYTES - chunks * TAG_BYTES
  // The last chunk is never empty, but for the only one of a blob that holds nothing.
  const isPossible = chunks === 1 ? plainBytes >= 0 : plainBytes > (chunks - 1) * chunkBytes
  return chunks >= 1 && isPossible ? plainBytes : undefined
}

/** Where the chunks lie that a range of the content needs. */
export type SealedSpan = {
  /** In the sealed blob. */
  readonly range: ByteRange
  readonly firstChunk: number
  /** Where in the first chunk the content that was asked for begins. */
  readonly skipBytes: number
}

/** The whole chunks, of a blob that holds `plainBytes`, in which a range of its content lies; the range lies within it. */
export function sealedSpan(range: ByteRange, plainBytes: number, chunkBytes: number = CHUNK_BYTES): SealedSpan {
  const firstChunk = Math.floor(range.first / chunkBytes)
  const sealedChunk = chunkBytes + TAG_BYTES
  const end = HEADER_BYTES + (Math.floor(range.last / chunkBytes) + 1) * sealedChunk
  return {
    range: {
      first: HEADER_BYTES + firstChunk * sealedChunk,
      last: Math.min(end, sealedSize(plainBytes, chunkBytes)) - 1,
    },
    firstChunk,
    skipBytes: range.first - firstChunk * chunkBytes,
  }
}

/** The number of a blob's last chunk. */
export function lastChunk(plainBytes: number, chunkBytes: number = CHUNK_BYTES): number {
  return Math.max(0, Math.ceil(plainBytes / chunkBytes) - 1)
}

/** Three zero bytes, the chunk's number in 64 bits, and whether it is the last (STREAM, Hoang et al. 2015). */
class Nonce {
  readonly #bytes = new Uint8Array(NONCE_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)

  /** The same bytes each time, written over: a cipher copies them when it is made. */
  of(index: number, isLast: boolean): Uint8Array {
    this.#view.setUint32(3, Math.floor(index / 2 ** 32))
    this.#view.setUint32(7, index % 2 ** 32)
    this.#view.setUint8(NONCE_BYTES - 1, isLast ? 1 : 0)
    return this.#bytes
  }
}

/**
 * Seals the chunks of one blob in order, each once and whole. The key is of the blob alone, which the random salt sees to, and the
 * chunks are counted here: no nonce comes twice.
 */
export class ChunkSealer {
  readonly header: Uint8Array
  readonly #chunkBytes: number
  readonly #key: KeyObject
  readonly #nonce = new Nonce()
  #next = 0
  #isEnded = false

  /** @throws AppError `INTERNAL` as `writeSealHeader`, and for a key that isn't 32 bytes */
  constructor(assetKey: Uint8Array, header: SealHeader) {
    this.header = writeSealHeader(header)
    this.#chunkBytes = header.chunkBytes
    this.#key = deriveKey(assetKey, header.salt, useOf(header))
  }

  /**
   * Writes the next chunk, sealed, into `out` at `offset`, and gives the offset after it. Only the last may be shorter.
   *
   * @throws AppError `INTERNAL` for a chunk of another length, and for one after the last
   */
  seal(plain: Uint8Array, isLast: boolean, out: Uint8Array, offset: number): number {
    const { byteLength } = plain
    const isLength = isLast
      ? byteLength <= this.#chunkBytes && (byteLength > 0 || this.#next === 0)
      : byteLength === this.#chunkBytes
    if (this.#isEnded || !isLength) {
      throw new AppError('INTERNAL', `A chunk of ${byteLength} bytes can't be sealed as number ${this.#next}.`)
    }
    const nonce = this.#nonce.of(this.#next, isLast)
    this.#next += 1
    this.#isEnded = isLast
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, GCM)
    return writeSealed(cipher, plain, out, offset)
  }
}

function writeSealed(cipher: CipherGCM, plain: Uint8Array, out: Uint8Array, offset: number): number {
  moveInto(out, cipher.update(plain), offset)
  // GCM has nothing left to give at the end.
  cipher.final()
  const end = offset + plain.byteLength
  out.set(cipher.getAuthTag(), end)
  return end + TAG_BYTES
}

/** Opens the chunks of one blob, in any order. */
export class ChunkOpener {
  readonly chunkBytes: number
  readonly #key: KeyObject
  readonly #nonce = new Nonce()

  /** @throws AppError `INTERNAL` for a key that isn't 32 bytes */
  constructor(assetKey: Uint8Array, header: SealHeader) {
    this.chunkBytes = header.chunkBytes
    this.#key = deriveKey(assetKey, header.salt, useOf(header))
  }

  /** What was sealed as this chunk of this blob; `undefined` for anything else. */
  open(index: number, isLast: boolean, sealed: Uint8Array): Uint8Array | undefined {
    return this.#openAt(index, isLast, sealed, 0, sealed.byteLength)
  }

  #openAt(index: number, isLast: boolean, sealed: Uint8Array, from: number, to: number): Uint8Array | undefined {
    const tagAt = to - TAG_BYTES
    if (tagAt < from) return undefined
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce.of(index, isLast), GCM)
    decipher.setAuthTag(sealed.subarray(tagAt, to))
    const plain = decipher.update(sealed.subarray(from, tagAt))
    try {
      decipher.final()
    } catch {
      // All that `final` says is that the tag doesn't fit.
      return undefined
    }
    return plain
  }

  /**
   * Opens a run of whole chunks where it lies: `sealed` is overwritten, and the content is a view on its beginning. `last` is the
   * number of the blob's last chunk. A number is that of the first chunk that isn't what was sealed; `sealed` is then of no use.
   */
  openRun(sealed: Uint8Array, firstChunk: number, last: number): Uint8Array | number {
    let [from, to] = [0, 0]
    for (let index = firstChunk; from < sealed.byteLength; index += 1) {
      const end = Math.min(from + this.chunkBytes + TAG_BYTES, sealed.byteLength)
      const plain = this.#openAt(index, index === last, sealed, from, end)
      if (plain === undefined) return index
      moveInto(sealed, plain, to)
      to += end - from - TAG_BYTES
      from = end
    }
    return sealed.subarray(0, to)
  }
}
