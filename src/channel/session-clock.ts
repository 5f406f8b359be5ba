/** How one step of the encoder's clock is judged. */
export type ClockStep =
  /** Unrolled milliseconds of the session; continues the clock that went before. */
  | { readonly kind: 'steady'; readonly ms: number }
  /** The clock left its course (hours forward, or backwards): what follows needs an anchor of its own. */
  | { readonly kind: 'jump'; readonly ms: number }
  /** A straggler from before the last jump; it has no place on the timeline any more. */
  | { readonly kind: 'straggler' }

const ROLLOVER_MS = 2 ** 32
const HALF_ROLLOVER_MS = 2 ** 31
/** A step this far off what the wall clock says is a jump, not jitter or a stalled network (which wall time explains). */
const JUMP_MS = 2_000
/** So long after a jump something from before it may still be under way; later it is a jump back. */
const STRAGGLING_MS = 2_000

/**
 * Unrolls an encoder's 32-bit millisecond timestamps (rolling over after 49.7 days; RTMP 1.0 §5.3.1.1) and tells a clock
 * that jumped from one that merely paused: when the wall clock moved as far as the timestamps did, nothing jumped.
 */
export class SessionClock {
  #lastMs: number | undefined
  #lastWallMs = 0
  /** The last position on the course that a jump left, and when it did. */
  #abandonedMs: number | undefined
  #jumpedWallMs = 0

  /** How far it has come, unrolled; `undefined` before the first step. */
  get lastMs(): number | undefined {
    return this.#lastMs
  }

  /** `rawMs`: the timestamp as sent, possibly with a fraction. `wallMs`: when it arrived, from a monotonic clock. */
  step(rawMs: number, wallMs: number): ClockStep {
    const last = this.#lastMs
    if (last === undefined) return this.#accept('steady', rawMs, wallMs)
    const deltaMs = unroll(rawMs, last)
    const elapsedMs = wallMs - this.#lastWallMs
    const isBackwards = deltaMs < -JUMP_MS
    const isAhead = deltaMs > JUMP_MS && deltaMs - elapsedMs > JUMP_MS
    if (!isBackwards && !isAhead) return this.#accept('steady', last + deltaMs, wallMs)
    if (this.#isStraggler(rawMs, wallMs)) return { kind: 'straggler' }
    this.#abandonedMs = last
    this.#jumpedWallMs = wallMs
    return this.#accept('jump', last + deltaMs, wallMs)
  }

  #isStraggler(rawMs: number, wallMs: number): boolean {
    if (this.#abandonedMs === undefined || wallMs - this.#jumpedWallMs > STRAGGLING_MS) return false
    return Math.abs(unroll(rawMs, this.#abandonedMs)) < JUMP_MS
  }

  #accept(kind: 'steady' | 'jump', ms: number, wallMs: number): ClockStep {
    // Audio and video interleave with small steps back: the course is the furthest point, not the last one seen.
    this.#lastMs = kind === 'jump' || this.#lastMs === undefined ? ms : Math.max(this.#lastMs, ms)
    this.#lastWallMs = wallMs
    return { kind, ms }
  }
}

/** The signed distance from `fromMs` to the 32-bit timestamp `rawMs`, taking the shorter way round. */
export function unroll(rawMs: number, fromMs: number): number {
  const difference = (((rawMs - fromMs) % ROLLOVER_MS) + ROLLOVER_MS) % ROLLOVER_MS
  return difference >= HALF_ROLLOVER_MS ? difference - ROLLOVER_MS : difference
}
