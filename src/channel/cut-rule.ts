/** Whether a new segment begins at this sample: at a random access point, or by force because none came in time. */
export type Cut = 'clean' | 'forced'

export type CutRuleOptions = {
  /** What a segment should last, 90 kHz. */
  readonly segmentTicks: number
  /** What no segment may pass by half a second or more: EXT-X-TARGETDURATION in 90 kHz (RFC 8216 §4.3.3.1). */
  readonly targetTicks: number
  /** The interval between key frames that the encoder was asked for, 90 kHz; taken until two were seen. */
  readonly keyFrameTicks: number
  /** True where key frames are forced on multiples of the segment duration since the epoch (our own ladder). */
  readonly isOnEpochGrid: boolean
}

const HALF_SECOND_TICKS = 45_000
/** A forced cut leaves room for the reordering of B-frames around it. */
const FORCED_MARGIN_TICKS = 9_000
/** Key frames land on the first frame at or after the instant they were asked for; a frame earlier is rounding. */
const ROUNDING_TICKS = 900

/**
 * Decides where the leading track is cut. On the epoch grid: at the first key frame past each multiple. Otherwise at a
 * key frame when the segment is long enough, or when waiting for the next one would exceed the target (streaming.md, HLS).
 */
export class CutRule {
  readonly #options: CutRuleOptions
  #startTicks: number | undefined
  #lastKeyTicks: number | undefined
  #gopTicks: number

  constructor(options: CutRuleOptions) {
    this.#options = options
    this.#gopTicks = options.keyFrameTicks
  }

  /** Forgets the segment that was open; the next one starts at the next key frame. */
  reset(): void {
    this.#startTicks = undefined
    this.#lastKeyTicks = undefined
  }

  /** `ptsTicks` and `dtsTicks` of the next sample in decoding order, 90 kHz. The first cut starts the first segment. */
  next(sample: {
    readonly ptsTicks: number
    readonly dtsTicks: number
    readonly independent: boolean
  }): Cut | undefined {
    if (sample.independent) {
      if (this.#lastKeyTicks !== undefined) this.#gopTicks = sample.ptsTicks - this.#lastKeyTicks
      this.#lastKeyTicks = sample.ptsTicks
    }
    const cut = this.#judge(sample)
    if (cut) this.#startTicks = sample.ptsTicks
    return cut
  }

  #judge(sample: {
    readonly ptsTicks: number
    readonly dtsTicks: number
    readonly independent: boolean
  }): Cut | undefined {
    const start = this.#startTicks
    if (start === undefined) return sample.independent ? 'clean' : undefined
    const { segmentTicks, targetTicks } = this.#options
    if (sample.independent) {
      const elapsed = sample.ptsTicks - start + ROUNDING_TICKS
      if (this.#options.isOnEpochGrid) return this.#cell(sample.ptsTicks) > this.#cell(start) ? 'clean' : undefined
      return elapsed >= segmentTicks || elapsed + this.#gopTicks > targetTicks + 2 * ROUNDING_TICKS
        ? 'clean'
        : undefined
    }
    const isOverdue = sample.dtsTicks - start >= targetTicks + HALF_SECOND_TICKS - FORCED_MARGIN_TICKS
    return isOverdue ? 'forced' : undefined
  }

  #cell(ptsTicks: number): number {
    return Math.floor((ptsTicks + ROUNDING_TICKS) / this.#options.segmentTicks)
  }
}
