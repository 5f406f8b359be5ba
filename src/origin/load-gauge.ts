import type { Clock, Timer } from '../lib/clock.ts'
import type { Stoppable } from '../lib/scope.ts'

const TICK_MS = 50
const TICKS = 3
/** Where every turn is long, two of them say enough. */
const LONG_WINDOW_MS = 250

/**
 * Measures how long whatever is due in this thread has to wait, which is what each request waits for besides its own work. Of a few looks in
 * a row the shortest delay counts: a single long turn is no load.
 */
export class LoadGauge implements Stoppable {
  readonly #clock: Clock
  readonly #measured: (delayMs: number) => void
  #timer: Timer | undefined
  #lastMs = 0
  #windowMs = 0
  #ticks = 0
  #leastMs = Number.POSITIVE_INFINITY

  /** `measured` is told several times a second. */
  constructor(clock: Clock, measured: (delayMs: number) => void) {
    this.#clock = clock
    this.#measured = measured
  }

  start(): void {
    this.#lastMs = this.#clock.monotonicMs()
    this.#timer = this.#clock.every(TICK_MS, () => this.#tick())
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs()
    const passedMs = nowMs - this.#lastMs
    this.#lastMs = nowMs
    this.#windowMs += passedMs
    this.#leastMs = Math.min(this.#leastMs, Math.max(0, passedMs - TICK_MS))
    this.#ticks += 1
    if (this.#ticks < TICKS && (this.#ticks < 2 || this.#windowMs < LONG_WINDOW_MS)) return
    this.#measured(this.#leastMs)
    this.#windowMs = 0
    this.#ticks = 0
    this.#leastMs = Number.POSITIVE_INFINITY
  }
}
