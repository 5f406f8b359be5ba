import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { type Id, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { nameSchema } from './scalars.ts'
import { fieldError } from './validation.ts'

const changeable = {
  ...labels,
  isDefault: z.boolean().default(false).meta({ description: 'New assets go here; one of an account’s is.' }),
}

const fixed = {
  kind: z.enum(['filesystem']).default('filesystem').meta({ description: 'How it keeps media.' }),
  location: z
    .strictObject({
      directory: nameSchema
        .optional()
        .meta({ description: 'Folder under the server’s media folder; if not given, the id.', example: 'studio' }),
    })
    .prefault({})
    .meta({ description: 'Where it keeps media; never changes.' }),
}

/** What a client states to make a storage account. */
export const storageAccountCreateSchema = z.strictObject({ ...changeable, ...fixed }).meta({
  id: 'StorageAccountCreate',
  description: 'A new place for media.',
  example: { name: 'archive', kind: 'filesystem', location: { directory: 'archive' } },
})

/** What may change of a storage account: kind and location are what its assets were written to. */
export const storageAccountPatchSchema = patchOf(z.strictObject(changeable)).meta({
  id: 'StorageAccountPatch',
  description: 'A merge patch of a storage account.',
  example: { isDefault: true },
})

/** A place for media; one that holds assets can't be deleted. */
export const storageAccountSchema = z
  .strictObject({ ...envelope('storage-account'), ...owned, ...changeable, ...fixed })
  .meta({ id: 'StorageAccount', description: 'A place for media. One that holds assets can’t be deleted.' })

/** A storage account as it is stored and shown. */
export type StorageAccount = z.output<typeof storageAccountSchema>

/** A new storage account, its folder named after it unless given. */
export function newStorageAccount(
  given: z.output<typeof storageAccountCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<StorageAccount> {
  const id = newId('storage-account', random)
  return { id, accountId, ...given, location: { directory: given.location.directory ?? id } }
}

/** @throws AppError `ENTITY_PROTECTED` for the default one: new assets need somewhere to go. */
export function assertStorageAccountDeletable(storage: Pick<StorageAccount, 'isDefault'>): void {
  if (!storage.isDefault) return
  throw new AppError('ENTITY_PROTECTED', 'This is the default storage account: make another one the default first.')
}

/**
 * That no other of the account's lies in the same folder; file systems that don't tell cases apart count too.
 *
 * @throws AppError `NAME_TAKEN`, with `details.problems`
 */
export function assertDirectoryFree(
  { location }: Pick<StorageAccount, 'location'>,
  others: readonly Pick<StorageAccount, 'name' | 'location'>[],
): void {
  const wanted = location.directory?.toLowerCase()
  const holder = others.find((other) => other.location.directory?.toLowerCase() === wanted)
  if (!holder) return
  const detail = `the storage account ${holder.name} has this folder`
  throw fieldError('NAME_TAKEN', [{ pointer: '/location/directory', detail }])
}
