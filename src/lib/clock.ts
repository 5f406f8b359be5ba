import { performance } from 'node:perf_hooks'

/** A timer that has not fired yet. Cancelling twice, or after it fired, does nothing. */
export type Timer = { cancel(): void }

/**
 * The one way to read or to await time. Everything that waits takes one, so that hours run in milliseconds in a test.
 * Callbacks must not throw: a clock has nobody to tell.
 */
export type Clock = {
  /** Wall clock in milliseconds since the Unix epoch; may be stepped by the machine's administrator. */
  now(): number
  /** Milliseconds from an arbitrary origin; never goes back. For measuring how long something took. */
  monotonicMs(): number
  /** Calls `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): Timer
  /** Calls `run` every `periodMs` until cancelled. */
  every(periodMs: number, run: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** The longest delay that a timer of the runtime can hold; a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    let handle: NodeJS.Timeout
    const arm = (leftMs: number) => {
      const laterMs = leftMs - LONGEST_DELAY_MS
      handle = laterMs > 0 ? setTimeout(() => arm(laterMs), LONGEST_DELAY_MS) : setTimeout(run, leftMs)
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
  every(periodMs, run) {
    const handle = setInterval(run, periodMs)
    return { cancel: () => clearInterval(handle) }
  },
  sleep(delayMs, signal) {
    return sleepOn(this, delayMs, signal)
  },
}

type Alarm = { dueMs: number; readonly order: number; readonly periodMs: number | undefined; readonly run: () => void }

/** Time that stands still until a test moves it; timers fire in the order they are due, and in turn where that is equal. */
export class VirtualClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #alarms = new Set<Alarm>()

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#add(delayMs, undefined, run)
  }

  every(periodMs: number, run: () => void): Timer {
    return this.#add(periodMs, periodMs, run)
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  /** Moves time forward by `ms`, firing what falls due on the way; promises get their turn after each alarm. */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#nowMs + ms
    for (let next = this.#next(targetMs); next !== undefined; next = this.#next(targetMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      if (next.periodMs === undefined) this.#alarms.delete(next)
      else next.dueMs += next.periodMs
      next.run()
      await Promise.resolve()
    }
    this.#nowMs = targetMs
    await Promise.resolve()
  }

  #add(delayMs: number, periodMs: number | undefined, run: () => void): Timer {
    const alarm: Alarm = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, periodMs, run }
    this.#alarms.add(alarm)
    return { cancel: () => void this.#alarms.delete(alarm) }
  }

  #next(targetMs: number): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.dueMs > targetMs) continue
      if (!first || alarm.dueMs < first.dueMs || (alarm.dueMs === first.dueMs && alarm.order < first.order))
        first = alarm
    }
    return first
  }
}
