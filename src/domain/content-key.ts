import { z } from 'zod'
import { drmSignallingSchema } from './drm-signalling.ts'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { isReservedGuid, periodKeyId } from './key-id.ts'
import { type Id, idSchema, newGuid, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { keyTracks } from './track-keys.ts'

const { name, ...about } = labels

const changeable = {
  ...about,
  name: name.optional(),
  keyAuthorizationPolicyId: idSchema('key-authorization-policy')
    .optional()
    .meta({ description: 'Who gets the key; without one, nobody does.' }),
}

const fixed = {
  kind: z.enum(['cenc', 'cbcs', 'envelope', 'storage']).meta({ description: 'What it encrypts with.' }),
  rotating: z.boolean().default(false).meta({
    description:
      'A new key each period, derived from this one; its KID is this one’s with the begin of the period in the last 12 digits.',
  }),
}

const provided = {
  contentId: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable characters without spaces')
    .optional()
    .meta({ description: 'What a key provider (SPEKE) knows the content by; if not given, the key’s id.' }),
  intendedTracks: z.array(z.enum(keyTracks)).min(1).max(keyTracks.length).optional().meta({
    description:
      'What a key provider is told that it will encrypt; if not given, everything. Which tracks it does is for the asset to say.',
  }),
}

const MIN_SEED_BYTES = 30

/** What a client states to make a key. */
export const contentKeyCreateSchema = z
  .strictObject({
    ...changeable,
    ...fixed,
    ...provided,
    kind: z.enum(['cenc', 'cbcs', 'envelope']).meta({ description: 'What it encrypts with.' }),
    id: idSchema('content-key')
      .refine((guid) => !isReservedGuid(guid), 'GUIDs of version 8 are Headend’s own')
      .optional()
      .meta({ description: 'The KID, not of version 8; made if not given.' }),
    value: z
      .base64()
      .length(24)
      .optional()
      .meta({ description: '16 bytes in base64; made if not given. Not told again but by key delivery or by name.' }),
    seed: z
      .base64()
      .min(40)
      .max(88)
      .refine(
        (text) => Buffer.from(text, 'base64').byteLength >= MIN_SEED_BYTES,
        `must be ${MIN_SEED_BYTES} bytes or more`,
      )
      .optional()
      .meta({ description: 'Instead of a value: a PlayReady key seed, from which the value follows with the KID.' }),
  })
  .refine(({ value, seed }) => value === undefined || seed === undefined, {
    path: ['seed'],
    message: 'a key has a value or a seed, not both',
  })
  .refine(({ id, rotating }) => id === undefined || !rotating, {
    path: ['id'],
    message: 'the id of a key that rotates is made here: it leaves room for that of the period',
  })
  .meta({ id: 'ContentKeyCreate', description: 'A new content key.', example: { kind: 'cbcs' } })

/** What may change of a key. */
export const contentKeyPatchSchema = patchOf(z.strictObject(changeable)).meta({
  id: 'ContentKeyPatch',
  description: 'A merge patch of a content key.',
  example: { description: 'HD tracks' },
})

const shown = {
  ...envelope('content-key'),
  ...owned,
  ...changeable,
  ...fixed,
  ...provided,
  signalling: drmSignallingSchema.optional(),
  assetId: idSchema('asset')
    .optional()
    .meta({ description: 'Of kind `storage`: the asset, with which it is deleted.' }),
  source: z
    .enum(['value', 'playready-seed', 'provider'])
    .default('value')
    .meta({ description: 'What is kept of it: the value, or the seed from which it follows.' }),
}

/** A key as it is stored: its id is the KID, its value sealed under the master key that `masterKeyId` names. */
export const contentKeySchema = z.strictObject({
  ...shown,
  sealedValue: z.base64().max(512),
  masterKeyId: z.string().min(1).max(64),
})

/** A key as it is shown: without its value. */
export const contentKeyViewSchema = z
  .strictObject(shown)
  .meta({ id: 'ContentKey', description: 'A content key, without its value. Its id is the KID.' })

/** A content key as it is stored. */
export type ContentKey = z.output<typeof contentKeySchema>

/** The value of a content key, as an administrator is shown it who asks for it by name. */
export const contentKeyValueSchema = z
  .strictObject({
    id: idSchema('content-key').meta({ description: 'The KID.' }),
    value: z.base64().meta({ description: 'Of one that rotates, what the keys of its periods are derived from.' }),
    source: shown.source,
  })
  .meta({ id: 'ContentKeyValue', description: 'A content key’s value, or its seed.' })

/** A content key without its value. */
export function showContentKey(key: ContentKey): z.output<typeof contentKeyViewSchema> {
  const { sealedValue: _sealed, masterKeyId: _master, ...rest } = key
  return rest
}

/** The id of a new key. */
export function newContentKeyId(rotating: boolean, random: RandomBytes): Id<'content-key'> {
  return rotating ? (periodKeyId(newGuid(random, 8), 0) as Id<'content-key'>) : newId('content-key', random)
}

type StorageKeyFacts = Pick<ContentKey, 'accountId' | 'sealedValue' | 'masterKeyId'> & {
  readonly id: Id<'content-key'>
  readonly assetId: Id<'asset'>
}

/** The key under which an asset's storage is encrypted: made with the asset, in one transaction, and deleted with it. */
export function newStorageKey(facts: StorageKeyFacts): Draft<ContentKey> {
  return { ...facts, kind: 'storage', rotating: false, source: 'value', tags: {} }
}
