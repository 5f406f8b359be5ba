import type { BlobStorage } from '../domain/blob-storage.ts'
import type { StoragePlace } from '../domain/storage-account.ts'
import { EncryptedStorage } from '../storage/encrypted-storage.ts'
import type { MediaStorage } from '../storage/media-storage.ts'

/** Where an asset's blobs are, and the key that they are sealed under where it is encrypted: plain data, for another thread too. */
export type AssetPlace = { readonly place: StoragePlace; readonly key: Uint8Array | undefined }

/** The blobs in a place, on whichever thread. Keep it: it remembers what it has learnt of the blobs that were read. */
export function openAssetStorage(media: Pick<MediaStorage, 'of'>, { place, key }: AssetPlace): BlobStorage {
  const storage = media.of(place)
  return key === undefined ? storage : new EncryptedStorage(storage, key)
}
