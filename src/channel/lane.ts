import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { QueuedSample, RenditionTrack } from './rendition-track.ts'
import type { SegmentAssembly } from './segment-assembly.ts'

/** A key frame lands on the same instant in every rendition, give or take the rounding of timestamps. */
const ROUNDING_TICKS = 900
/** However a rendition is heard, the others wait for no more media than this. */
const MAX_SKEW_TICKS = 30 * PRESENTATION_TIMESCALE

/** A rendition's way through the segments, one after the other. */
export class Lane {
  readonly track: RenditionTrack
  /** The segment it fills. Video that is in none needs a key frame to get into one. */
  at: SegmentAssembly | undefined
  /** The first segment it may appear in. */
  joinSequence: number
  /** Segments went out that it could have been in, and the log has nothing of it yet. */
  hasMissedStart = false
  /** Where the furthest rendition was when this one was last heard, and where this one was itself; 90 kHz. */
  #heardAtTicks: number
  #reachedTicks: number

  constructor(track: RenditionTrack, joinSequence: number, furthestTicks: number) {
    this.track = track
    this.joinSequence = joinSequence
    this.#heardAtTicks = furthestTicks
    this.#reachedTicks = furthestTicks
  }

  /** It has brought a sample that reaches to `ticks`. */
  heard(furthestTicks: number, ticks: number): void {
    this.#heardAtTicks = furthestTicks
    this.#reachedTicks = ticks
  }

  /**
   * Whether the others should go on without it: they moved on by `patienceTicks` with nothing of it. That it is behind by a constant
   * amount, as an encoder with look-ahead is, is no reason, up to a limit.
   */
  isSilent(furthestTicks: number, patienceTicks: number): boolean {
    return furthestTicks - this.#heardAtTicks > patienceTicks || furthestTicks - this.#reachedTicks > MAX_SKEW_TICKS
  }

  /** Its last fragment in the present segment is written, and it goes on to another, or out of all. */
  pass(next: SegmentAssembly | undefined): void {
    this.at?.finish(this.track)
    this.at = next
  }

  /** Whether `sample` is the one with which this rendition, which follows the leading one, goes over to `next`. */
  opens(next: SegmentAssembly, sample: QueuedSample, targetTicks: number): boolean {
    const { startTicks, audioFromTicks, cut } = next.head
    if (!this.track.isVideo) {
      const halfFrameTicks = ((sample.durationTicks / this.track.timescale) * PRESENTATION_TIMESCALE) / 2
      return sample.timeTicks >= audioFromTicks - halfFrameTicks
    }
    if (sample.independent && sample.timeTicks >= startTicks - ROUNDING_TICKS) return true
    const isInStream = this.at !== undefined
    const isForced = cut === 'forced' && sample.decodeTicks >= startTicks - ROUNDING_TICKS
    const isOverdue = sample.decodeTicks - startTicks > targetTicks
    return isInStream && (isForced || isOverdue)
  }
}
