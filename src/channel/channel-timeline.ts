import type { Clock } from '../lib/clock.ts'

/** A session whose shared offset puts it this near to now publishes from the same clock as the others. */
const SHARED_CLOCK_MS = 3_000
const ONE_FRAME_MS = 40

/**
 * The channel's place in time: where its media stands on the epoch, shared by all its layers, so that encoders which
 * publish side by side from one clock stay side by side.
 */
export class ChannelTimeline {
  readonly #clock: Clock
  #highWaterMs: number
  #filledUntilMs = 0
  /** From a session's milliseconds to the epoch's. */
  #offsetMs: number | undefined
  /** From the monotonic clock to the epoch. */
  #epochMs: number

  constructor(clock: Clock, highWaterMs: number) {
    this.#clock = clock
    this.#highWaterMs = highWaterMs
    this.#epochMs = clock.now() - clock.monotonicMs()
  }

  /**
   * Now, ms since the epoch: the wall clock as it was when the present stretch was anchored, carried on by the monotonic one. A
   * step of the machine's clock shows at the next anchor, not in the middle of media or of gaps.
   */
  nowMs(): number {
    return this.#epochMs + this.#clock.monotonicMs()
  }

  /** End of everything that was ever placed (ms since the epoch): nothing is anchored before it. */
  get highWaterMs(): number {
    return this.#highWaterMs
  }

  /** Up to here the absence of media was written down as gaps: what is older has no place any more. */
  get filledUntilMs(): number {
    return this.#filledUntilMs
  }

  /** Media was placed that ends at `epochMs`. */
  raise(epochMs: number): void {
    if (epochMs > this.#highWaterMs) this.#highWaterMs = epochMs
  }

  /** Gaps were written that end at `epochMs`. */
  fill(epochMs: number): void {
    if (epochMs > this.#filledUntilMs) this.#filledUntilMs = epochMs
    this.raise(epochMs)
  }

  /** No layer is left: the next session anchors anew, on the wall clock. */
  release(): void {
    this.#offsetMs = undefined
  }

  /**
   * The offset from a session's milliseconds to the epoch's: the one that the other layers share where that puts the session
   * near now, else max(now, high-water mark + one frame). `leftOffsetMs`: what the session had before its clock jumped.
   */
  anchor(sessionMs: number, leftOffsetMs: number | undefined): number {
    const sharedMs = this.#offsetMs === leftOffsetMs ? undefined : this.#offsetMs
    if (sharedMs === undefined) this.#epochMs = this.#clock.now() - this.#clock.monotonicMs()
    else if (Math.abs(sessionMs + sharedMs - this.nowMs()) < SHARED_CLOCK_MS) return sharedMs
    const offsetMs = Math.ceil(Math.max(this.nowMs(), this.#highWaterMs + ONE_FRAME_MS) - sessionMs)
    if (sharedMs === undefined) this.#offsetMs = offsetMs
    return offsetMs
  }
}
