import type { Clock } from './clock.ts'

/** Wakes who waits for something that happens now and then in this process. */
export class Bell {
  readonly #wakers = new Set<() => void>()
  #rings = 0

  /** How often it has rung: taken before a reading, it tells `wait` whether something has happened since. */
  get rings(): number {
    return this.#rings
  }

  ring(): void {
    this.#rings++
    for (const wake of [...this.#wakers]) wake()
  }

  /** Resolves when it has rung after `heard`, after `timeoutMs` (never, without), or when the signal aborts, whichever is first. */
  wait(heard: number, clock: Clock, timeoutMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (this.#rings !== heard || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        timer?.cancel()
        this.#wakers.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = timeoutMs === undefined ? undefined : clock.after(timeoutMs, wake)
      this.#wakers.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
