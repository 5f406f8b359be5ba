import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { type Id, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import {
  filesystemLocationSchema,
  keptS3CredentialsSchema,
  overlaps,
  s3CredentialsSchema,
  s3LocationSchema,
  shownS3CredentialsSchema,
} from './storage-location.ts'
import { fieldError } from './validation.ts'

const changeable = {
  ...labels,
  isDefault: z.boolean().default(false).meta({ description: 'New assets go here; one of an account’s is.' }),
}

const where = 'Where it keeps media; never changes.'
const filesystem = z.literal('filesystem').meta({ description: 'Files on the server’s own disks.' })
const s3 = z.literal('s3').meta({ description: 'Objects in a bucket of S3, or of a service that speaks as S3 does.' })
const credentials = s3CredentialsSchema.optional().meta({
  description:
    'If not given, the server’s own (environment, files, the machine’s role), which its configuration has to allow.',
})

/** What a client states to make a storage account. `kind` may be left out, so it can't be what tells the branches apart. */
export const storageAccountCreateSchema = z
  .union([
    z
      .strictObject({ ...changeable, kind: s3, location: s3LocationSchema.meta({ description: where }), credentials })
      .meta({
        id: 'S3StorageAccountCreate',
        description:
          'A bucket for media. It is tried before it is taken: something is written, read, listed and deleted.',
        example: {
          name: 'bucket',
          kind: 's3',
          location: { endpoint: 'https://s3.example.com', bucket: 'example-media', prefix: 'headend' },
          credentials: {
            accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
            secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
          },
        },
      }),
    z
      .strictObject({
        ...changeable,
        kind: filesystem.default('filesystem'),
        location: filesystemLocationSchema.prefault({}).meta({ description: where }),
      })
      .meta({
        id: 'FilesystemStorageAccountCreate',
        description: 'A new folder for media.',
        example: { name: 'archive', kind: 'filesystem', location: { directory: 'archive' } },
      }),
  ])
  .meta({
    id: 'StorageAccountCreate',
    description: 'A new place for media.',
    example: { name: 'archive', kind: 'filesystem', location: { directory: 'archive' } },
  })

/** What may change of a storage account: kind and location are what its assets were written to. */
export const storageAccountPatchSchema = patchOf(z.strictObject({ ...changeable, credentials })).meta({
  id: 'StorageAccountPatch',
  description: 'A merge patch of a storage account.',
  example: { isDefault: true },
})

/** What of a storage account says where its blobs are, and how they are reached. */
export const storagePlaceShape = {
  ...owned,
  kind: z.enum(['filesystem', 's3']).default('filesystem'),
  location: z.union([filesystemLocationSchema, s3LocationSchema]).prefault({}),
  /** Of `s3`; the secret as the server's `SecretKeeper` keeps it. */
  credentials: keptS3CredentialsSchema.optional(),
}

/** A storage account as it is stored. */
export const storageAccountSchema = z
  .strictObject({ ...envelope('storage-account'), ...changeable, ...storagePlaceShape })
  .superRefine(({ kind, credentials: given }, context) => {
    if (kind === 'filesystem' && given)
      context.addIssue({ code: 'custom', path: ['credentials'], message: 'only a bucket has them' })
  })

const shownShape = { ...envelope('storage-account'), ...owned, ...changeable }

/** A storage account as it is shown, without what is secret. */
export const storageAccountViewSchema = z
  .discriminatedUnion('kind', [
    z
      .strictObject({
        ...shownShape,
        kind: filesystem,
        location: filesystemLocationSchema.meta({ description: where }),
      })
      .meta({ id: 'FilesystemStorageAccount', description: 'A folder for media.' }),
    z
      .strictObject({
        ...shownShape,
        kind: s3,
        location: s3LocationSchema.meta({ description: where }),
        credentials: shownS3CredentialsSchema.optional().meta({ description: 'If absent, the server’s own.' }),
      })
      .meta({ id: 'S3StorageAccount', description: 'A bucket for media.' }),
  ])
  .meta({ id: 'StorageAccount', description: 'A place for media. One that holds assets can’t be deleted.' })

/** A storage account as it is stored. */
export type StorageAccount = z.output<typeof storageAccountSchema>
/** What of a storage account says where its blobs are, and how they are reached: plain data, for other threads too. */
export type StoragePlace = Pick<StorageAccount, 'accountId' | 'kind' | 'location' | 'credentials'>

/** Where the blobs of a storage account are. */
export function storagePlace({ accountId, kind, location, credentials: kept }: StoragePlace): StoragePlace {
  return { accountId, kind, location, ...(kept && { credentials: kept }) }
}

/** A new storage account; its folder is named after it unless given. */
export function newStorageAccount(
  given: z.output<typeof storageAccountCreateSchema>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<StorageAccount> {
  const id = newId('storage-account', random)
  if (given.kind === 'filesystem') {
    return { id, accountId, ...given, location: { directory: given.location.directory ?? id } }
  }
  const { endpoint, forcePathStyle = endpoint !== undefined } = given.location
  return { id, accountId, ...given, location: { ...given.location, forcePathStyle } }
}

/** A storage account as it is shown. */
export function showStorageAccount({ credentials: kept, ...rest }: StorageAccount) {
  return { ...rest, ...(kept && { credentials: { accessKeyId: kept.accessKeyId } }) }
}

/** @throws AppError `ENTITY_PROTECTED` for the default one: new assets need somewhere to go. */
export function assertStorageAccountDeletable(storage: Pick<StorageAccount, 'isDefault'>): void {
  if (!storage.isDefault) return
  throw new AppError('ENTITY_PROTECTED', 'This is the default storage account: make another one the default first.')
}

/**
 * That no other of the account's lies in the same place: the same folder (file systems that don't tell cases apart count
 * too), or a part of the same bucket, one of which has the other in it.
 *
 * @throws AppError `NAME_TAKEN`, with `details.problems`
 */
export function assertPlaceFree(
  { location }: Pick<StorageAccount, 'location'>,
  others: readonly Pick<StorageAccount, 'name' | 'location'>[],
): void {
  const holder = others.find((other) => isSamePlace(location, other.location))
  if (!holder) return
  const [pointer, what] =
    'bucket' in location ? ['/location/prefix', 'part of the bucket'] : ['/location/directory', 'folder']
  throw fieldError('NAME_TAKEN', [{ pointer, detail: `the storage account ${holder.name} has this ${what}` }])
}

function isSamePlace(one: StorageAccount['location'], other: StorageAccount['location']): boolean {
  if ('bucket' in one) return 'bucket' in other && overlaps(one, other)
  return !('bucket' in other) && one.directory?.toLowerCase() === other.directory?.toLowerCase()
}
