import { FormatError } from '../../lib/errors.ts'

/** So many bits lie in four bytes wherever they begin. */
const WITHIN_WORD = 25

/** A bounds-checked bit cursor, most significant bit first. Reading past the end is a `FormatError` at `path`. */
export class BitReader {
  readonly path: string
  readonly #bytes: Uint8Array
  #bit = 0

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes
    this.path = path
  }

  get remaining(): number {
    return this.#bytes.byteLength * 8 - this.#bit
  }

  /** The next `count` bits as an unsigned integer; `count` is 0..32. */
  bits(count: number): number {
    this.#require(count)
    if (count <= WITHIN_WORD) return count === 0 ? 0 : this.#short(count)
    let value = 0
    let left = count
    while (left > 0) {
      const free = 8 - (this.#bit & 7)
      const taken = Math.min(free, left)
      const byte = this.#bytes[this.#bit >>> 3] ?? 0
      value = value * 2 ** taken + ((byte >>> (free - taken)) & ((1 << taken) - 1))
      this.#bit += taken
      left -= taken
    }
    return value
  }

  flag(): boolean {
    return this.bits(1) === 1
  }

  skip(count: number): void {
    this.#require(count)
    this.#bit += count
  }

  /** Moves to the next byte boundary, counted from the start of the bytes. */
  align(): void {
    this.#bit = (this.#bit + 7) & ~7
  }

  /** An unsigned Exp-Golomb code (ITU-T H.264 §9.1); more than 32 leading zeros is a `FormatError`. */
  ue(): number {
    let zeros = 0
    for (let isRead = false; !isRead; ) {
      this.#require(1)
      const used = this.#bit & 7
      const rest = ((this.#bytes[this.#bit >>> 3] ?? 0) << used) & 0xff
      isRead = rest !== 0
      const here = isRead ? Math.clz32(rest) - 24 : 8 - used
      zeros += here
      this.#bit += isRead ? here + 1 : here
      if (zeros > 32) this.fail('Exp-Golomb code longer than 32 bits')
    }
    return 2 ** zeros - 1 + this.bits(zeros)
  }

  /** A signed Exp-Golomb code (ITU-T H.264 §9.1.1). */
  se(): number {
    const code = this.ue()
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2
  }

  fail(problem: string): never {
    throw new FormatError(this.path, this.#bit >>> 3, problem)
  }

  /** Of four bytes at once, which are there or are not looked at. */
  #short(count: number): number {
    const bytes = this.#bytes
    const at = this.#bit >>> 3
    const used = this.#bit & 7
    const byte = (index: number) => (index < bytes.byteLength ? (bytes[index] ?? 0) : 0)
    const word = (byte(at) << 24) | (byte(at + 1) << 16) | (byte(at + 2) << 8) | byte(at + 3)
    this.#bit += count
    return (word << used) >>> (32 - count)
  }

  #require(count: number): void {
    if (count > this.remaining) this.fail(`${count} bits wanted, ${this.remaining} left`)
  }
}

/**
 * The raw byte sequence of a NAL unit: the bytes without their emulation prevention bytes (ITU-T H.264 §7.4.1.1,
 * H.265 §7.4.2). Gives the input itself when there is none to remove, a copy otherwise.
 */
export function removeEmulationPrevention(nal: Uint8Array): Uint8Array {
  let raw: Uint8Array | undefined
  let size = 0
  let zeros = 0
  for (let at = 0; at < nal.byteLength; at++) {
    const byte = nal[at] ?? 0
    if (byte === 3 && zeros >= 2) {
      if (raw === undefined) {
        raw = new Uint8Array(nal.byteLength)
        raw.set(nal.subarray(0, at))
        size = at
      }
      zeros = 0
      continue
    }
    zeros = byte === 0 ? zeros + 1 : 0
    if (raw !== undefined) raw[size++] = byte
  }
  return raw === undefined ? nal : raw.subarray(0, size)
}
