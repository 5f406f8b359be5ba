/** A table of a box as it stands in the file: how many entries, and their bytes in pieces. */
export type TableColumn = { readonly entries: number; readonly pieces: readonly Uint8Array[] }

const FIRST_BLOCK_BYTES = 4_096
const LARGEST_BLOCK_BYTES = 262_144

/** A growing column of big-endian 32-bit words, as the tables of `stbl` hold them. It never copies what it has. */
export class WordColumn {
  readonly #full: Uint8Array[] = []
  #bytes = new Uint8Array(FIRST_BLOCK_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  #words = 0

  get words(): number {
    return this.#words
  }

  /** Bytes of memory that it holds. */
  get byteLength(): number {
    return this.#full.reduce((sum, block) => sum + block.byteLength, this.#bytes.byteLength)
  }

  /** Appends a word; negative values stand as their two's complement. */
  push(value: number): void {
    if (this.#at === this.#bytes.byteLength) this.#grow()
    this.#view.setUint32(this.#at, value)
    this.#at += 4
    this.#words++
  }

  /** What was written, as views; nothing is to be pushed afterwards. */
  pieces(): Uint8Array[] {
    return this.#at === 0 ? [...this.#full] : [...this.#full, this.#bytes.subarray(0, this.#at)]
  }

  #grow(): void {
    this.#full.push(this.#bytes)
    this.#bytes = new Uint8Array(Math.min(this.#bytes.byteLength * 2, LARGEST_BLOCK_BYTES))
    this.#view = new DataView(this.#bytes.buffer)
    this.#at = 0
  }
}

/** Values that repeat, as `stts` and `ctts` hold them: a count and a value in turn (ISO/IEC 14496-12 §8.6.1). */
export class RunLengthColumn {
  readonly #column = new WordColumn()
  #value = 0
  #count = 0

  get byteLength(): number {
    return this.#column.byteLength
  }

  push(value: number, count = 1): void {
    if (value !== this.#value && this.#count > 0) this.#flush()
    this.#value = value
    this.#count += count
  }

  /** The whole column, `added` to each value; nothing is to be pushed afterwards. */
  finish(added = 0): TableColumn {
    if (this.#count > 0) this.#flush()
    const pieces = this.#column.pieces()
    if (added !== 0) for (const piece of pieces) addToValues(piece, added)
    return { entries: this.#column.words / 2, pieces }
  }

  #flush(): void {
    this.#column.push(this.#count)
    this.#column.push(this.#value)
    this.#count = 0
  }
}

/** Blocks hold whole entries, since their sizes are multiples of an entry's. */
function addToValues(piece: Uint8Array, added: number): void {
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength)
  for (let at = 4; at < piece.byteLength; at += 8) view.setInt32(at, view.getInt32(at) + added)
}
