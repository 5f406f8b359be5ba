import type { Change } from '../domain/entity-store.ts'
import type { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'

/** What a watch reads: the changes after a sequence, and up to where the feed is pruned. */
type ChangeReader = (
  since: number,
  signal: AbortSignal,
) => Promise<{ readonly changes: readonly Change[]; readonly prunedThrough: number }>

type Watch = {
  readonly read: ChangeReader
  /** Rung by the writes of this process; those of others are found by asking now and then. */
  readonly bell: Bell
  readonly clock: Clock
  readonly pollMs: number
  readonly signal: AbortSignal
}

/** The feed from `since` on, as `EntityStore.watch` promises it. */
export async function* watchChanges(watch: Watch, since: number): AsyncGenerator<readonly Change[]> {
  const { bell, clock, pollMs, signal } = watch
  let position = since
  while (!signal.aborted) {
    const heard = bell.rings
    const found = await readUnlessDown(watch, position)
    if (signal.aborted) return
    if (found && found.prunedThrough > position) {
      const message = `changes after ${position} are pruned up to ${found.prunedThrough}: list again`
      throw new AppError('CHANGES_GONE', message, { details: { position, prunedThrough: found.prunedThrough } })
    }
    const last = found?.changes.at(-1)
    if (found && last) {
      position = last.sequence
      yield found.changes
    } else await bell.wait(heard, clock, pollMs, signal)
  }
}

/** Undefined while the store is down: the feed goes on where it is when it is back. */
async function readUnlessDown({ read, signal }: Watch, position: number) {
  try {
    return await read(position, signal)
  } catch (error) {
    if (signal.aborted || (error instanceof AppError && error.code === 'STORE_DOWN')) return undefined
    throw error
  }
}
