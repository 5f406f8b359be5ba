import { AppError, FormatError } from '../../lib/errors.ts'
import type { CodecConfig } from '../media.ts'
import { sameConfig } from '../same-config.ts'
import type { TrackFragment } from './movie-fragment.ts'
import { ChunkCollector, type ChunkColumns, PARAMETER_SETS, SILENCE, samplesToChunks } from './progressive-chunks.ts'
import { RunLengthColumn, type TableColumn, WordColumn } from './progressive-columns.ts'
import { type Inserted, insertedFor } from './progressive-inserted.ts'

/** All that a progressive file has to say of a track's samples, most of it as it stands in the file. Times are in ticks. */
export type SampleTable = {
  readonly kind: 'video' | 'audio'
  readonly timescale: number
  readonly language: string | undefined
  readonly descriptions: readonly CodecConfig[]
  readonly sampleCount: number
  readonly mediaBytes: number
  /** DTS of the first sample, so far back that no composition offset is below 0; sum of all durations. */
  readonly decodeStartTicks: number
  readonly decodeTicks: number
  /** Earliest PTS; end of what is presented last. */
  readonly startTicks: number
  readonly endTicks: number
  readonly stts: TableColumn
  /** Absent where every PTS is its DTS. */
  readonly ctts: TableColumn | undefined
  readonly stsz: TableColumn
  readonly stsc: TableColumn
  /** Absent where every sample is a sync sample. */
  readonly stss: TableColumn | undefined
  readonly chunks: ChunkColumns
  /** By sample description, from 0: what the runs are that no segment has. */
  readonly inserted: readonly Inserted[]
  /** What the table holds in memory. */
  readonly memoryBytes: number
}

/** `stts` has 32 bits, of which readers take 31: at 90 kHz a picture may stand for 6.6 hours. */
const LONGEST_SAMPLE_TICKS = 0x7fff_ffff
/** What more than this many bytes of tables describe is refused, however it came about. */
const MAX_TABLE_BYTES = 268_435_456
const MAX_DESCRIPTIONS = 65_535
/** Encoders reorder within a second or two. */
const LARGEST_OVERLAP_SECONDS = 10

/** What is known of a track from the start. `changes`: it has more than one configuration. */
export type TableTrack = {
  readonly kind: 'video' | 'audio'
  readonly timescale: number
  readonly language?: string
  readonly changes: boolean
}

type Pending = { dtsTicks: number; durationTicks: number }

/**
 * Collects the samples of one track, segment by segment, into a table of a few bytes for each sample. A hole in time is kept: the
 * picture before it lasts until the next one; in sound it is filled with silence where the codec has any, else the frame
 * before it is said to last so long.
 */
export class SampleTableBuilder {
  readonly #track: TableTrack
  readonly #descriptions: CodecConfig[] = []
  readonly #inserted: Inserted[] = []
  readonly #stts = new RunLengthColumn()
  readonly #ctts = new RunLengthColumn()
  readonly #stsz = new WordColumn()
  readonly #stss = new WordColumn()
  readonly #chunks = new ChunkCollector()
  #composed = false
  #lowestComposition = 0
  #decodeStartTicks = 0
  #decodeTicks = 0
  #startTicks = Number.POSITIVE_INFINITY
  #endTicks = Number.NEGATIVE_INFINITY
  #pending: Pending | undefined

  constructor(track: TableTrack) {
    this.#track = track
  }

  /** The samples that follow are of this segment, and of this configuration. */
  beginSegment(sequence: number, config: CodecConfig): void {
    this.#chunks.begin(sequence, this.#describe(config) + 1)
  }

