import { breathe } from '../lib/breathing.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import { fragmentHeadBytes } from '../media/cmaf/fragment.ts'
import { CHECKPOINT_WORDS, SampleCursor } from '../media/isobmff/mp4-index-cursor.ts'
import { TimeCursor } from '../media/isobmff/mp4-index-times.ts'
import type { RunLayout } from '../media/isobmff/track-run.ts'
import type { CutPlan } from './cut-plan.ts'
import type { SourceTrack } from './source-track.ts'

/** What one track has in each segment, in columns; a segment without samples has none of the track. */
export type SegmentColumns = {
  readonly samples: Uint32Array
  /** Earliest PTS, and what passes until the next segment's, in ticks. */
  readonly startTicks: Float64Array
  readonly durationTicks: Float64Array
  /** Bytes of the fragment that is made of it, and of it up to the end of its first sample. */
  readonly sizeBytes: Uint32Array
  readonly leadingBytes: Uint32Array
  readonly independent: Uint8Array
  /** Where a `SampleCursor` stands at its first sample: the walk never begins at the file's start. */
  readonly checkpoints: Float64Array
}

/** Larger ones would fill the memory of an origin: high bitrates need shorter segments. */
const MAX_SEGMENT_BYTES = 160 * 1024 * 1024
/** Many more than seconds have frames; samples of no bytes could be any number, and each is an object while a segment is made. */
const MAX_SEGMENT_SAMPLES = 100_000
/** What passes between segments that are further apart than this isn't played. */
const LONGEST_HOLE_SECONDS = 1

/** Samples that are walked over in one turn: some milliseconds. */
const SAMPLES_PER_TURN = 65_536

/** Walks all samples of a track once and sums up its segments, in many turns where it is long. @throws FormatError; the signal's reason */
export function sumSegments(
  track: SourceTrack,
  plan: CutPlan,
  keySamples: readonly number[] | undefined,
  signal: AbortSignal,
): Promise<SegmentColumns> {
  return new SegmentSums(track, plan, keySamples).walk(signal)
}

class SegmentSums {
  readonly #track: SourceTrack
  readonly #instants: readonly number[]
  readonly #keySamples: readonly number[] | undefined
  /** The key frame that this segment, or the next one that has one, begins with. */
  readonly #laterKeys: Float64Array
  readonly #columns: SegmentColumns
  /** PTS behind each segment's last sample. */
  readonly #ends: Float64Array
  #segment = 0
  #dataBytes = 0

