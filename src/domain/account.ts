import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { type Draft, envelope, labels } from './envelope.ts'
import { newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import type { Role } from './permissions.ts'

const count = (description: string, standard: number, max: number, min = 0) =>
  z.int().min(min).max(max).default(standard).meta({ description, example: standard })

const quotas = z
  .strictObject({
    channels: count('Channels that may exist.', 100, 10_000),
    runningChannels: count('Channels that may run at once.', 20, 10_000),
    programsPerChannel: count('Programs that may run at once on one channel.', 16, 1_000, 3),
    assets: count('Assets that may exist.', 100_000, 10_000_000),
    locators: count('Locators that may exist.', 1_000_000, 100_000_000),
    filters: count('Filters that may exist, of the account and of assets.', 1_000, 10_000),
    eventSubscriptions: count('Event subscriptions that may exist.', 32, 1_000),
    credentials: count('Credentials that may exist.', 256, 10_000, 1),
  })
  .meta({ description: 'What the account may use at most; only `system` changes it.' })

const settings = {
  ...labels,
  quotas: quotas.prefault({}),
}

const example = { name: 'studio', description: 'Studio A', quotas: { runningChannels: 4 } }

/** What `system` states to make an account. */
export const accountCreateSchema = z
  .strictObject(settings)
  .meta({ id: 'AccountCreate', description: 'A new account.', example })

/** What may change of an account. */
export const accountPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'AccountPatch',
  description: 'A merge patch of an account.',
  example: { description: 'Studio B' },
})

/** An account: everything else belongs to one, and nothing leaks from one to another. */
export const accountSchema = z
  .strictObject({ ...envelope('account'), ...settings })
  .meta({ id: 'Account', description: 'Owns everything else; nothing leaks from one account to another.' })

/** An account as it is stored and shown. */
export type Account = z.output<typeof accountSchema>
/** What an account may use at most. */
export type Quota = keyof Account['quotas']

/** A new account. */
export function newAccount(given: z.output<typeof accountCreateSchema>, random: RandomBytes): Draft<Account> {
  return { id: newId('account', random), ...given }
}

/**
 * What an account may use is not for itself to say.
 *
 * @throws AppError `PERMISSION_DENIED` where another role than `system` changes quotas.
 */
export function assertAccountChange(role: Role, current: Account, next: Account): void {
  if (role === 'system' || JSON.stringify(current.quotas) === JSON.stringify(next.quotas)) return
  const problems = [{ pointer: '/quotas', detail: 'only the system credential changes this' }]
  throw new AppError('PERMISSION_DENIED', 'Only the system credential changes quotas.', { details: { problems } })
}

/**
 * Room for one more.
 *
 * @throws AppError `QUOTA_EXCEEDED`, with `details.quota` and `details.limit`.
 */
export function assertQuota(account: Account, quota: Quota, used: number): void {
  const limit = account.quotas[quota]
  if (used < limit) return
  throw new AppError('QUOTA_EXCEEDED', `The account's quota of ${quota} is ${limit}, and ${used} are in use.`, {
    details: { quota, limit, used },
  })
}
