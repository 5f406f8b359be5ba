import { z } from 'zod'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { nameSchema, timestampSchema } from './scalars.ts'

/** How many filters one URL may name. */
export const MAX_FILTERS_PER_URL = 3

const settings = {
  name: labels.name.optional(),
  description: labels.description,
  tags: labels.tags,
  kind: z
    .enum(['onDemand', 'sas'])
    .default('onDemand')
    .meta({ description: '`onDemand`: through the streaming endpoint. `sas`: the files themselves.' }),
  assetId: idSchema('asset'),
  start: timestampSchema.optional().meta({ description: 'Not valid before.' }),
  expiry: timestampSchema.optional().meta({ description: 'Not valid from then on; takes effect at once.' }),
  permissions: z
    .array(z.enum(['read', 'write', 'list', 'delete']))
    .min(1)
    .max(4)
    .default(['read'])
    .meta({ description: 'More than `read` only for `sas`.' }),
  filters: z
    .array(nameSchema)
    .max(MAX_FILTERS_PER_URL)
    .default([])
    .meta({ description: 'Names of filters that always apply; at most 3.' }),
  deliveryPolicyId: idSchema('delivery-policy').optional().meta({ description: 'Goes before the asset’s.' }),
}

type Settings = {
  readonly kind: string
  readonly permissions: readonly string[]
  readonly start?: string | undefined
  readonly expiry?: string | undefined
}

function check(value: Settings, context: z.RefinementCtx): void {
  const report = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
  if (value.start && value.expiry && Date.parse(value.expiry) <= Date.parse(value.start)) {
    report('expiry', 'must be later than start')
  }
  if (new Set(value.permissions).size < value.permissions.length) report('permissions', 'must not repeat itself')
  if (value.kind === 'onDemand' && value.permissions.some((permission) => permission !== 'read')) {
    report('permissions', 'an onDemand locator gives read only')
  }
}

/** What a client states to publish an asset; a locator never changes, it is only revoked by deleting it. */
export const locatorCreateSchema = z
  .strictObject({
    ...settings,
    id: idSchema('locator').optional().meta({ description: 'A GUID chosen in advance; made if not given.' }),
  })
  .superRefine(check)
  .meta({
    id: 'LocatorCreate',
    description: 'A new locator. It never changes: to revoke it, delete it.',
    example: { id: '6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b', assetId: 'as_4fZ0mTq2LrX8bNcVdKs1Ye' },
  })

/** A locator as it is stored. */
export const locatorSchema = z.strictObject({ ...envelope('locator'), ...owned, ...settings }).superRefine(check)

/** A locator as it is shown. */
export const locatorViewSchema = z
  .strictObject({
    ...envelope('locator'),
    ...owned,
    ...settings,
    status: z.enum(['pending', 'active', 'expired']).meta({ description: 'At the moment of the answer.' }),
  })
  .meta({ id: 'Locator', description: 'Publishes an asset, from start to expiry, until it is deleted.' })

/** A locator as it is stored. */
export type Locator = z.output<typeof locatorSchema>
/** Where a locator stands in time. */
export type LocatorStatus = 'pending' | 'active' | 'expired'

/** A new locator. That its id, where given, is free is for the store to say. */
export function newLocator(
  given: z.output<typeof locatorCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<Locator> {
  return { ...given, id: given.id ?? newId('locator', random), accountId }
}

/** Where a locator stands: valid from `start` on, and no longer at `expiry`. */
export function locatorStatus(locator: Pick<Locator, 'start' | 'expiry'>, nowMs: number): LocatorStatus {
  if (locator.expiry !== undefined && nowMs >= Date.parse(locator.expiry)) return 'expired'
  return locator.start !== undefined && nowMs < Date.parse(locator.start) ? 'pending' : 'active'
}
