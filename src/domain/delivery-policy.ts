import { z } from 'zod'
import { envelope, labels, owned } from './envelope.ts'
import { patchOf } from './merge-patch.ts'
import { durationSchema, httpUrlSchema } from './scalars.ts'

const protectionsOf = {
  hls: ['clear', 'envelope', 'cenc', 'cbcs'],
  dash: ['clear', 'envelope', 'cenc', 'cbcs'],
  smooth: ['clear', 'envelope', 'cenc'],
  progressive: ['clear'],
} as const

/** How a streaming endpoint hands media out. */
export type Protocol = keyof typeof protectionsOf
/** How what is handed out is protected. */
export type Protection = (typeof protectionsOf)[Protocol][number]

const allowed = <const P extends Protection>(protections: readonly [P, ...P[]]) =>
  z
    .union([z.literal('blocked'), z.array(z.enum(protections)).min(1).max(protections.length)])
    .default('blocked')
    .meta({ description: 'What may be asked for; a protocol that is not listed is blocked.', example: ['clear'] })

const settings = {
  ...labels,
  protocols: z
    .strictObject({
      hls: allowed(protectionsOf.hls),
      dash: allowed(protectionsOf.dash),
      smooth: allowed(protectionsOf.smooth),
      progressive: allowed(protectionsOf.progressive),
    })
    .prefault({}),
  licenceUrls: z
    .strictObject({
      widevine: httpUrlSchema.optional(),
      playready: httpUrlSchema.optional(),
      fairplay: httpUrlSchema.optional(),
      clearkey: httpUrlSchema.optional(),
    })
    .prefault({})
    .meta({ description: 'Where players get licences; written into manifests.' }),
  keyRotationPeriod: durationSchema(10_000, 86_400_000, 'A new key each period, live.', 600_000).optional(),
}

const example = { name: 'drm', protocols: { hls: ['cbcs'], dash: ['cenc', 'cbcs'] } }

/** What a client states to make a policy. */
export const deliveryPolicyCreateSchema = z
  .strictObject(settings)
  .meta({ id: 'DeliveryPolicyCreate', description: 'A new delivery policy.', example })

/** What may change of a policy. */
export const deliveryPolicyPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'DeliveryPolicyPatch',
  description: 'A merge patch of a delivery policy.',
  example: { protocols: { smooth: ['cenc'] } },
})

/** How an asset may be delivered. */
export const deliveryPolicySchema = z
  .strictObject({ ...envelope('delivery-policy'), ...owned, ...settings })
  .meta({ id: 'DeliveryPolicy', description: 'How an asset may be delivered. Protocols it does not list are blocked.' })

/** A delivery policy as it is stored and shown. */
export type DeliveryPolicy = z.output<typeof deliveryPolicySchema>

/** What a protocol may be asked for: without a policy, all in the clear; with any, what it lists, and nothing is blocked. */
export function deliveriesOf(
  policy: Pick<DeliveryPolicy, 'protocols'> | undefined,
  protocol: Protocol,
): readonly Protection[] {
  if (policy === undefined) return ['clear']
  const listed = policy.protocols[protocol]
  return listed === 'blocked' ? [] : listed
}
