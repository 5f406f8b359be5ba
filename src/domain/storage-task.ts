import { z } from 'zod'
import { type Draft, envelope } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { type StoragePlace, storagePlace, storagePlaceShape } from './storage-account.ts'

const blobName = z.string().min(1).max(2_048)

/**
 * What is still to be done to blobs after a change that is committed already: written in the change's own transaction,
 * gone when it is done, so that a crash in between forgets nothing. An upload's stands while the upload lasts.
 */
export const storageTaskSchema = z.strictObject({
  ...envelope('storage-task'),
  /** The storage account, if it is still there, knows best how it is reached: its keys may have changed. */
  storageAccountId: idSchema('storage-account').optional(),
  /** It may be gone by then: what tells where it was is kept here. */
  place: z.strictObject(storagePlaceShape),
  work: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('remove-folder'), folder: blobName }),
    z.strictObject({ kind: z.literal('remove-blob'), blob: blobName }),
    z.strictObject({ kind: z.literal('upload'), fileId: idSchema('asset-file'), blob: blobName }),
  ]),
})

/** What is still to be done to blobs. */
export type StorageTask = z.output<typeof storageTaskSchema>

/** A task that is still to be done in a storage account. */
export function newStorageTask(
  storage: StoragePlace & { readonly id: Id<'storage-account'> },
  work: StorageTask['work'],
  random: RandomBytes,
): Draft<StorageTask> {
  return { id: newId('storage-task', random), storageAccountId: storage.id, place: storagePlace(storage), work }
}

/** Where everything of an asset lies in its storage account. */
export function assetFolder(assetId: string): string {
  return assetId
}

/** Where the content of a file lies. By its id: a name may come back while what had it before is still being removed. */
export function fileBlob(file: { readonly id: string; readonly assetId: string }): string {
  return `${assetFolder(file.assetId)}/files/${file.id}`
}
