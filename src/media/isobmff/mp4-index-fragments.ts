import { concatBytes } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import type { TrackFragment } from './movie-fragment.ts'
import { MAX_TRACK_SAMPLES, type SampleTables, type TableView } from './mp4-index-tables.ts'
import { RunLengthColumn, type TableColumn, WordColumn } from './progressive-columns.ts'

/** What the fragments of a track add up to: tables as a movie box would have them, and where their time begins. */
export type FragmentTables = {
  readonly tables: SampleTables
  /** DTS of the first sample. */
  readonly startTicks: number
}

const LONGEST_SAMPLE_TICKS = 0xffff_ffff

/** Puts the samples of a track's fragments, as they come, into tables of the form that a movie box has: some ten bytes a sample. */
export class FragmentTableBuilder {
  readonly #path: string
  readonly #isAudio: boolean
  readonly #durations = new RunLengthColumn()
  readonly #compositions = new RunLengthColumn()
  readonly #sizes = new WordColumn()
  readonly #offsets = new WordColumn()
  readonly #chunkRuns = new WordColumn()
  readonly #sync = new WordColumn()
  #samples = 0
  #chunks = 0
  #chunkSamples = 0
  /** Samples of a chunk as `stsc` said last. */
  #saidSamples = 0
  #nextOffset = -1
  #startTicks = 0
  /** The last sample's length is known when the next one comes. */
  #lastTicks = 0
  #lastDuration = 0

  constructor(path: string, isAudio: boolean) {
    this.#path = path
    this.#isAudio = isAudio
  }

  get sampleCount(): number {
    return this.#samples
  }

  get byteLength(): number {
    const columns = [this.#durations, this.#compositions, this.#sizes, this.#offsets, this.#chunkRuns, this.#sync]
    return columns.reduce((sum, column) => sum + column.byteLength, 0)
  }

  /** The next fragment. Time that goes back by more than its first sample is a `FormatError`. */
  add({ baseDecodeTicks, samples }: TrackFragment): void {
    let dtsTicks = baseDecodeTicks ?? this.#lastTicks + this.#lastDuration
    this.#endChunk()
    for (const { offset, sizeBytes, durationTicks, compositionTicks, independent } of samples) {
      if (this.#samples === 0) this.#startTicks = dtsTicks
      else this.#setLastDuration(dtsTicks - this.#lastTicks)
      if (this.#samples === MAX_TRACK_SAMPLES) {
        throw new FormatError(this.#path, offset, `more than ${MAX_TRACK_SAMPLES} samples`)
      }
      this.#samples++
      this.#place(offset, sizeBytes)
      this.#compositions.push(compositionTicks)
      if (independent || this.#isAudio) this.#sync.push(this.#samples)
      this.#lastTicks = dtsTicks
      this.#lastDuration = durationTicks
      dtsTicks += durationTicks
      if (!Number.isSafeInteger(dtsTicks)) throw new FormatError(this.#path, offset, 'times past 2^53 - 1')
    }
  }

  /** Everything; nothing is to be added afterwards. `undefined` without a sample. */
  finish(): FragmentTables | undefined {
    if (this.#samples === 0) return undefined
    this.#setLastDuration(this.#lastDuration)
    this.#endChunk()
    const isAllSync = this.#sync.words === this.#samples
    const tables: SampleTables = {
      durations: viewOf(this.#durations.finish()),
      compositions: viewOf(this.#compositions.finish()),
      sizes: {
        entries: this.#samples,
        fixedBytes: 0,
        fieldBits: 32,
        view: viewOf({ entries: this.#samples, pieces: this.#sizes.pieces() }).view,
      },
      chunkRuns: viewOf({ entries: this.#chunkRuns.words / 3, pieces: this.#chunkRuns.pieces() }),
      chunkOffsets: { ...viewOf({ entries: this.#chunks, pieces: this.#offsets.pieces() }), fieldBytes: 8 },
      syncSamples: isAllSync ? undefined : viewOf({ entries: this.#sync.words, pieces: this.#sync.pieces() }),
    }
    return { tables, startTicks: this.#startTicks }
  }

  #setLastDuration(ticks: number): void {
    if (ticks < 0) throw new FormatError(this.#path, this.#lastTicks, `decode time goes back by ${-ticks}`)
    if (ticks > LONGEST_SAMPLE_TICKS) throw new FormatError(this.#path, this.#lastTicks, `nothing for ${ticks} ticks`)
    this.#durations.push(ticks)
  }

  #place(offset: number, sizeBytes: number): void {
    if (offset !== this.#nextOffset || this.#chunkSamples === 0) {
      this.#endChunk()
      this.#offsets.push(Math.floor(offset / 2 ** 32))
      this.#offsets.push(offset >>> 0)
      this.#chunks++
    }
    this.#chunkSamples++
    this.#sizes.push(sizeBytes)
    this.#nextOffset = offset + sizeBytes
  }

  #endChunk(): void {
    if (this.#chunkSamples === 0) return
    if (this.#chunkSamples !== this.#saidSamples) {
      this.#chunkRuns.push(this.#chunks)
      this.#chunkRuns.push(this.#chunkSamples)
      this.#chunkRuns.push(1)
      this.#saidSamples = this.#chunkSamples
    }
    this.#chunkSamples = 0
  }
}

function viewOf({ entries, pieces }: TableColumn): TableView {
  const bytes = concatBytes(pieces)
  return { entries, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
}