  constructor(track: SourceTrack, { instants }: CutPlan, keySamples: readonly number[] | undefined) {
    this.#track = track
    this.#instants = instants
    this.#keySamples = keySamples
    const count = instants.length - 1
    this.#laterKeys = laterKeysOf(keySamples, count, track.endSample)
    this.#ends = new Float64Array(count)
    this.#columns = {
      samples: new Uint32Array(count),
      startTicks: new Float64Array(count),
      durationTicks: new Float64Array(count),
      sizeBytes: new Uint32Array(count),
      leadingBytes: new Uint32Array(count),
      independent: new Uint8Array(count),
      checkpoints: new Float64Array(count * CHECKPOINT_WORDS),
    }
  }

  async walk(signal: AbortSignal): Promise<SegmentColumns> {
    const { file, tables, firstSample, endSample } = this.#track
    const cursor = new SampleCursor(tables, file.sizeBytes)
    const { time } = cursor
    if (firstSample > 0) cursor.sum(firstSample)
    const ahead = new TimeCursor({ durations: tables.durations, compositions: undefined })
    ahead.advance(firstSample)
    let turnEnd = time.sample + SAMPLES_PER_TURN
    while (time.sample < endSample) {
      if (time.sample >= turnEnd) {
        await breathe(signal)
        turnEnd = time.sample + SAMPLES_PER_TURN
      }
      this.#goToEnd(ahead)
      if (ahead.sample > time.sample) this.#sumSegment(cursor, ahead.sample - time.sample)
      this.#segment++
    }
    this.#setDurations()
    return this.#columns
  }

  /** Goes to the first sample that is of a later segment. */
  #goToEnd(ahead: TimeCursor): void {
    const next = this.#segment + 1
    const { endSample, timescale } = this.#track
    const isLast = next >= this.#instants.length - 1
    const limit = isLast ? endSample : (this.#laterKeys[next] ?? endSample)
    if (isLast || (this.#keySamples?.[next] ?? -1) >= 0) {
      if (ahead.sample < limit) ahead.advance(limit - ahead.sample)
      return
    }
    const ticks = (this.#instants[next] ?? 0) * timescale
    while (ahead.sample < limit) {
      const left = ticks - this.#instantOf(ahead)
      if (left <= 0) return
      const durationTicks = ahead.durationTicks * this.#track.scale
      const samples = durationTicks === 0 ? ahead.runLeft : Math.ceil(left / durationTicks)
      ahead.advance(Math.max(1, Math.min(samples, ahead.runLeft, limit - ahead.sample)))
    }
  }

  /** What decides of which segment a sample is; sound goes to where most of it is. */
  #instantOf({ dtsTicks, durationTicks }: TimeCursor): number {
    const { scale, shiftTicks, config } = this.#track
    return (config.kind === 'audio' ? dtsTicks + durationTicks / 2 : dtsTicks) * scale + shiftTicks
  }

  #sumSegment(cursor: SampleCursor, count: number): void {
    const { file, scale, shiftTicks, decodeLeadTicks, path } = this.#track
    const { sample, durationTicks } = cursor.time
    cursor.save(this.#columns.checkpoints, this.#segment * CHECKPOINT_WORDS)
    const sums = cursor.sum(count, -decodeLeadTicks / scale)
    this.#dataBytes += sums.dataBytes
    if (this.#dataBytes > file.sizeBytes) {
      throw new FormatError(path, sample, `samples of more than the ${file.sizeBytes} bytes that the file has`)
    }
    const { dataBytes, firstBytes, firstSync, secondSync, laterSyncs } = sums
    const layout: RunLayout = {
      ...{ sampleCount: count, dataBytes, sizePerSample: sums.sizeDiffers, sizeBytes: firstBytes },
      ...{ durationPerSample: sums.durationDiffers, durationTicks: durationTicks * scale, defaultFlags: 0 },
      flags: flagsOf(count, firstSync, secondSync, laterSyncs),
      composition: sums.composed ? 'unsigned' : 'none',
    }
    const startTicks = sums.startTicks * scale + shiftTicks
    if (startTicks < 0) throw new FormatError(path, sample, `presentation time ${startTicks}`)
    this.#ends[this.#segment] = sums.endTicks * scale + shiftTicks
    this.#write(layout, startTicks, firstSync)
  }

  #write(layout: RunLayout, startTicks: number, independent: boolean): void {
    const { file, path, timescale } = this.#track
    const headBytes = fragmentHeadBytes(layout, true)
    const sizeBytes = headBytes + layout.dataBytes
    const segment = this.#segment
    if (sizeBytes > MAX_SEGMENT_BYTES) {
      const text = `${path} of "${file.name}" has ${sizeBytes} bytes in one segment at ${Math.floor(startTicks / timescale)} s`
      throw new AppError('MEDIA_UNSUPPORTED', `${text}, at most ${MAX_SEGMENT_BYTES} can be streamed.`)
    }
    if (layout.sampleCount > MAX_SEGMENT_SAMPLES) {
      const text = `${path} of "${file.name}" has ${layout.sampleCount} samples in one segment`
      throw new AppError('MEDIA_UNSUPPORTED', `${text}, at most ${MAX_SEGMENT_SAMPLES} can be streamed.`)
    }
    const columns = this.#columns
    columns.samples[segment] = layout.sampleCount
    columns.startTicks[segment] = startTicks
    columns.sizeBytes[segment] = sizeBytes
    columns.leadingBytes[segment] = headBytes + layout.sizeBytes
    columns.independent[segment] = independent ? 1 : 0
  }

  /** A segment lasts until the next begins, so that durations add up; at a hole, until its last sample ends. */
  #setDurations(): void {
    const { samples, startTicks, durationTicks } = this.#columns
    const longestHole = this.#track.timescale * LONGEST_HOLE_SECONDS
    for (let segment = 0; segment < samples.length; segment++) {
      if (samples[segment] === 0) continue
      const start = startTicks[segment] ?? 0
      const end = this.#ends[segment] ?? 0
      const next = (samples[segment + 1] ?? 0) > 0 ? (startTicks[segment + 1] ?? end) : end
      const isNear = next > start && Math.abs(next - end) <= longestHole
      durationTicks[segment] = Math.max(1, (isNear ? next : end) - start)
    }
  }
}

function laterKeysOf(keySamples: readonly number[] | undefined, count: number, endSample: number): Float64Array {
  const keys = new Float64Array(count)
  let key = endSample
  for (let segment = count - 1; segment >= 0; segment--) {
    const own = keySamples?.[segment] ?? -1
    if (own >= 0) key = own
    keys[segment] = key
  }
  return keys
}

/** As `layOutRun` finds them, of samples that aren't there yet. */
function flagsOf(count: number, first: boolean, second: boolean, laterSyncs: number): RunLayout['flags'] {
  if (count === 1) return 'default'
  if (laterSyncs > 0 && laterSyncs < count - 1) return 'per-sample'
  return second === first ? 'default' : 'first-differs'
}
