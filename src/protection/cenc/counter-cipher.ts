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
  readonly #counters = new DataView(new ArrayBuffer(BATCH_BYTES))
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
    if (this.#used + blocks * BLOCK_BYTES > BATCH_BYTES) this.#flush()
    let stream = this.#used
    let from = at
    for (let pair = 0; pair < pairs.length; pair += 2) {
      const length = pairs[pair + 1] ?? 0
      from += pairs[pair] ?? 0
      if (length > 0) this.#pending.push(from, length, stream)
      from += length
      stream += length
    }
    writeCounters(this.#counters, this.#used, blocks, iv)
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

  #flush(): void {
    if (this.#used === 0) return
    const stream = this.#blocks.update(new Uint8Array(this.#counters.buffer, 0, this.#used))
    addStream(this.#view, this.#pending, new DataView(stream.buffer, stream.byteOffset, stream.byteLength))
    release(stream)
    this.#pending = []
    this.#used = 0
  }
}

function writeCounters(
  counters: DataView,
  start: number,
  blocks: number,
  [high, low]: readonly [high: number, low: number],
): void {
  for (let block = 0, at = start; block < blocks; block++, at += BLOCK_BYTES) {
    counters.setUint32(at, high)
    counters.setUint32(at + 4, low)
    counters.setUint32(at + 8, 0)
    counters.setUint32(at + 12, block)
  }
}

/** Eight bytes at a time, which V8 turns into plain loads and stores; the views' bytes have no order that matters here. */
function addStream(out: DataView, pending: readonly number[], stream: DataView): void {
  for (let piece = 0; piece < pending.length; piece += 3) {
    let at = pending[piece] ?? 0
    const end = at + (pending[piece + 1] ?? 0)
    let from = pending[piece + 2] ?? 0
    for (; at + 8 <= end; at += 8, from += 8) {
      out.setBigUint64(at, out.getBigUint64(at, true) ^ stream.getBigUint64(from, true), true)
    }
    for (; at < end; at++, from++) out.setUint8(at, out.getUint8(at) ^ stream.getUint8(from))
  }
}
