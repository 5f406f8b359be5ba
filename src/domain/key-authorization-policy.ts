import { z } from 'zod'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { CONTENT_KEY_CLAIM } from './key-id.ts'
import { isLicenceDelivery, keyDeliveries } from './key-refusal.ts'
import { type Id, newId, type RandomBytes } from './kinds.ts'
import { licenceServerSchema } from './licence-server.ts'
import { patchOf } from './merge-patch.ts'
import { addressListSchema, httpUrlSchema } from './scalars.ts'
import { verificationKeySchema } from './verification-key.ts'

const token = z
  .strictObject({
    kind: z.literal('token'),
    tokenType: z
      .enum(['jwt', 'swt'])
      .default('jwt')
      .meta({ description: '`swt`: simple web tokens of old clients, signed with a symmetric key (HMAC-SHA-256).' }),
    issuer: z.string().min(1).max(512),
    audience: z.string().min(1).max(512),
    primaryKey: verificationKeySchema.optional(),
    alternateKeys: z.array(verificationKeySchema).max(8).default([]),
    requiredClaims: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(256),
          value: z.string().max(1_024).optional().meta({ description: 'If not given, any value will do.' }),
        }),
      )
      .max(32)
      .default([])
      .meta({ description: `The claim ${CONTENT_KEY_CLAIM}, where required, must equal the key id.` }),
    jwksUrl: httpUrlSchema.optional(),
    openIdDiscoveryUrl: httpUrlSchema.optional(),
  })
  .refine(({ primaryKey, jwksUrl, openIdDiscoveryUrl }) => primaryKey ?? jwksUrl ?? openIdDiscoveryUrl, {
    path: ['primaryKey'],
    message: 'a key, a JWKS URL or an OpenID discovery URL is needed to verify tokens',
  })
  .refine(({ tokenType, primaryKey }) => tokenType === 'jwt' || primaryKey?.kind === 'symmetric', {
    path: ['primaryKey'],
    message: 'simple web tokens need a symmetric key',
  })

const restriction = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('open') }),
  token,
  z.strictObject({ kind: z.literal('ip'), allowIp: addressListSchema.min(1) }),
])

const settings = {
  ...labels,
  options: z
    .array(
      z
        .strictObject({
          name: z.string().max(128).optional(),
          delivery: z.enum(keyDeliveries),
          restriction,
          licenceServer: licenceServerSchema.optional(),
        })
        .refine(({ delivery, licenceServer }) => !licenceServer || isLicenceDelivery(delivery), {
          path: ['licenceServer'],
          message: 'only licences of Widevine, PlayReady and FairPlay are a server’s to make',
        }),
    )
    .min(1)
    .max(16)
    .meta({ description: 'Any one that is met gives the key, by its kind of delivery.' }),
}

const example = { name: 'anybody', options: [{ delivery: 'clearkey', restriction: { kind: 'open' } }] }

/** What a client states to make a policy. */
export const keyAuthorizationPolicyCreateSchema = z
  .strictObject(settings)
  .meta({ id: 'KeyAuthorizationPolicyCreate', description: 'A new key authorisation policy.', example })

/** What may change of a policy. */
export const keyAuthorizationPolicyPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'KeyAuthorizationPolicyPatch',
  description: 'A merge patch of a key authorisation policy.',
  example: { options: example.options },
})

/** Who gets a content key, and how. Holds symmetric keys: only to be shown to who may read it at all. */
export const keyAuthorizationPolicySchema = z
  .strictObject({ ...envelope('key-authorization-policy'), ...owned, ...settings })
  .meta({ id: 'KeyAuthorizationPolicy', description: 'Who gets a content key, and how.' })

/** A key authorisation policy as it is stored. */
export type KeyAuthorizationPolicy = z.output<typeof keyAuthorizationPolicySchema>
/** One way to get a key: a kind of delivery, and what has to be shown for it. */
export type KeyOption = KeyAuthorizationPolicy['options'][number]
/** What a token has to be. */
export type TokenRestriction = Extract<KeyOption['restriction'], { readonly kind: 'token' }>

/** A new policy. */
export function newKeyAuthorizationPolicy(
  given: z.output<typeof keyAuthorizationPolicyCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<KeyAuthorizationPolicy> {
  return { ...given, id: newId('key-authorization-policy', random), accountId }
}