  /**
   * The samples of a fragment, whose offsets count from the segment's first byte.
   * @throws AppError `DOWNLOAD_UNSUPPORTED` for a hole that is too long, `LIMIT_EXCEEDED`; `FormatError` where time goes back
   */
  addFragment({ baseDecodeTicks, samples }: TrackFragment): void {
    let dtsTicks = baseDecodeTicks ?? (this.#pending ? this.#pending.dtsTicks + this.#pending.durationTicks : 0)
    for (const { offset, sizeBytes, durationTicks, compositionTicks, independent } of samples) {
      const decodeTicks = this.#advance(dtsTicks)
      const lateTicks = decodeTicks - dtsTicks
      this.#pending = { dtsTicks: decodeTicks, durationTicks: Math.max(1, durationTicks - lateTicks) }
      this.#add(offset, sizeBytes, independent)
      const ptsTicks = this.#track.kind === 'video' ? dtsTicks + compositionTicks : decodeTicks + compositionTicks
      this.#compose(ptsTicks - decodeTicks)
      if (independent) this.#stss.push(this.#stsz.words)
      this.#startTicks = Math.min(this.#startTicks, ptsTicks)
      this.#endTicks = Math.max(this.#endTicks, ptsTicks + durationTicks)
      dtsTicks += durationTicks
    }
    if (this.#columnBytes > MAX_TABLE_BYTES) {
      throw new AppError('LIMIT_EXCEEDED', 'The recording has more frames than one MP4 can list; make a clip of it.')
    }
  }

  /** The table of all that was added; of nothing, it has no samples and no times. */
  finish(): SampleTable {
    if (this.#pending) this.#last(this.#pending.durationTicks)
    this.#pending = undefined
    const { kind, timescale, language } = this.#track
    const sampleCount = this.#stsz.words
    const isAllSync = this.#stss.words === sampleCount || kind === 'audio'
    const chunks = this.#chunks.finish()
    const chunkBytes = Object.values(chunks).reduce((sum, column) => sum + column.byteLength, 0)
    return {
      kind,
      timescale,
      language,
      descriptions: this.#descriptions,
      inserted: this.#inserted,
      sampleCount,
      mediaBytes: this.#chunks.mediaBytes,
      // With an edit list there is no need for version 1 of `ctts`, which players read differently (ffmpeg 5.1: as if it were late).
      decodeStartTicks: this.#decodeStartTicks + this.#lowestComposition,
      decodeTicks: this.#decodeTicks,
      startTicks: this.#startTicks,
      endTicks: this.#endTicks,
      stts: this.#stts.finish(),
      ctts: this.#composed ? this.#ctts.finish(-this.#lowestComposition) : undefined,
      stsc: samplesToChunks(chunks),
      stsz: { entries: sampleCount, pieces: this.#stsz.pieces() },
      stss: isAllSync ? undefined : { entries: this.#stss.words, pieces: this.#stss.pieces() },
      chunks,
      memoryBytes: this.#columnBytes + chunkBytes,
    }
  }

  get #columnBytes(): number {
    return this.#stts.byteLength + this.#ctts.byteLength + this.#stsz.byteLength + this.#stss.byteLength
  }

  #describe(config: CodecConfig): number {
    const known = this.#descriptions.findIndex((other) => sameConfig(other, config))
    if (known >= 0) return known
    if (this.#descriptions.length === MAX_DESCRIPTIONS) {
      throw new AppError(
        'DOWNLOAD_UNSUPPORTED',
        'The codec changes too often for one MP4; make clips of the recording.',
      )
    }
    this.#inserted.push(insertedFor(config, this.#track.changes))
    return this.#descriptions.push(config) - 1
  }

  #compose(compositionTicks: number): void {
    this.#ctts.push(compositionTicks)
    if (compositionTicks !== 0) this.#composed = true
    if (compositionTicks < this.#lowestComposition) this.#lowestComposition = compositionTicks
  }

  /**
   * The sample before is over when the next one begins; gives when that is decoded. Where another encoder goes on, which reorders
   * more, its first pictures would be decoded before the last ones of the other: a tick after them does as well.
   */
  #advance(dtsTicks: number): number {
    const before = this.#pending
    if (!before) {
      this.#decodeStartTicks = dtsTicks
      return dtsTicks
    }
    const lengthTicks = Math.max(1, dtsTicks - before.dtsTicks)
    if (before.dtsTicks - dtsTicks > LARGEST_OVERLAP_SECONDS * this.#track.timescale) {
      throw new FormatError('moof/traf/tfdt', 0, `decode time goes back to ${dtsTicks}`)
    }
    this.#endSample(before, lengthTicks)
    return before.dtsTicks + lengthTicks
  }

  #endSample(before: Pending, lengthTicks: number): void {
    const { silence } = this.#current
    const holeTicks = lengthTicks - before.durationTicks
    const frames = silence && before.durationTicks > 0 ? Math.floor(holeTicks / silence.durationTicks) : 0
    if (!silence || frames < 1) {
      this.#last(lengthTicks)
      return
    }
    this.#last(before.durationTicks)
    this.#fill(silence, frames, holeTicks)
  }

  #fill({ frame, durationTicks }: NonNullable<Inserted['silence']>, frames: number, holeTicks: number): void {
    const sizeBytes = frames * frame.byteLength
    this.#stts.push(durationTicks, frames - 1)
    this.#stts.push(holeTicks - (frames - 1) * durationTicks)
    this.#ctts.push(0, frames)
    for (let i = 0; i < frames; i++) this.#stsz.push(frame.byteLength)
    this.#decodeTicks += holeTicks
    this.#chunks.insert(SILENCE, sizeBytes)
    this.#chunks.count(frames, sizeBytes)
  }

  #last(lengthTicks: number): void {
    if (lengthTicks > LONGEST_SAMPLE_TICKS) {
      const hours = Math.round(lengthTicks / this.#track.timescale / 360) / 10
      const text = `Nothing was recorded for ${hours} hours, which an MP4 can't hold: make clips of what is before and after.`
      throw new AppError('DOWNLOAD_UNSUPPORTED', text)
    }
    this.#stts.push(lengthTicks)
    this.#decodeTicks += lengthTicks
  }

  get #current(): Inserted {
    return this.#inserted[this.#chunks.description - 1] ?? {}
  }

  #add(offset: number, sizeBytes: number, independent: boolean): void {
    const { parameterSets } = this.#current
    const extraBytes = independent && parameterSets ? parameterSets.byteLength : 0
    this.#stsz.push(extraBytes + sizeBytes)
    if (extraBytes > 0) this.#chunks.insert(PARAMETER_SETS, extraBytes)
    this.#chunks.extend(offset, sizeBytes)
    this.#chunks.count(1, extraBytes + sizeBytes)
  }
}
