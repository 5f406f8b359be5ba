import { abortable } from '../lib/abortable.ts'
import { readBytes, type SourceFile } from './source-file.ts'

const SMALLEST_BYTES = 16 * 1024
const LARGEST_BYTES = 1024 * 1024
/** Reads under way beside the one that is waited for. */
const READS_AHEAD = 16

type Block = { readonly first: number; readonly sizeBytes: number; readonly bytes: Promise<Uint8Array> }

/**
 * Small reads of a file that go forwards, out of a window that grows while they stay near to each other. Where it is known what
 * will be read, that is asked for ahead: each request to an object store takes its time.
 */
export class HeaderWindow {
  readonly #file: SourceFile
  readonly signal: AbortSignal
  #bytes: Uint8Array = new Uint8Array(0)
  #first = 0
  #windowBytes = SMALLEST_BYTES
  /** Where reads will begin, in order, those that are asked for already left out. */
  #expected: readonly number[] = []
  #nextExpected = 0
  #ahead: Block[] = []

  constructor(file: SourceFile, signal: AbortSignal) {
    this.#file = file
    this.signal = signal
  }

  /** What the window has of a range; `undefined` where that isn't all of it. */
  peek(first: number, sizeBytes: number): Uint8Array | undefined {
    const from = first - this.#first
    const isThere = from >= 0 && from + sizeBytes <= this.#bytes.byteLength
    return isThere ? this.#bytes.subarray(from, from + sizeBytes) : undefined
  }

  /** Reads will begin at these places, in order; those that lie nearer to each other than a window are one. */
  expect(offsets: readonly number[]): void {
    const expected: number[] = []
    for (const offset of offsets) {
      const isWithin = offset >= 0 && offset < this.#file.sizeBytes
      if (isWithin && offset >= (expected.at(-1) ?? Number.NEGATIVE_INFINITY) + SMALLEST_BYTES) expected.push(offset)
    }
    this.#expected = expected
    this.#nextExpected = 0
  }

  /** The bytes of a range, which lies within the file. */
  async read(first: number, sizeBytes: number, path: string): Promise<Uint8Array> {
    const there = this.peek(first, sizeBytes)
    if (there) return there
    this.#readAhead(first)
    const block = this.#ahead.find(
      (ahead) => first >= ahead.first && first + sizeBytes <= ahead.first + ahead.sizeBytes,
    )
    if (block) {
      this.#bytes = await abortable(block.bytes, this.signal)
      this.#first = block.first
      return this.#bytes.subarray(first - block.first, first - block.first + sizeBytes)
    }
    // What is long is read for its own sake, and the window stays as it is.
    if (sizeBytes > LARGEST_BYTES) return readBytes(this.#file, first, sizeBytes, path, this.signal)
    const isNear = first >= this.#first && first - this.#first <= 2 * this.#windowBytes
    this.#windowBytes = isNear ? Math.min(LARGEST_BYTES, this.#windowBytes * 2) : SMALLEST_BYTES
    const wanted = Math.max(sizeBytes, Math.min(this.#windowBytes, this.#file.sizeBytes - first))
    this.#bytes = await readBytes(this.#file, first, wanted, path, this.signal)
    this.#first = first
    return this.#bytes.subarray(0, sizeBytes)
  }

  /** Asks for what is expected from `first` on, and forgets what lies before. */
  #readAhead(first: number): void {
    this.#ahead = this.#ahead.filter((block) => block.first + block.sizeBytes > first)
    while ((this.#expected[this.#nextExpected] ?? first) < first) this.#nextExpected++
    while (this.#ahead.length < READS_AHEAD) {
      const at = this.#expected[this.#nextExpected]
      if (at === undefined) return
      this.#nextExpected++
      const sizeBytes = Math.min(SMALLEST_BYTES, this.#file.sizeBytes - at)
      const bytes = readBytes(this.#file, at, sizeBytes, 'moof', this.signal)
      // Who waits for it hears of a failure; where nobody does, it doesn't matter.
      bytes.catch(() => undefined)
      this.#ahead.push({ first: at, sizeBytes, bytes })
    }
  }
}
