import type { SegmentRow } from './view.ts'

/** Rows per block. Blocks are claimed and dropped whole, so a full index wastes less than one at either end. */
const BLOCK_ROWS = 512
const BLOCK_SHIFT = 9
const BLOCK_MASK = BLOCK_ROWS - 1

const PRESENT = 1
const INDEPENDENT = 2

type RowBlock = {
  readonly startTicks: Float64Array
  readonly durationTicks: Float64Array
  readonly wallMs: Float64Array
  readonly discontinuitySequence: Uint32Array
  readonly gap: Uint8Array
}

type MediaBlock = {
  readonly startTicks: Float64Array
  readonly durationTicks: Uint32Array
  readonly sizeBytes: Uint32Array
  readonly leadingBytes: Uint32Array
  readonly trackOrdinal: Uint16Array
  readonly flags: Uint8Array
}

/** The columns of an index, to be taken over by another one: plain data that threads can be sent. */
export type IndexColumns = {
  readonly rows: readonly RowBlock[]
  readonly media: readonly (readonly (MediaBlock | undefined)[])[]
  /** Sequence number of row 0 of `rows[0]`; of the first row that counts; of the next row. */
  readonly origin: number
  readonly first: number
  readonly end: number
}

/** What one rendition has in one segment, with the track given by its position among the rendition's tracks. */
export type MediaCell = {
  readonly startTicks: number
  readonly durationTicks: number
  readonly sizeBytes: number
  readonly leadingBytes: number
  readonly trackOrdinal: number
  readonly independent: boolean
}

/**
 * The closed segments of a presentation in typed-array columns: 29 bytes a row and 23 more for each rendition, so that 25
 * hours of 2 s segments in 7 renditions stay under 10 MB. Grows at the end by blocks, is trimmed at the front by blocks,
 * never copies and never renumbers. It trusts its caller (`Presentation`) with the order of what is pushed.
 */
export class SegmentIndex {
  readonly #rows: RowBlock[] = []
  /** Per rendition, side by side with `#rows`; a hole where the rendition did not exist yet. */
  readonly #media: (MediaBlock | undefined)[][] = []
  /** Sequence number of row 0 of `#rows[0]`. */
  #origin = 0
  #first = 0
  #end = 0

  get firstSequence(): number {
    return this.#first
  }

  get endSequence(): number {
    return this.#end
  }

