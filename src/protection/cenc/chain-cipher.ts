import { type Cipheriv, createCipheriv, createDecipheriv } from 'node:crypto'
import { release } from '../scratch.ts'
import { BLOCK_BYTES } from './track-protection.ts'

/** Blocks are gathered in pieces of this, which caches hold. */
const BATCH_BYTES = 65_536
/** What is smaller costs less to collect than to free. */
const WORTH_FREEING = 16_384
/** Of the pattern: a block that is encrypted and nine that aren't. */
const PERIOD_BYTES = 10 * BLOCK_BYTES

/**
 * Encrypts ranges with AES-CBC in place, each range a chain of its own from the same IV. One cipher serves them all: a block that is put
 * before a range, and dropped from what comes out, sets the chain back to the IV, which costs a third of another cipher.
 */
export class ChainCipher {
  readonly #out: Buffer
  readonly #view: DataView
  readonly #cipher: Cipheriv
  /** What encrypts to the IV. */
  readonly #beforeIv: Buffer
  /** The block that sets the chain back, and room for blocks behind it. */
  readonly #blocks = Buffer.allocUnsafeSlow(BLOCK_BYTES + BATCH_BYTES)
  readonly #blocksView = viewOf(this.#blocks)
  /** The last block that came out. */
  readonly #last: Buffer

  constructor(key: Uint8Array, iv: Uint8Array, out: Buffer) {
    this.#out = out
    this.#view = viewOf(out)
    this.#cipher = createCipheriv('aes-128-cbc', key, iv).setAutoPadding(false)
    this.#beforeIv = createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(iv)
    this.#last = Buffer.from(iv)
  }

  /** Encrypts the whole blocks of the range at `at`. */
  encryptBlocks(at: number, size: number): void {
    const end = at + size - (size % BLOCK_BYTES)
    this.#setBack()
    for (let from = at, lead = BLOCK_BYTES; from < end; lead = 0) {
      const to = Math.min(end, from + BATCH_BYTES)
      Buffer.prototype.copy.call(this.#out, this.#blocks, lead, from, to)
      const given = this.#cipher.update(this.#blocks.subarray(0, lead + to - from))
      given.copy(this.#out, from, lead)
      this.#keepLast(given)
      from = to
    }
  }

  /** Encrypts one block of ten of the range at `at`, from its first on, as long as more than `spared` bytes of it are left. */
  encryptPattern(at: number, size: number, spared: number): void {
    let left = Math.max(0, Math.ceil((size - spared) / PERIOD_BYTES))
    this.#setBack()
    for (let from = at, lead = BLOCK_BYTES; left > 0; lead = 0) {
      const count = Math.min(left, BATCH_BYTES / BLOCK_BYTES)
      gather(this.#view, from, this.#blocksView, lead, count)
      const given = this.#cipher.update(this.#blocks.subarray(0, lead + count * BLOCK_BYTES))
      scatter(viewOf(given), lead, this.#view, from, count)
      this.#keepLast(given)
      from += count * PERIOD_BYTES
      left -= count
    }
  }

  #setBack(): void {
    for (let byte = 0; byte < BLOCK_BYTES; byte++) {
      this.#blocks[byte] = (this.#beforeIv[byte] ?? 0) ^ (this.#last[byte] ?? 0)
    }
  }

  #keepLast(given: Buffer): void {
    given.copy(this.#last, 0, given.byteLength - BLOCK_BYTES)
    if (given.byteLength >= WORTH_FREEING) release(given)
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** `DataView` moves eight bytes at a time where they lie: a call of `copy` for each block costs seven times as much. */
function gather(source: DataView, from: number, target: DataView, to: number, count: number): void {
  for (let block = 0, read = from, write = to; block < count; block++, read += PERIOD_BYTES, write += BLOCK_BYTES) {
    target.setBigUint64(write, source.getBigUint64(read, true), true)
    target.setBigUint64(write + 8, source.getBigUint64(read + 8, true), true)
  }
}

function scatter(source: DataView, from: number, target: DataView, to: number, count: number): void {
  for (let block = 0, read = from, write = to; block < count; block++, read += BLOCK_BYTES, write += PERIOD_BYTES) {
    target.setBigUint64(write, source.getBigUint64(read, true), true)
    target.setBigUint64(write + 8, source.getBigUint64(read + 8, true), true)
  }
}
