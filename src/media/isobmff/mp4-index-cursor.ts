import { FormatError } from '../../lib/errors.ts'
import { type SampleTables, sampleBytes } from './mp4-index-tables.ts'
import { TIME_WORDS, TimeCursor, type TimeSums } from './mp4-index-times.ts'

/** What a stretch of samples comes to. */
export type SampleSums = TimeSums & {
  readonly samples: number
  readonly dataBytes: number
  readonly firstBytes: number
  /** Not all sizes are the first one's. */
  readonly sizeDiffers: boolean
  readonly firstSync: boolean
  /** How many of those behind the first are sync samples. */
  readonly laterSyncs: number
  readonly secondSync: boolean
}

/** Words that a `SampleCursor` is saved in. */
export const CHECKPOINT_WORDS = TIME_WORDS + 6

/** Walks the samples of a track forwards: when each is, where its bytes lie, and whether it is a sync sample. */
export class SampleCursor {
  readonly time: TimeCursor
  /** Of the sample's first byte, in the file. */
  offset = 0
  readonly #tables: SampleTables
  readonly #fileBytes: number
  /** The next chunk's number, from 0, and what is left of the current one. */
  #chunk = 0
  #chunkLeft = 0
  #chunkEntry = -1
  #chunkEntryEnd = 0
  #samplesPerChunk = 0
  /** The first entry of `stss` that is of this sample or of a later one. */
  #syncEntry = 0

  /** Stands on the first sample; the tables are checked ones and not empty. */
  constructor(tables: SampleTables, fileBytes: number) {
    this.#tables = tables
    this.#fileBytes = fileBytes
    this.time = new TimeCursor(tables)
    this.#nextChunk()
  }

  get hasEnded(): boolean {
    return this.time.sample >= this.#tables.sizes.entries
  }

