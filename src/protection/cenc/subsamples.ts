import { BLOCK_BYTES } from './track-protection.ts'

/** Bytes in the clear and bytes protected, in turn, that make up a sample (ISO/IEC 23001-7 §9.5). */
export type Subsamples = readonly number[]

/** Finds what of each sample is protected. Samples are given in their order; what it finds may depend on those before. */
export type SubsampleFinder = {
  /** `undefined`: all of the sample. @throws FormatError */
  find(sample: Uint8Array): Subsamples | undefined
}

/** Clear bytes are counted in 16 bits. */
const MAX_CLEAR_BYTES = 0xffff

/** Puts the ranges of a sample together: what is clear and follows what is clear is one range. */
export class SubsampleList {
  readonly #pairs: number[] = []
  readonly #wholeBlocks: boolean
  #clear = 0

  /** `wholeBlocks`: a protected range is cut to whole blocks, the bytes at its beginning staying clear. */
  constructor(wholeBlocks: boolean) {
    this.#wholeBlocks = wholeBlocks
  }

  add(clear: number, secret: number): void {
    const cut = this.#wholeBlocks ? secret % BLOCK_BYTES : 0
    this.#clear += clear + cut
    if (secret > cut) this.#push(secret - cut)
  }

  finish(): Subsamples {
    if (this.#clear > 0) this.#push(0)
    return this.#pairs
  }

  #push(secret: number): void {
    for (; this.#clear > MAX_CLEAR_BYTES; this.#clear -= MAX_CLEAR_BYTES) this.#pairs.push(MAX_CLEAR_BYTES, 0)
    this.#pairs.push(this.#clear, secret)
    this.#clear = 0
  }
}
