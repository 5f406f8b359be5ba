import { z } from 'zod'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
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
/** All of them. */
export const protocols = Object.keys(protectionsOf) as readonly Protocol[]
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
    .meta({
      description:
        'Where players get licences; written into manifests, and may name {kid}, {kidHex}, {kidBase64}, {keyId}, {assetId} and {accountId}.',
    }),
  keyRotationPeriod: durationSchema(
    10_000,
    86_400_000,
    'A new key each period, live; needed where content keys of an asset rotate. PT1M at least where a key provider gives the keys of periods.',
    600_000,
  ).optional(),
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

/** A new policy. */
export function newDeliveryPolicy(
  given: z.output<typeof deliveryPolicyCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<DeliveryPolicy> {
  return { ...given, id: newId('delivery-policy', random), accountId }
}

const clear = ['clear'] as const
const streamed = { hls: clear, dash: clear, smooth: clear } as const

/**
 * Azure Media Services' predefined streaming policies, under the names by which they were known. What a protocol is not listed
 * with there is blocked here too.
 */
export const predefinedPolicies = {
  Predefined_ClearKey: { hls: ['envelope'], dash: ['envelope'], smooth: ['envelope'], progressive: 'blocked' },
  Predefined_ClearStreamingOnly: { ...streamed, progressive: 'blocked' },
  Predefined_DownloadAndClearStreaming: { ...streamed, progressive: clear },
  Predefined_DownloadOnly: { hls: 'blocked', dash: 'blocked', smooth: 'blocked', progressive: clear },
  Predefined_MultiDrmCencStreaming: { hls: 'blocked', dash: ['cenc'], smooth: ['cenc'], progressive: 'blocked' },
  Predefined_MultiDrmStreaming: { hls: ['cbcs'], dash: ['cenc'], smooth: ['cenc'], progressive: 'blocked' },
} as const satisfies Readonly<
  Record<string, { readonly [P in Protocol]: 'blocked' | readonly (typeof protectionsOf)[P][number][] }>
>

const predefinedNames = Object.keys(predefinedPolicies) as (keyof typeof predefinedPolicies)[]

/** What names a delivery policy: its id, or the name of a predefined one. */
export const deliveryPolicyRefSchema = z.union([idSchema('delivery-policy'), z.enum(predefinedNames)]).meta({
  description: `The id of a delivery policy, or a predefined one: ${predefinedNames.map((name) => `\`${name}\``).join(', ')}.`,
  example: 'Predefined_ClearKey',
})

/** Whether it names a policy that comes with the program, and is in no store. */
export function isPredefinedPolicy(ref: string): ref is keyof typeof predefinedPolicies {
  return Object.hasOwn(predefinedPolicies, ref)
}

/** What a protocol may be asked for: without a policy, all in the clear; with any, what it lists, and nothing is blocked. */
export function deliveriesOf(
  policy: { readonly protocols: { readonly [P in Protocol]: 'blocked' | readonly Protection[] } } | undefined,
  protocol: Protocol,
): readonly Protection[] {
  if (policy === undefined) return ['clear']
  const listed = policy.protocols[protocol]
  return listed === 'blocked' ? [] : listed
}