  get sizeBytes(): number {
    return this.hasEnded ? 0 : sampleBytes(this.#tables.sizes, this.time.sample)
  }

  get isSync(): boolean {
    const { syncSamples } = this.#tables
    return syncSamples === undefined || this.#syncAt(this.#syncEntry) === this.time.sample
  }

  /** Goes to the next sample, of tables that were summed up before; past the last one `hasEnded`, and the rest means nothing. */
  next(): void {
    this.offset += this.sizeBytes
    this.#chunkLeft--
    if (this.#syncAt(this.#syncEntry) === this.time.sample) this.#syncEntry++
    this.time.advance(1)
    if (this.#chunkLeft === 0 && !this.hasEnded) this.#nextChunk()
  }

  /**
   * Goes `count` samples on, at least one and not past the end, and says what those come to, the first being the one that it stood
   * on. A composition offset of `neutralTicks` counts for none. A sample that lies outside the file is a `FormatError`.
   */
  sum(count: number, neutralTicks = 0): SampleSums {
    const { sample } = this.time
    const firstBytes = this.sizeBytes
    const firstSync = this.isSync
    const syncs = this.#skipSyncs(sample, count)
    const { dataBytes, sizeDiffers } = this.#sumSizes(sample, count, firstBytes)
    const times = this.time.sum(count, neutralTicks)
    const laterSyncs = syncs.count - (firstSync ? 1 : 0)
    return {
      ...times,
      samples: count,
      dataBytes,
      firstBytes,
      sizeDiffers,
      firstSync,
      laterSyncs,
      secondSync: syncs.second,
    }
  }

  /** What `restore` takes. */
  save(into: Float64Array, at: number): void {
    this.time.save(into, at)
    into[at + TIME_WORDS] = this.#chunk
    into[at + TIME_WORDS + 1] = this.#chunkLeft
    into[at + TIME_WORDS + 2] = this.#chunkEntry
    into[at + TIME_WORDS + 3] = this.#chunkEntryEnd
    into[at + TIME_WORDS + 4] = this.offset
    into[at + TIME_WORDS + 5] = this.#syncEntry
  }

  restore(from: Float64Array, at: number): void {
    this.time.restore(from, at)
    this.#chunk = from[at + TIME_WORDS] ?? 0
    this.#chunkLeft = from[at + TIME_WORDS + 1] ?? 0
    this.#chunkEntry = from[at + TIME_WORDS + 2] ?? 0
    this.#chunkEntryEnd = from[at + TIME_WORDS + 3] ?? 0
    this.#samplesPerChunk = this.#tables.chunkRuns.view.getUint32(this.#chunkEntry * 12 + 4)
    this.offset = from[at + TIME_WORDS + 4] ?? 0
    this.#syncEntry = from[at + TIME_WORDS + 5] ?? 0
  }

  /** Goes past the sizes of `count` samples from `first` on, chunk by chunk. */
  #sumSizes(first: number, count: number, firstBytes: number) {
    const { sizes } = this.#tables
    const { view, fixedBytes } = sizes
    const isPlain = fixedBytes === 0 && sizes.fieldBits === 32
    const end = first + count
    let dataBytes = 0
    let sizeDiffers = false
    for (let sample = first; sample < end; ) {
      const pieceEnd = Math.min(end, sample + this.#chunkLeft)
      this.#chunkLeft -= pieceEnd - sample
      let pieceBytes = 0
      for (; sample < pieceEnd; sample++) {
        const bytes = isPlain ? view.getUint32(sample * 4) : sampleBytes(sizes, sample)
        pieceBytes += bytes
        if (bytes !== firstBytes) sizeDiffers = true
      }
      const start = this.offset
      this.offset += pieceBytes
      if (this.offset > this.#fileBytes) throw this.#outside(start, pieceBytes)
      dataBytes += pieceBytes
      if (this.#chunkLeft === 0 && sample < sizes.entries) this.#nextChunk()
    }
    return { dataBytes, sizeDiffers }
  }

  #outside(start: number, sizeBytes: number): FormatError {
    const text = `${sizeBytes} bytes of samples from byte ${start} on, the file has ${this.#fileBytes}`
    return new FormatError('stbl/stco', this.#chunk - 1, text)
  }

  /** Goes past the sync samples among `count` from `first` on. */
  #skipSyncs(first: number, count: number): { readonly count: number; readonly second: boolean } {
    if (this.#tables.syncSamples === undefined) return { count, second: true }
    const begin = this.#syncEntry
    const end = first + count
    let second = false
    for (let sync = this.#syncAt(this.#syncEntry); sync < end; sync = this.#syncAt(++this.#syncEntry)) {
      if (sync === first + 1) second = true
    }
    return { count: this.#syncEntry - begin, second }
  }

  /** The number of a sync sample, from 0. */
  #syncAt(entry: number): number {
    const table = this.#tables.syncSamples
    return table !== undefined && entry < table.entries ? table.view.getUint32(entry * 4) - 1 : Number.POSITIVE_INFINITY
  }

  /** Goes to the next chunk that holds a sample; checked tables have one. */
  #nextChunk(): void {
    while (this.#chunkLeft === 0) {
      if (this.#chunk === this.#chunkEntryEnd) this.#nextChunkEntry()
      this.#chunkLeft = this.#samplesPerChunk
      this.#chunk++
    }
    const at = this.#chunk - 1
    const { view, fieldBytes, entries } = this.#tables.chunkOffsets
    if (at >= entries) throw new FormatError('stbl/stco', at, `chunk ${at + 1} of ${entries}`)
    this.offset =
      fieldBytes === 4 ? view.getUint32(at * 4) : view.getUint32(at * 8) * 2 ** 32 + view.getUint32(at * 8 + 4)
  }

  #nextChunkEntry(): void {
    const { chunkRuns, chunkOffsets } = this.#tables
    const entry = ++this.#chunkEntry
    if (entry >= chunkRuns.entries) throw new FormatError('stbl/stsc', entry, 'no chunk for a sample')
    this.#samplesPerChunk = chunkRuns.view.getUint32(entry * 12 + 4)
    const isLast = entry + 1 === chunkRuns.entries
    this.#chunkEntryEnd = isLast ? chunkOffsets.entries : chunkRuns.view.getUint32(entry * 12 + 12) - 1
  }
}
