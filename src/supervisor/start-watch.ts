import type { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'
import type { Ledger } from './ledger.ts'
import { isStoreDown } from './outage.ts'

const REREAD_MS = 10_000

/**
 * Looks, while a channel is being started, whether it is still wanted: gives true as soon as it isn't, false when the signal
 * aborts. Where that can't be read the start goes on. @throws AppError where the channel in the store is damaged
 */
export async function isCalledOff(
  ledger: Ledger,
  bell: Bell,
  clock: Clock,
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
