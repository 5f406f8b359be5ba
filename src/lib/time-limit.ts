import type { Clock } from './clock.ts'
import { AppError } from './errors.ts'

/** A limit that has begun. */
export type TimeLimit = {
  /** Aborted when the time is over, or when what it belongs to ends. */
  readonly signal: AbortSignal
  /** Whether the time was over before `end`. */
  readonly isOver: boolean
  /** To be called when what is limited has come to its end. */
  end(): void
}

/** Ends what somebody else is asked for after so long, with `reason` (`PART_UNRESPONSIVE` unless given), and when `signal` does. */
export function timeLimit(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  reason = new AppError('PART_UNRESPONSIVE', `it did not answer within ${timeoutMs} ms`),
): TimeLimit {
  const late = new AbortController()
  const timer = clock.after(timeoutMs, () => late.abort(reason))
  return {
    signal: signal ? AbortSignal.any([late.signal, signal]) : late.signal,
    get isOver() {
      return late.signal.aborted
    },
    end: () => timer.cancel(),
  }
}

/** `work`, or `PART_UNRESPONSIVE` (503) that says `late` when it takes longer: no asker waits for ever on a part that hangs. What it does goes on. */
export function inTime<T>(clock: Clock, limitMs: number, late: string, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = clock.after(limitMs, () => reject(new AppError('PART_UNRESPONSIVE', late)))
  work.then(resolve, reject)
  return promise.finally(() => timer.cancel())
}
