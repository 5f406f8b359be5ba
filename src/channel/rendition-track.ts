import type { FragmentSample } from '../media/cmaf/fragment.ts'
import type { CodecConfig, Sample } from '../media/media.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'

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

/** A sample whose duration is known, waiting for its segment; `timeTicks` and `decodeTicks` are on the 90 kHz clock. */
export type QueuedSample = FragmentSample & {
  readonly dtsTicks: number
  readonly timeTicks: number
  readonly decodeTicks: number
}

/** The longest that one sample may be said to last; what is longer is a hole, and holes belong between segments. */
const MAX_SAMPLE_SECONDS = 10

/**
 * One rendition on its way into segments. A sample waits here until the next one tells how long it lasts, and then until
 * the leading track has decided which segment it falls in.
 */
export class RenditionTrack {
  readonly spec: RenditionSpec
  readonly timescale: number
  /** Number of the log's track, unique in the presentation. */
  readonly trackNumber: number
  readonly queue: QueuedSample[] = []
  #newest: Sample | undefined
  #lastDurationTicks = 0
  #newestTicks = Number.NEGATIVE_INFINITY

  constructor(spec: RenditionSpec, trackNumber: number, timescale: number) {
    this.spec = spec
    this.trackNumber = trackNumber
    this.timescale = timescale
  }

  get isVideo(): boolean {
    return this.spec.config.kind === 'video'
  }

  /** Decode time of the newest sample, 90 kHz. */
  get newestTicks(): number {
    return this.#newestTicks
  }

  /** `durationTicks`, where the source knows it, spares waiting for the next sample. */
  push(sample: Sample, durationTicks: number | undefined): void {
    this.#release(sample.dtsTicks)
    this.#newest = sample
    this.#newestTicks = this.#toPresentation(sample.dtsTicks)
    if (durationTicks !== undefined) this.#enqueue(durationTicks)
  }

  /** No sample follows: the newest one lasts as long as the one before. */
  flush(): void {
    if (this.#newest) this.#enqueue(this.#lastDurationTicks || Math.round(this.timescale / 30))
  }

  #release(nextDtsTicks: number): void {
    if (!this.#newest) return
    const durationTicks = nextDtsTicks - this.#newest.dtsTicks
    const isHole = durationTicks > MAX_SAMPLE_SECONDS * this.timescale
    this.#enqueue(isHole ? this.#lastDurationTicks : durationTicks)
  }

  #enqueue(durationTicks: number): void {
    const sample = this.#newest
    if (!sample) return
    this.#newest = undefined
    this.#lastDurationTicks = Math.max(1, durationTicks)
    this.queue.push({
      durationTicks: this.#lastDurationTicks,
      compositionTicks: sample.compositionTicks,
      independent: sample.independent,
      data: sample.data,
      dtsTicks: sample.dtsTicks,
      timeTicks: this.#toPresentation(sample.dtsTicks + sample.compositionTicks),
      decodeTicks: this.#toPresentation(sample.dtsTicks),
    })
  }

  #toPresentation(ticks: number): number {
    return this.timescale === PRESENTATION_TIMESCALE ? ticks : (ticks / this.timescale) * PRESENTATION_TIMESCALE
  }
}
