import { z } from 'zod'
import { deliveryPolicyRefSchema } from './delivery-policy.ts'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { isReservedGuid } from './key-id.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { nameSchema, timestampSchema } from './scalars.ts'

/** As many as a URL may name. */
const MAX_FILTERS = 3

const settings = {
  name: labels.name.optional(),
  description: labels.description,
  tags: labels.tags,
  kind: z.enum(['onDemand']).default('onDemand').meta({ description: '`onDemand`: through the streaming endpoint.' }),
  assetId: idSchema('asset'),
  deliveryPolicyId: deliveryPolicyRefSchema.optional().meta({
    description:
      'How it delivers, in place of the asset’s own policy: an id, or the name of a predefined policy. Only an admin says so.',
  }),
  start: timestampSchema.optional().meta({ description: 'Not valid before.' }),
  expiry: timestampSchema.optional().meta({ description: 'Not valid from then on; takes effect at once.' }),
  filters: z
    .array(nameSchema)
    .max(MAX_FILTERS)
    .optional()
    .meta({
      description: 'Filters that hold for everything under it, beside those that a URL names.',
      example: ['mobile'],
    }),
}

type Settings = {
  readonly start?: string | undefined
  readonly expiry?: string | undefined
}

function check(value: Settings, context: z.RefinementCtx): void {
  if (value.start && value.expiry && Date.parse(value.expiry) <= Date.parse(value.start)) {
    context.addIssue({ code: 'custom', path: ['expiry'], message: 'must be later than start' })
  }
}

/** What a client states to publish an asset; a locator never changes, it is only revoked by deleting it. */
export const locatorCreateSchema = z
  .strictObject({
    ...settings,
    id: idSchema('locator')
      .refine((guid) => !isReservedGuid(guid), 'GUIDs of version 8 are Headend’s own')
      .optional()
      .meta({ description: 'A GUID chosen in advance, not of version 8; made if not given.' }),
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
