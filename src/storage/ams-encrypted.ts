import { createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { BlobCall, BlobStorage } from '../domain/blob-storage.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'

const KEY_BYTES = 32
const BLOCK_BYTES = 16
const MAX_IV = 2n ** 64n - 1n
const PIECE_BYTES = 4_194_304

/** Bytes that can be read by range, both ends included, wherever they are. The range lies within them. */
export type ByteSource = {
  readonly sizeBytes: number
  read(range: ByteRange, call?: BlobCall): Promise<Uint8Array>
}

/** A blob as a source of bytes, `sizeBytes` long. Reading is `STORAGE_DOWN` where it isn't there. */
export function blobSource(storage: Pick<BlobStorage, 'read'>, name: string, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    async read(range, call) {
      const bytes = await storage.read(name, range, call)
      if (bytes) return bytes
      throw new AppError('STORAGE_DOWN', `The blob ${name} is not in its storage.`, { details: { name } })
    },
  }
}

/**
 * The initialization vector of a file, as AMS tells it: a decimal number of 64 bits without a sign.
 *
 * @throws FormatError for any other text, also with a sign, a space or a leading zero
 */
export function parseAmsIv(text: string): bigint {
  const isNumber = /^(0|[1-9]\d{0,19})$/.test(text)
  const value = isNumber ? BigInt(text) : undefined
  if (value !== undefined && value <= MAX_IV) return value
  throw new FormatError('InitializationVector', 0, `a decimal number below 2^64 is wanted, not ${quoted(text)}`)
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 40))
}

/**
 * A file that Azure Media Services has encrypted in storage: AES-256-CTR over the whole of it, the counter block being the file's
 * 64-bit IV and the number of the 16-byte block, from 0, in 64 bits, both big-endian. One key, of 32 bytes, for all files of an
 * asset. It can be read from anywhere; nothing in it tells whether it was altered, or the key is the right one.
 *
 * @throws AppError `REQUEST_INVALID` where the key isn't 32 bytes or the IV not of 64 bits
 */
export class AmsEncryptedFile implements ByteSource {
  readonly #source: ByteSource
  readonly #key: KeyObject
  readonly #iv: bigint

  constructor(source: ByteSource, { key, iv }: { readonly key: Uint8Array; readonly iv: bigint }) {
    if (key.byteLength !== KEY_BYTES) {
      throw new AppError('REQUEST_INVALID', `The key of an asset of AMS has ${KEY_BYTES} bytes, not ${key.byteLength}.`)
    }
    if (iv < 0n || iv > MAX_IV) throw new AppError('REQUEST_INVALID', 'The IV of a file of AMS has 64 bits.')
    this.#source = source
    this.#key = createSecretKey(key)
    this.#iv = iv
  }

  get sizeBytes(): number {
    return this.#source.sizeBytes
  }

  async read(range: ByteRange, call?: BlobCall): Promise<Uint8Array> {
    const encrypted = await this.#source.read(range, call)
    const skipBytes = range.first % BLOCK_BYTES
    const block = BigInt((range.first - skipBytes) / BLOCK_BYTES)
    const decipher = createDecipheriv('aes-256-ctr', this.#key, this.#counter(block))
    // What lies before the range in its first block: a stream of key bytes is used up, whatever it is applied to.
    if (skipBytes > 0) decipher.update(Buffer.alloc(skipBytes))
    return decipher.update(encrypted)
  }

  /** All of it, or a range, piece by piece. */
  async *stream(range?: ByteRange, call?: BlobCall): AsyncGenerator<Uint8Array> {
    const last = range?.last ?? this.sizeBytes - 1
    for (let first = range?.first ?? 0; first <= last; first += PIECE_BYTES) {
      yield await this.read({ first, last: Math.min(last, first + PIECE_BYTES - 1) }, call)
    }
  }

  #counter(block: bigint): Uint8Array {
    const counter = Buffer.alloc(BLOCK_BYTES)
    counter.writeBigUInt64BE(this.#iv, 0)
    counter.writeBigUInt64BE(block, BLOCK_BYTES / 2)
    return counter
  }
}
