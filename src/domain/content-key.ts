import { z } from 'zod'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { type Id, idSchema } from './kinds.ts'
import { patchOf } from './merge-patch.ts'

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
}

/** What a client states to make a key. */
export const contentKeyCreateSchema = z
  .strictObject({
    ...changeable,
    ...fixed,
    id: idSchema('content-key').optional().meta({ description: 'The KID; made if not given.' }),
    value: z
      .base64()
      .length(24)
      .optional()
      .meta({ description: '16 bytes in base64; made if not given. Not told again but by key delivery or by name.' }),
  })
  .refine(({ kind, value }) => kind !== 'storage' || value === undefined, {
    path: ['value'],
    message: 'a storage key is made here and never given',
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
  assetId: idSchema('asset')
    .optional()
    .meta({ description: 'Of kind `storage`: the asset, with which it is deleted.' }),
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

type StorageKeyFacts = Pick<ContentKey, 'accountId' | 'sealedValue' | 'masterKeyId'> & {
  readonly id: Id<'content-key'>
  readonly assetId: Id<'asset'>
}

/** The key under which an asset's storage is encrypted: made with the asset, in one transaction, and deleted with it. */
export function newStorageKey(facts: StorageKeyFacts): Draft<ContentKey> {
  return { ...facts, kind: 'storage', tags: {} }
}
