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

/** Ends what somebody else is asked for after so long (`PART_UNRESPONSIVE`), and when `signal` does. */
export function timeLimit(clock: Clock, timeoutMs: number, signal: AbortSignal): TimeLimit {
  const late = new AbortController()
  const timer = clock.after(timeoutMs, () =>
    late.abort(new AppError('PART_UNRESPONSIVE', `it did not answer within ${timeoutMs} ms`)),
  )
  return {
    signal: AbortSignal.any([late.signal, signal]),
    get isOver() {
      return late.signal.aborted
    },
    end: () => timer.cancel(),
  }
}
