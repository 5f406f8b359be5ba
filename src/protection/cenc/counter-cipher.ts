import { type Cipheriv, createCipheriv } from 'node:crypto'
import { moveInto, release } from '../scratch.ts'
import type { Subsamples } from './subsamples.ts'
import { BLOCK_BYTES } from './track-protection.ts'

/** A key stream is made in pieces of this, which caches hold. */
const BATCH_BYTES = 65_536
/** From here on a cipher of its own costs less than the key stream that is added by hand (see `DESIGN.md`). */
const OWN_CIPHER_BYTES = 16_384

/**
 * Encrypts samples with AES-CTR in place. The counters of many short samples are encrypted with one call, and the key stream added to them;
 * long samples have a cipher of their own. Nothing is encrypted for certain before `finish`.
 */
export class CounterCipher {
  readonly #key: Uint8Array
  readonly #out: Buffer
  readonly #view: DataView
  readonly #blocks: Cipheriv
  readonly #counters = new Uint32Array(BATCH_BYTES / 4)
  /** What of the IV stands in each counter that was written so far: it changes every few hours, if ever. */
  #high = 0
  #used = 0
  /** In turn: where in `#out`, how many bytes, where in the key stream. */
  #pending: number[] = []

  constructor(key: Uint8Array, out: Buffer) {
    this.#key = key
    this.#out = out
    this.#view = new DataView(out.buffer, out.byteOffset, out.byteLength)
    this.#blocks = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  }

  /** Encrypts the sample of `size` bytes at `at`: its protected ranges are one run of the key stream (ISO/IEC 23001-7 §9.5.1). */
  encrypt(
    at: number,
    size: number,
    subsamples: Subsamples | undefined,
    iv: readonly [high: number, low: number],
  ): void {
    const pairs = subsamples ?? [0, size]
    let secret = 0
    for (let pair = 1; pair < pairs.length; pair += 2) secret += pairs[pair] ?? 0
    if (secret === 0) return
    if (secret >= OWN_CIPHER_BYTES) {
      this.#encryptAlone(at, pairs, iv)
      return
    }
    const blocks = Math.ceil(secret / BLOCK_BYTES)
    if (this.#used + blocks * BLOCK_BYTES > BATCH_BYTES || iv[0] !== this.#high) this.#flush()
    let stream = this.#used
    let from = at
    for (let pair = 0; pair < pairs.length; pair += 2) {
      const length = pairs[pair + 1] ?? 0
      from += pairs[pair] ?? 0
      if (length > 0) this.#pending.push(from, length, stream)
      from += length
      stream += length
    }
    this.#writeCounters(blocks, iv)
    this.#used += blocks * BLOCK_BYTES
  }

  /** Encrypts what is left. */
  finish(): void {
    this.#flush()
  }

  #encryptAlone(at: number, pairs: Subsamples, [high, low]: readonly [number, number]): void {
    const counter = Buffer.alloc(BLOCK_BYTES)
    counter.writeUInt32BE(high, 0)
    counter.writeUInt32BE(low, 4)
    const cipher = createCipheriv('aes-128-ctr', this.#key, counter)
    let from = at
    for (let pair = 0; pair < pairs.length; pair += 2) {
      from += pairs[pair] ?? 0
      const end = from + (pairs[pair + 1] ?? 0)
      while (from < end) {
        const to = Math.min(end, from + BATCH_BYTES)
        moveInto(this.#out, cipher.update(this.#out.subarray(from, to)), from)
        from = to
      }
    }
  }

  /** Of a counter's four words, the third is 0 always: an IV stands for less than 2^32 blocks. */
  #writeCounters(blocks: number, [high, low]: readonly [high: number, low: number]): void {
    const counters = this.#counters
    if (high !== this.#high) {
      const word = bigEndian(high)
      for (let at = 0; at < counters.length; at += 4) counters[at] = word
      this.#high = high
    }
    count(counters, this.#used / 4, blocks, bigEndian(low))
  }

  #flush(): void {
    if (this.#used === 0) return
    const stream = this.#blocks.update(new Uint8Array(this.#counters.buffer, 0, this.#used))
    const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
    for (let piece = 0; piece < this.#pending.length; piece += 3) {
      addStream(
        this.#view,
        this.#pending[piece] ?? 0,
        this.#pending[piece + 1] ?? 0,
        view,
        this.#pending[piece + 2] ?? 0,
      )
    }
    release(stream)
    this.#pending.length = 0
    this.#used = 0
  }
}

/** The second word of so many counters, and the last: their numbers, which have 12 bits in a batch. */
function count(counters: Uint32Array, from: number, blocks: number, word: number): void {
  for (let block = 0, at = from; block < blocks; block++, at += 4) {
    counters[at + 1] = word
    counters[at + 3] = ((block & 0xff) << 24) | ((block & 0xf00) << 8)
  }
}

/** The word as it is to be stored, on machines that store the lowest byte first: Node runs on no others today. */
function bigEndian(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
}

/** Eight bytes at a time, which V8 turns into plain loads and stores; the views' bytes have no order that matters here. */
function addStream(out: DataView, at: number, length: number, stream: DataView, from: number): void {
  const whole = length - (length % 8)
  for (let i = 0; i < whole; i += 8) {
    out.setBigUint64(at + i, out.getBigUint64(at + i, true) ^ stream.getBigUint64(from + i, true), true)
  }
  for (let i = whole; i < length; i++) out.setUint8(at + i, out.getUint8(at + i) ^ stream.getUint8(from + i))
}
