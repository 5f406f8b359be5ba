import type { CodecConfig, Sample } from '../media/media.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { CaptionWatch } from './caption-watch.ts'

/** What is known of a rendition before its first sample. Bitrates in bit/s; absent ones are measured on the first segment. */
export type RenditionSpec = {
  readonly name: string
  readonly config: CodecConfig
  readonly bandwidth?: number
  readonly averageBandwidth?: number
  readonly nominalBitrate?: number
  readonly frameRate?: number
  readonly language?: string
}

/**
 * A sample on its way into its segment; `timeTicks` (PTS) and `decodeTicks` are on the 90 kHz clock. The duration of a picture is
 * put right when the next one comes.
 */
export type QueuedSample = Sample & {
  durationTicks: number
  readonly timeTicks: number
  readonly decodeTicks: number
}

/** The longest that one picture may be said to last; what is longer is a hole, and holes belong between fragments. */
const MAX_SAMPLE_SECONDS = 10
const FIRST_FRAME_RATE = 30

/**
 * The samples of one rendition between their arrival and their segment. One without a duration waits here until the next
 * tells how long it lasts; then it waits until the leading rendition has decided which segment it falls in.
 */
export class RenditionTrack {
  readonly spec: RenditionSpec
  readonly timescale: number
  /** Number of the log's track, unique in the presentation. */
  readonly trackNumber: number
  readonly isVideo: boolean
  readonly queue: QueuedSample[] = []
  readonly captions: CaptionWatch
  /** The newest sample while it waits for the next. */
  #pending: QueuedSample | undefined
  /** The newest picture in the queue, as long as its duration may still be corrected. */
  #correctable: QueuedSample | undefined
  #lastDtsTicks = Number.NEGATIVE_INFINITY
  #lastDurationTicks = 0
  #newestTicks = Number.NEGATIVE_INFINITY
  #startFloorTicks = 0
  #fragments = 0

  constructor(spec: RenditionSpec, trackNumber: number, timescale: number) {
    this.spec = spec
    this.trackNumber = trackNumber
    this.timescale = timescale
    this.isVideo = spec.config.kind === 'video'
    this.captions = new CaptionWatch(spec.config)
  }

  /** Decode time of the newest sample, 90 kHz. */
  get newestTicks(): number {
    return this.#newestTicks
  }

  /** The log's order: no fragment may be said to start before this (track timescale), whatever the encoder's PTS say. */
  get startFloorTicks(): number {
    return this.#startFloorTicks
  }

  /** The segment in which it began at `startTicks` (track timescale) is over. */
  raiseFloor(startTicks: number): void {
    this.#startFloorTicks = Math.max(this.#startFloorTicks, startTicks + 1)
  }

  /** It takes the place of another track of its rendition, which the log's order goes on from. */
  follow({ startFloorTicks, timescale }: RenditionTrack): void {
    this.raiseFloor(Math.ceil((startFloorTicks / timescale) * this.timescale))
  }

  /** `mfhd`'s sequence number of the track's next fragment, from 1. */
  nextFragmentNumber(): number {
    return ++this.#fragments
  }

  /** False, and nothing is kept, where decode time does not advance, or sound would overlap the sound before it. */
  push(sample: Sample, durationTicks: number | undefined): boolean {
    const { dtsTicks, compositionTicks, independent, data } = sample
    const endTicks = this.#pending ? this.#lastDtsTicks : this.#lastDtsTicks + this.#lastDurationTicks
    const isOverlap = !this.isVideo && dtsTicks < endTicks
    if (dtsTicks <= this.#lastDtsTicks || isOverlap) return false
    this.captions.look(data)
    this.#correct(dtsTicks)
    this.#release()
    this.#pending = {
      dtsTicks,
      compositionTicks,
      independent,
      data,
      durationTicks: durationTicks ?? 0,
      timeTicks: this.#toPresentation(dtsTicks + compositionTicks),
      decodeTicks: this.#toPresentation(dtsTicks),
    }
    this.#lastDtsTicks = dtsTicks
    this.#newestTicks = this.#pending.decodeTicks
    if (durationTicks !== undefined) this.#release()
    return true
  }

  /** No sample follows: the newest one lasts as it was said to, or as long as the one before. */
  flush(): void {
    this.#release()
    this.#correctable = undefined
  }

  /** A picture is seen until the next one; sound lasts as long as it was said to. */
  #correct(nextDtsTicks: number): void {
    const previous = this.#pending ?? (this.isVideo ? this.#correctable : undefined)
    if (!previous) return
    const durationTicks = nextDtsTicks - previous.dtsTicks
    if (durationTicks <= MAX_SAMPLE_SECONDS * this.timescale) previous.durationTicks = durationTicks
  }

  #release(): void {
    const sample = this.#pending
    this.#pending = undefined
    if (!sample) return
    if (sample.durationTicks <= 0) {
      sample.durationTicks = this.#lastDurationTicks || Math.round(this.timescale / FIRST_FRAME_RATE)
    }
    this.#lastDurationTicks = sample.durationTicks
    this.#correctable = sample
    this.queue.push(sample)
  }

  #toPresentation(ticks: number): number {
    return this.timescale === PRESENTATION_TIMESCALE ? ticks : (ticks / this.timescale) * PRESENTATION_TIMESCALE
  }
}
