import type { Clock } from '../lib/clock.ts'
import type { InputName } from './ports.ts'

/** Whose clock a session's milliseconds are of. */
export type ClockSource = InputName | 'slate'

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
  /** From a session's milliseconds to the epoch's: each input is an encoder with a clock of its own. */
  readonly #offsetMs = new Map<ClockSource, number>()
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
    this.#offsetMs.clear()
  }

  /** How far ahead of now a session would have to begin at least, in ms; negative where the media ends before now. */
  get leadMs(): number {
    return this.#highWaterMs + ONE_FRAME_MS - this.nowMs()
  }

  /**
   * The offset from a session's milliseconds to the epoch's: the one that the input's other layers share where that puts the
   * session near now, else max(when it arrived, high-water mark + one frame). `leftOffsetMs`: what the session had before its
   * clock jumped.
   */
  anchor(
    sessionMs: number,
    leftOffsetMs: number | undefined,
    { input = 'primary', ageMs = 0 }: { readonly input?: ClockSource; readonly ageMs?: number } = {},
  ): number {
    const knownMs = this.#offsetMs.get(input)
    const sharedMs = knownMs === leftOffsetMs ? undefined : knownMs
    if (sharedMs === undefined) this.#epochMs = this.#clock.now() - this.#clock.monotonicMs()
    else if (Math.abs(sessionMs + sharedMs - this.nowMs()) < SHARED_CLOCK_MS) return sharedMs
    const offsetMs = Math.ceil(Math.max(this.nowMs() - ageMs, this.#highWaterMs + ONE_FRAME_MS) - sessionMs)
    if (sharedMs === undefined) this.#offsetMs.set(input, offsetMs)
    return offsetMs
  }
}
