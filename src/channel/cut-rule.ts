import { gridNumber } from '../presentation/epoch-grid.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'

/** Whether a new segment begins at this sample: at a random access point, or by force because none came in time. */
export type Cut = 'clean' | 'forced'

/** What decides where segments begin. */
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

/** A sample of the leading track, in decoding order; 90 kHz. */
export type CutCandidate = {
  readonly ptsTicks: number
  readonly dtsTicks: number
  readonly durationTicks: number
  readonly sizeBytes: number
  /** A segment may start with it. */
  readonly independent: boolean
}

const HALF_SECOND_TICKS = 45_000
/** Key frames land on the first frame at or after the instant they were asked for; a frame earlier is rounding. */
const ROUNDING_TICKS = 900
/** A segment of this size is cut whatever its times say: an encoder's clock may stand still while its pictures go on. */
const MAX_SEGMENT_BYTES = 128 * 1024 * 1024

/**
 * Decides where the leading track is cut. On the epoch grid: at the first key frame past each multiple. Otherwise at a
 * key frame when the segment is long enough, or when waiting for the next one would exceed the target (streaming.md, HLS).
 */
export class CutRule {
  readonly #options: CutRuleOptions
  /** PTS and DTS of the open segment's first sample. */
  #start: { readonly ptsTicks: number; readonly dtsTicks: number } | undefined
  #sizeBytes = 0
  #lastKeyTicks: number | undefined
  /** The longer of the last two distances between key frames: a scene cut's short one says nothing about the next. */
  #gopTicks: number
  #lastGopTicks = 0
  #isHurried = false

  constructor(options: CutRuleOptions) {
    this.#options = options
    this.#gopTicks = options.keyFrameTicks
  }

  /** Forgets the segment that was open, and the encoder's habits; the next one starts at the next key frame. */
  reset(): void {
    this.#start = undefined
    this.#sizeBytes = 0
    this.#lastKeyTicks = undefined
    this.#gopTicks = this.#options.keyFrameTicks
    this.#lastGopTicks = 0
    this.#isHurried = false
  }

  /** The segment that is open ends at the next key frame, however short it is. */
  hurry(): void {
    this.#isHurried = true
  }

  /** Takes each sample once. The first cut starts the first segment. */
  next(sample: CutCandidate): Cut | undefined {
    if (sample.independent) this.#measureGop(sample.ptsTicks)
    const cut = sample.independent ? this.#judgeKeyFrame(sample.ptsTicks) : this.#judgeOther(sample)
    if (cut) {
      this.#start = sample
      this.#sizeBytes = 0
      this.#isHurried = false
    }
    this.#sizeBytes += sample.sizeBytes
    return cut
  }

  #measureGop(ptsTicks: number): void {
    if (this.#lastKeyTicks !== undefined) {
      const gopTicks = ptsTicks - this.#lastKeyTicks
      this.#gopTicks = Math.max(gopTicks, this.#lastGopTicks)
      this.#lastGopTicks = gopTicks
    }
    this.#lastKeyTicks = ptsTicks
  }

  #judgeKeyFrame(ptsTicks: number): Cut | undefined {
    if (!this.#start || this.#isHurried) return 'clean'
    const startTicks = this.#start.ptsTicks
    const { segmentTicks, targetTicks, isOnEpochGrid } = this.#options
    if (isOnEpochGrid) return this.#cell(ptsTicks) > this.#cell(startTicks) ? 'clean' : undefined
    const elapsedTicks = ptsTicks - startTicks + ROUNDING_TICKS
    const isLongEnough = elapsedTicks >= segmentTicks
    const wouldPassTarget = elapsedTicks + this.#gopTicks > targetTicks + 2 * ROUNDING_TICKS
    return isLongEnough || wouldPassTarget ? 'clean' : undefined
  }

  #judgeOther({ dtsTicks, durationTicks, sizeBytes }: CutCandidate): Cut | undefined {
    if (!this.#start) return undefined
    const lengthTicks = dtsTicks + durationTicks - this.#start.dtsTicks
    const isOverdue = lengthTicks >= this.#options.targetTicks + HALF_SECOND_TICKS
    return isOverdue || this.#sizeBytes + sizeBytes > MAX_SEGMENT_BYTES ? 'forced' : undefined
  }

  #cell(ptsTicks: number): number {
    return gridNumber(ptsTicks, (this.#options.segmentTicks / PRESENTATION_TIMESCALE) * 1_000)
  }
}
