import type { CallLimits } from '../domain/entity-store.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'

/** What is known of a write that failed; a read counts as not applied. */
export type Outcome = 'not-applied' | 'unknown'

/** The store can't be used now, or not in time. */
export function storeDown(problem: string, outcome: Outcome, cause?: unknown): AppError {
  return new AppError('STORE_DOWN', `the store ${problem}`, { cause, details: { outcome } })
}

/** The call comes after `stop`. */
export function storeStopped(): AppError {
  return new AppError('STOPPED', 'the store is stopped')
}

/** Calls `onExpired` once, when the time is over or the signal aborts, whichever is first; not after `cancel`. */
export function startDeadline(
  clock: Pick<Clock, 'after'>,
  limits: CallLimits & { readonly timeoutMs: number },
  onExpired: (problem: string, cause: unknown) => void,
): { cancel(): void } {
  const { signal, timeoutMs } = limits
  const cancel = () => {
    timer.cancel()
    signal?.removeEventListener('abort', onAbort)
  }
  const onAbort = () => {
    cancel()
    onExpired('was not waited for any longer', signal?.reason)
  }
  const timer = clock.after(timeoutMs, () => {
    cancel()
    onExpired(`did not answer within ${timeoutMs} ms`, undefined)
  })
  signal?.addEventListener('abort', onAbort, { once: true })
  return { cancel }
}

/** The budget of calls that wait, in number and bytes. */
export class Admission {
  readonly #maxCalls: number
  readonly #maxBytes: number
  #calls = 0
  #bytes = 0

  constructor(maxCalls: number, maxBytes: number) {
    this.#maxCalls = maxCalls
    this.#maxBytes = maxBytes
  }

  get calls(): number {
    return this.#calls
  }

  /** Gives a function that gives the room back, to be called once. @throws AppError `STORE_DOWN` where there is none */
  enter(sizeBytes: number): () => void {
    const isFull = this.#calls >= this.#maxCalls || (this.#calls > 0 && this.#bytes + sizeBytes > this.#maxBytes)
    if (isFull) throw storeDown(`has ${this.#calls} calls waiting and takes no more`, 'not-applied')
    this.#calls++
    this.#bytes += sizeBytes
    return () => {
      this.#calls--
      this.#bytes -= sizeBytes
    }
  }
}