  /** Bytes held in columns. */
  get byteLength(): number {
    let bytes = 0
    for (const block of this.#rows) bytes += bytesOf(block)
    for (const column of this.#media) {
      for (const block of column) if (block !== undefined) bytes += bytesOf(block)
    }
    return bytes
  }

  /** A copy of everything: some ten bytes a microsecond, whatever the number of rows. */
  columns(): IndexColumns {
    return {
      rows: this.#rows.map((block) => structuredClone(block)),
      media: this.#media.map((column) => column.map((block) => block && structuredClone(block))),
      origin: this.#origin,
      first: this.#first,
      end: this.#end,
    }
  }

  /** Takes the columns over; the index must be fresh. */
  restore({ rows, media, origin, first, end }: IndexColumns): void {
    this.#rows.push(...rows)
    this.#media.push(...media.map((column) => [...column]))
    this.#origin = origin
    this.#first = first
    this.#end = end
  }

  /** Starts an index that holds nothing at `sequence`. */
  startAt(sequence: number): void {
    this.#origin = sequence
    this.#first = sequence
    this.#end = sequence
  }

  /** Makes room for one more rendition; its index is the number of renditions before it. */
  addRendition(): void {
    this.#media.push(new Array<MediaBlock | undefined>(this.#rows.length).fill(undefined))
  }

  /** Appends the next row; `cells[i]` is what rendition `i` has in it, `undefined` where that is nothing. */
  push(row: Omit<SegmentRow, 'sequence'>, cells: readonly (MediaCell | undefined)[]): void {
    const at = this.#end - this.#origin
    const blockIndex = at >> BLOCK_SHIFT
    const slot = at & BLOCK_MASK
    if (blockIndex === this.#rows.length) this.#rows.push(newRowBlock())
    const block = this.#rows[blockIndex] as RowBlock
    block.startTicks[slot] = row.startTicks
    block.durationTicks[slot] = row.durationTicks
    block.wallMs[slot] = row.wallMs
    block.discontinuitySequence[slot] = row.discontinuitySequence
    block.gap[slot] = row.gap ? 1 : 0
    for (let rendition = 0; rendition < this.#media.length; rendition++) {
      this.#pushCell(rendition, blockIndex, slot, cells[rendition])
    }
    this.#end++
  }

  #pushCell(rendition: number, blockIndex: number, slot: number, cell: MediaCell | undefined): void {
    const column = this.#media[rendition] as (MediaBlock | undefined)[]
    while (column.length <= blockIndex) column.push(undefined)
    let block = column[blockIndex]
    if (block === undefined) {
      block = newMediaBlock()
      column[blockIndex] = block
    }
    if (cell !== undefined) {
      block.startTicks[slot] = cell.startTicks
      block.durationTicks[slot] = cell.durationTicks
      block.sizeBytes[slot] = cell.sizeBytes
      block.leadingBytes[slot] = cell.leadingBytes
      block.trackOrdinal[slot] = cell.trackOrdinal
      block.flags[slot] = PRESENT | (cell.independent ? INDEPENDENT : 0)
      return
    }
    // A row without media repeats the start before it, which keeps the column sorted for the binary search.
    const before = slot === 0 ? column[blockIndex - 1] : block
    const beforeSlot = slot === 0 ? BLOCK_MASK : slot - 1
    if (before === undefined) return
    block.startTicks[slot] = before.startTicks[beforeSlot] as number
    block.trackOrdinal[slot] = before.trackOrdinal[beforeSlot] as number
  }

  /** Forgets everything before `sequence`, which is at most `endSequence`. */
  trim(sequence: number): void {
    this.#first = sequence
    const whole = (sequence - this.#origin) >> BLOCK_SHIFT
    if (whole === 0) return
    this.#rows.splice(0, whole)
    for (const column of this.#media) column.splice(0, whole)
    this.#origin += whole * BLOCK_ROWS
  }

  /** Nothing is left of the media in a row; it becomes a gap. */
  empty(sequence: number): void {
    if (!this.#holds(sequence)) return
    const at = sequence - this.#origin
    const blockIndex = at >> BLOCK_SHIFT
    const slot = at & BLOCK_MASK
    const block = this.#rows[blockIndex] as RowBlock
    block.gap[slot] = 1
    for (const column of this.#media) {
      const media = column[blockIndex]
      if (media !== undefined) media.flags[slot] = 0
    }
  }

  row(sequence: number): SegmentRow | undefined {
    if (!this.#holds(sequence)) return undefined
    const at = sequence - this.#origin
    const slot = at & BLOCK_MASK
    const block = this.#rows[at >> BLOCK_SHIFT] as RowBlock
    return {
      sequence,
      discontinuitySequence: block.discontinuitySequence[slot] as number,
      startTicks: block.startTicks[slot] as number,
      durationTicks: block.durationTicks[slot] as number,
      wallMs: block.wallMs[slot] as number,
      gap: block.gap[slot] === 1,
    }
  }

  cell(rendition: number, sequence: number): MediaCell | undefined {
    if (!this.#holds(sequence)) return undefined
    const at = sequence - this.#origin
    const slot = at & BLOCK_MASK
    const block = this.#media[rendition]?.[at >> BLOCK_SHIFT]
    const flags = block?.flags[slot] ?? 0
    if (block === undefined || (flags & PRESENT) === 0) return undefined
    return {
      startTicks: block.startTicks[slot] as number,
      durationTicks: block.durationTicks[slot] as number,
      sizeBytes: block.sizeBytes[slot] as number,
      leadingBytes: block.leadingBytes[slot] as number,
      trackOrdinal: block.trackOrdinal[slot] as number,
      independent: (flags & INDEPENDENT) !== 0,
    }
  }

  /**
   * The sequence number of the row whose media of `rendition` starts at `seconds`, or of the first one after; compared as
   * seconds because the tracks of a rendition may differ in timescale. `timescales` is by track ordinal.
   */
  lowerBound(rendition: number, seconds: number, timescales: readonly number[]): number {
    const column = this.#media[rendition]
    if (column === undefined) return this.#end
    let low = this.#first
    let high = this.#end
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      const at = middle - this.#origin
      const block = column[at >> BLOCK_SHIFT]
      const slot = at & BLOCK_MASK
      const timescale = timescales[block?.trackOrdinal[slot] ?? 0] ?? 1
      if ((block?.startTicks[slot] ?? 0) / timescale < seconds) low = middle + 1
      else high = middle
    }
    return low
  }

  #holds(sequence: number): boolean {
    return sequence >= this.#first && sequence < this.#end
  }
}

function bytesOf(block: RowBlock | MediaBlock): number {
  return Object.values(block).reduce((sum, column) => sum + column.byteLength, 0)
}

function newRowBlock(): RowBlock {
  return {
    startTicks: new Float64Array(BLOCK_ROWS),
    durationTicks: new Float64Array(BLOCK_ROWS),
    wallMs: new Float64Array(BLOCK_ROWS),
    discontinuitySequence: new Uint32Array(BLOCK_ROWS),
    gap: new Uint8Array(BLOCK_ROWS),
  }
}

function newMediaBlock(): MediaBlock {
  return {
    startTicks: new Float64Array(BLOCK_ROWS),
    durationTicks: new Uint32Array(BLOCK_ROWS),
    sizeBytes: new Uint32Array(BLOCK_ROWS),
    leadingBytes: new Uint32Array(BLOCK_ROWS),
    trackOrdinal: new Uint16Array(BLOCK_ROWS),
    flags: new Uint8Array(BLOCK_ROWS),
  }
}
