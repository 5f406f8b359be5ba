import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'

/** `work`, or PART_UNRESPONSIVE (503) when it takes longer than `limitMs`: no asker waits for ever on a part that hangs. */
export function withDeadline<T>(clock: Clock, limitMs: number, name: string, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = clock.after(limitMs, () =>
    reject(new AppError('PART_UNRESPONSIVE', `The ${name} did not answer in time.`)),
  )
  work.then(resolve, reject)
  return promise.finally(() => timer.cancel())
}
