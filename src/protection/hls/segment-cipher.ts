import { type Cipheriv, createCipheriv } from 'node:crypto'
import type { TakeMemory } from '../../lib/buffer-pool.ts'
import { AppError } from '../../lib/errors.ts'
import { BLOCK_BYTES } from '../cenc/track-protection.ts'
import { moveInto } from '../scratch.ts'

/** A key and what its chain begins with, 16 bytes each. */
export type SegmentKey = { readonly key: Uint8Array; readonly iv: Uint8Array }

/** What is encrypted at once, which caches hold. */
const BATCH_BYTES = 65_536

/** What `sizeBytes` are when they are encrypted: padding fills the last block, and is a block of its own where that is full (RFC 5652 §6.3). */
export function encryptedSize(sizeBytes: number): number {
  return sizeBytes - (sizeBytes % BLOCK_BYTES) + BLOCK_BYTES
}

/** The IV of a segment whose playlist names none: its media sequence number in 128 bits (RFC 8216 §5.2). */
export function sequenceIv(sequence: number): Uint8Array {
  if (!Number.isSafeInteger(sequence) || sequence < 0)
    throw new AppError('INTERNAL', `media sequence number ${sequence}`)
  const iv = new Uint8Array(BLOCK_BYTES)
  new DataView(iv.buffer).setBigUint64(8, BigInt(sequence))
  return iv
}

/**
 * Encrypts a segment piece by piece with AES-128-CBC and PKCS #7 padding, as HLS (RFC 8216 §4.3.2.4, `AES-128`) and the envelope
 * (ISO/IEC 23009-4) have it: what has come can be sent before the rest is there.
 */
export class SegmentCipher {
  readonly #cipher: Cipheriv

  constructor({ key, iv }: SegmentKey) {
    this.#cipher = createCipheriv('aes-128-cbc', key, iv)
  }

  /** The blocks that became whole. */
  update(piece: Uint8Array): Uint8Array {
    return this.#cipher.update(piece)
  }

  /** The last block; nothing may come after. */
  finish(): Uint8Array {
    return this.#cipher.final()
  }
}

/** A whole segment, whose bytes are `pieces` joined, encrypted. They are not changed. */
export function encryptSegment(
  pieces: readonly Uint8Array[],
  key: SegmentKey,
  take: TakeMemory = Buffer.allocUnsafeSlow,
): Uint8Array {
  const sizeBytes = encryptedSize(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0))
  const out = take(sizeBytes)
  const cipher = new SegmentCipher(key)
  let at = 0
  const put = (given: Uint8Array) => {
    const { byteLength } = given
    moveInto(out, given, at)
    at += byteLength
  }
  for (const piece of pieces) {
    for (let from = 0; from < piece.byteLength; from += BATCH_BYTES) {
      put(cipher.update(piece.subarray(from, from + BATCH_BYTES)))
    }
  }
  put(cipher.finish())
  return new Uint8Array(out.buffer, out.byteOffset, sizeBytes)
}
