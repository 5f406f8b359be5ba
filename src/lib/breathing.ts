import { scheduler } from 'node:timers/promises'

/**
 * Lets everybody else have a turn, in the middle of work that takes long. To be awaited wherever the work has gone on for a few milliseconds.
 * @throws the signal's reason, where nobody wants the work any more
 */
export async function breathe(signal: AbortSignal): Promise<void> {
  await scheduler.yield()
  signal.throwIfAborted()
}
