import { z } from 'zod'
import { contentKeySchema } from './content-key.ts'
import { type Draft, envelope, owned } from './envelope.ts'
import { type Id, idSchema } from './kinds.ts'

/**
 * The key that a provider gave for a period of one that rotates, as it is stored: its id is the period's KID. It stays as long as the content key does:
 * what was recorded under it is to play when its provider has long forgotten it.
 */
export const periodKeySchema = z.strictObject({
  ...envelope('period-key'),
  ...owned,
  contentKeyId: idSchema('content-key'),
  signalling: contentKeySchema.shape.signalling,
  sealedValue: contentKeySchema.shape.sealedValue,
  masterKeyId: contentKeySchema.shape.masterKeyId,
})

/** The key of a period, as it is stored. */
export type PeriodKey = z.output<typeof periodKeySchema>

/** A new one; `id` is the KID. */
export function newPeriodKey(
  facts: Omit<Draft<PeriodKey>, 'id' | 'accountId' | 'contentKeyId'> & {
    readonly id: string
    readonly accountId: string
    readonly contentKeyId: string
  },
): Draft<PeriodKey> {
  const { id, accountId, contentKeyId, ...rest } = facts
  return {
    ...rest,
    id: id as Id<'period-key'>,
    accountId: accountId as Id<'account'>,
    contentKeyId: contentKeyId as Id<'content-key'>,
  }
}
