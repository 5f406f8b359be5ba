import { AppError } from '../lib/errors.ts'

const PAGE_BYTES = 1024

/**
 * One `SharedArrayBuffer` cut into extents of whole pages. The length of an extent stands at its first and its last page
 * (free > 0, used < 0), so that neighbours merge at once when one is freed. The search goes on from where the last one
 * ended: fragments are freed about in the order in which they came, which makes this a ring in practice.
 */
export class MemoryRegion {
  readonly index: number
  readonly buffer: SharedArrayBuffer
  /** Two bytes where they suffice: there is one for each KiB. */
  readonly #tags: Int16Array | Int32Array
  /** Few logs hold the same bytes. */
  readonly #holds: Uint16Array
  readonly #pages: number
  #cursor = 0
  #freePages: number

  constructor(index: number, sizeBytes: number) {
    this.index = index
    this.#pages = Math.ceil(sizeBytes / PAGE_BYTES)
    this.buffer = new SharedArrayBuffer(this.#pages * PAGE_BYTES)
    this.#tags = this.#pages <= 32_767 ? new Int16Array(this.#pages) : new Int32Array(this.#pages)
    this.#holds = new Uint16Array(this.#pages)
    this.#freePages = this.#pages
    this.#mark(0, this.#pages)
  }

  get usedBytes(): number {
    return (this.#pages - this.#freePages) * PAGE_BYTES
  }

  /** A view of `sizeBytes` with one hold on it; `undefined` when no free extent is long enough. */
  allocate(sizeBytes: number): Uint8Array | undefined {
    const wanted = Math.max(1, Math.ceil(sizeBytes / PAGE_BYTES))
    if (wanted > this.#freePages) return undefined
    const start = this.#search(wanted)
    if (start === undefined) return undefined
    const length = this.#tag(start)
    this.#mark(start, -wanted)
    if (length > wanted) this.#mark(start + wanted, length - wanted)
    this.#cursor = (start + wanted) % this.#pages
    this.#freePages -= wanted
    this.#holds[start] = 1
    return new Uint8Array(this.buffer, start * PAGE_BYTES, sizeBytes)
  }

  hold(byteOffset: number): void {
    const page = this.#usedPage(byteOffset)
    this.#holds[page] = (this.#holds[page] ?? 0) + 1
  }

  release(byteOffset: number): void {
    const page = this.#usedPage(byteOffset)
    const left = (this.#holds[page] ?? 0) - 1
    this.#holds[page] = left
    if (left === 0) this.#free(page)
  }

  #usedPage(byteOffset: number): number {
    const page = byteOffset / PAGE_BYTES
    if (!((this.#holds[page] ?? 0) > 0)) throw new AppError('INTERNAL', 'fragment memory that nobody holds was touched')
    return page
  }

  #search(wanted: number): number | undefined {
    let at = this.#cursor
    for (let walked = 0; walked < this.#pages; ) {
      const tag = this.#tag(at)
      if (tag >= wanted) return at
      walked += Math.abs(tag)
      at = (at + Math.abs(tag)) % this.#pages
    }
    return undefined
  }

  #free(page: number): void {
    let start = page
    let length = -this.#tag(page)
    this.#freePages += length
    const next = start + length
    if (next < this.#pages && this.#tag(next) > 0) length += this.#tag(next)
    if (start > 0 && this.#tag(start - 1) > 0) {
      const before = this.#tag(start - 1)
      start -= before
      length += before
    }
    this.#mark(start, length)
    if (this.#cursor > start && this.#cursor < start + length) this.#cursor = start
  }

  #tag(page: number): number {
    return this.#tags[page] ?? 0
  }

  #mark(start: number, tag: number): void {
    this.#tags[start] = tag
    this.#tags[start + Math.abs(tag) - 1] = tag
  }
}
