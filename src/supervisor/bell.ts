import type { Clock } from '../lib/clock.ts'

/** Wakes the one who waits for it; what rang before the wait began is not lost. */
export class Bell {
  readonly #clock: Clock
  readonly #wakers = new Set<() => void>()
  #rings = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How often it has rung: taken before looking around, it tells `wait` whether something has happened since. */
  get rings(): number {
    return this.#rings
  }

  ring(): void {
    this.#rings++
    for (const wake of [...this.#wakers]) wake()
  }

  /** Resolves when it has rung after `heard`, when `limitMs` are over (`undefined`: never), or when the signal aborts. */
  wait(heard: number, limitMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (this.#rings !== heard || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        timer?.cancel()
        this.#wakers.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = limitMs === undefined ? undefined : this.#clock.after(limitMs, wake)
      this.#wakers.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
