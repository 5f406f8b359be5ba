import type { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Ledger } from './ledger.ts'
import { isStoreDown } from './outage.ts'

const REREAD_MS = 10_000

/** Where it is seen whether a channel is still wanted. */
export type StartWatchPorts = {
  readonly ledger: Ledger
  /** Rings when something of the channel was written. */
  readonly bell: Bell
  readonly clock: Clock
  /** Told where the channel in the store is damaged. */
  readonly failed: (error: unknown) => void
}

/** Starts a channel by `start`, whose signal aborts as soon as the channel is not wanted any more. Where that can't be read the start goes on. */
export async function startWatched(
  ports: StartWatchPorts,
  channelId: string,
  start: (unwanted: AbortSignal) => Promise<void>,
): Promise<void> {
  const unwanted = new AbortController()
  const ended = new AbortController()
  const watching = isCalledOff(ports, channelId, ended.signal).then(
    (isOff) => isOff && unwanted.abort(new AppError('STOPPED', 'The channel is not wanted any more.')),
    (error: unknown) => ports.failed(error),
  )
  try {
    await start(unwanted.signal)
  } finally {
    ended.abort()
    await watching
  }
}

/** Gives true as soon as the channel isn't wanted any more, false when the signal aborts. @throws AppError where the channel in the store is damaged */
async function isCalledOff(
  { ledger, bell, clock }: StartWatchPorts,
  channelId: string,
  ended: AbortSignal,
): Promise<boolean> {
  while (!ended.aborted) {
    const heard = bell.rings
    const isUnknown = await ledger.find('channel', channelId).then(
      (channel) => (channel?.state === 'Starting' ? false : undefined),
      (error: unknown) => {
        if (isStoreDown(error)) return true
        throw error
      },
    )
    if (isUnknown === undefined) return true
    await bell.wait(heard, clock, isUnknown ? REREAD_MS : undefined, ended)
  }
  return false
}
