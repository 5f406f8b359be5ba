import { FormatError } from './errors.ts'

const EMPTY = new Uint8Array(0)

/** A bounds-checked cursor over a view; it never copies. Reading past the end is a `FormatError` at `path`. */
export class ByteReader {
  readonly bytes: Uint8Array
  readonly path: string
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array, path: string) {
    this.bytes = bytes
    this.path = path
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.#at
  }

  get remaining(): number {
    return this.bytes.byteLength - this.#at
  }

  /** Claims `count` bytes and gives the offset at which they start. */
  #claim(count: number): number {
    if (!(count >= 0) || count > this.remaining) {
      throw new FormatError(this.path, this.#at, `${count} bytes wanted, ${this.remaining} left`)
    }
    const start = this.#at
    this.#at += count
    return start
  }

  u8(): number {
    return this.#view.getUint8(this.#claim(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#claim(2))
  }

  u24(): number {
    const at = this.#claim(3)
    return (this.#view.getUint16(at) << 8) | this.#view.getUint8(at + 2)
  }

  u32(): number {
    return this.#view.getUint32(this.#claim(4))
  }

  i16(): number {
    return this.#view.getInt16(this.#claim(2))
  }

  i24(): number {
    return (this.u24() << 8) >> 8
  }

  i32(): number {
    return this.#view.getInt32(this.#claim(4))
  }

  /** An unsigned 64-bit integer as a number; past 2^53 - 1 it is a `FormatError` rather than a rounded value. */
  u64(): number {
    const at = this.#claim(8)
    const value = this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4)
    if (!Number.isSafeInteger(value)) throw new FormatError(this.path, at, '64-bit value past 2^53 - 1')
    return value
  }

  f64(): number {
    return this.#view.getFloat64(this.#claim(8))
  }

  /** The next `count` bytes as a view on the same memory. */
  take(count: number): Uint8Array {
    const at = this.#claim(count)
    return count === 0 ? EMPTY : this.bytes.subarray(at, at + count)
  }

  /** Everything that is left, as a view. */
  rest(): Uint8Array {
    return this.take(this.remaining)
  }

  ascii(count: number): string {
    const { bytes } = this
    const at = this.#claim(count)
    let text = ''
    // Spreading the bytes would make an iterator for each box's four letters.
    for (let i = at; i < at + count; i++) text += String.fromCharCode(bytes[i] ?? 0)
    return text
  }

  skip(count: number): void {
    this.#claim(count)
  }

  fail(problem: string): never {
    throw new FormatError(this.path, this.#at, problem)
  }
}

/** A growing big-endian writer. `finish` gives a view on its memory, good until the next write. */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #at = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get offset(): number {
    return this.#at
  }

  /** Makes room, which may replace `#bytes` and `#view`: call it before naming either. */
  #reserve(count: number): number {
    const start = this.#at
    const end = start + count
    if (end > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.byteLength * 2))
      grown.set(this.#bytes.subarray(0, start))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#at = end
    return start
  }

  u8(value: number): void {
    const at = this.#reserve(1)
    this.#view.setUint8(at, value)
  }

  u16(value: number): void {
    const at = this.#reserve(2)
    this.#view.setUint16(at, value)
  }

  u24(value: number): void {
    const at = this.#reserve(3)
    this.#view.setUint16(at, value >>> 8)
    this.#view.setUint8(at + 2, value)
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setUint32(at, value)
  }

  i16(value: number): void {
    const at = this.#reserve(2)
    this.#view.setInt16(at, value)
  }

  i32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setInt32(at, value)
  }

  /** `value` must be a safe, non-negative integer. */
  u64(value: number): void {
    const at = this.#reserve(8)
    this.#view.setUint32(at, Math.floor(value / 2 ** 32))
    this.#view.setUint32(at + 4, value >>> 0)
  }

  f64(value: number): void {
    const at = this.#reserve(8)
    this.#view.setFloat64(at, value)
  }

  ascii(text: string): void {
    const at = this.#reserve(text.length)
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i)
  }

  append(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.byteLength)
    this.#bytes.set(bytes, at)
  }

  zeros(count: number): void {
    const at = this.#reserve(count)
    this.#bytes.fill(0, at, at + count)
  }

  /** Overwrites four bytes written before, as a size that is known only afterwards. */
  patchU32(offset: number, value: number): void {
    this.#view.setUint32(offset, value)
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }
}

/** One array out of several: a copy, for where one contiguous buffer is needed. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const part of parts) size += part.byteLength
  const joined = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.byteLength
  }
  return joined
}

/** The same length and the same content. Not for secrets: the time it takes tells where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0
}
