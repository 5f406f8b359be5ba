import type { Asset } from '../../domain/asset.ts'
import type { AssetFile } from '../../domain/asset-file.ts'
import type { BlobStorage } from '../../domain/blob-storage.ts'
import type { ChangeSet, Handle } from '../../domain/change-set.ts'
import type { ContentKey } from '../../domain/content-key.ts'
import type { Draft } from '../../domain/envelope.ts'
import type { StorageAccount } from '../../domain/storage-account.ts'
import { AppError } from '../../lib/errors.ts'
import { assertSeen } from '../rest/etag.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'

/** Where an asset's blobs are kept, sealed where the asset is encrypted. */
export type AssetStorages = {
  /** @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG`, and as the store does */
  of(asset: Asset, place: StorageAccount): Promise<BlobStorage>
}

/** What making an asset needs beside what every resource does. */
export type StorageKeyDeps = {
  readonly storageKeys: {
    /**
     * A key for an asset that is made, to be created with it.
     *
     * @throws AppError `MASTER_KEY_MISSING`, with `details.problems`; `MASTER_KEY_UNAVAILABLE`
     */
    create(asset: Pick<Asset, 'id' | 'accountId'>): Promise<Draft<ContentKey>>
    /**
     * The key of an asset for one that is made out of its blobs; `undefined` where it isn't encrypted.
     *
     * @throws AppError `MASTER_KEY_MISSING`, `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG`
     */
    share(asset: Asset, target: Pick<Asset, 'id' | 'accountId'>): Promise<Draft<ContentKey> | undefined>
  }
}

/** Does what storage tasks say; see `domain/storage-task.ts`. */
export type StorageTasks = {
  /** Tasks were committed. */
  nudge(): void
  /** The upload of this task lasts as long as the request that it came with: nobody else is to end it. */
  holdUpload(taskId: string): void
  /** The request is over; if the task is still there, what it was for has failed. */
  releaseUpload(taskId: string): void
}

/** What assets and their files need beside what every resource does. */
export type StorageDeps = ResourceDeps & {
  readonly assetStorages: AssetStorages
  readonly storageTasks: StorageTasks
  readonly maxUploadBytes: number
}

/** Where one asset is found. */
export const assetPath = '/v1/assets/{assetId}'

/** The asset of a request's path. `ifMatch`, where it is of the asset, is for the caller to hold against it. */
export function assetOf(deps: ResourceDeps, request: RestRequest): Promise<Asset> {
  return deps.repository.get('asset', request.params['assetId'] ?? '', request.accountId)
}

/** The file of a request's path, of the asset that it names, as the client has seen it where it says so. */
export async function fileOf(deps: ResourceDeps, request: RestRequest): Promise<AssetFile> {
  const { assetId, fileId = '' } = request.params
  const file = await deps.repository.find('asset-file', fileId, request.accountId)
  if (file?.assetId !== assetId || file === undefined) {
    const details = { kind: 'asset-file', id: fileId }
    throw new AppError('ENTITY_NOT_FOUND', `There is no file ${fileId} of this asset.`, { details })
  }
  assertSeen(request.ifMatch, file)
  return file
}

/** The storage account in which an asset lies. */
export function placeOf(deps: ResourceDeps, asset: Asset): Promise<StorageAccount> {
  return deps.repository.get('storage-account', asset.storageAccountId, asset.accountId)
}

/** An asset as audit records name it. */
export function assetSubject({ id, name }: Pick<Asset, 'id' | 'name'>) {
  return { kind: 'asset', id, name } as const
}

/** A file as audit records name it. */
export function fileSubject({ id, name }: Pick<AssetFile, 'id' | 'name'>) {
  return { kind: 'asset-file', id, name } as const
}

/** Writes a new asset, and the key of one that is encrypted. @throws AppError as `storageKeys.create` */
export async function createAsset(
  deps: StorageKeyDeps,
  changes: ChangeSet,
  asset: Draft<Asset>,
): Promise<Handle<'asset'>> {
  const key = asset.storageEncryption === 'none' ? undefined : await deps.storageKeys.create(asset)
  const handle = changes.create('asset', asset)
  if (key) changes.create('content-key', key)
  return handle
}
