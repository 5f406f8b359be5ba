import type { Asset } from '../domain/asset.ts'
import type { BlobStorage } from '../domain/blob-storage.ts'
import type { Repository } from '../domain/repository.ts'
import { type StorageAccount, storagePlace } from '../domain/storage-account.ts'
import type { StorageKeys } from '../keys/storage-keys.ts'
import type { MediaStorage } from '../storage/media-storage.ts'
import { type AssetPlace, openAssetStorage } from './asset-place.ts'

type AssetStoragePorts = {
  readonly repository: Repository
  readonly media: MediaStorage
  readonly keys: Pick<StorageKeys, 'of'>
}

/** The storage of each asset, encrypted where the asset is. */
export class AssetStorages {
  readonly #ports: AssetStoragePorts

  constructor(ports: AssetStoragePorts) {
    this.#ports = ports
  }

  /**
   * The blobs of an asset. Its storage account is looked up where it isn't given.
   *
   * @throws AppError as `placeOf`
   */
  async of(asset: Asset, account?: StorageAccount): Promise<BlobStorage> {
    return openAssetStorage(this.#ports.media, await this.placeOf(asset, account))
  }

  /**
   * What another thread needs to open the storage of an asset.
   *
   * @throws AppError as `keyOf`; `ENTITY_NOT_FOUND`
   */
  async placeOf(asset: Asset, account?: StorageAccount): Promise<AssetPlace> {
    const { repository } = this.#ports
    const [found, key] = await Promise.all([
      account ?? repository.get('storage-account', asset.storageAccountId, asset.accountId),
      this.keyOf(asset),
    ])
    return { place: await this.#ports.media.openedPlace(storagePlace(found)), key }
  }

  /**
   * The key of an asset, 32 bytes, for what seals its journal; `undefined` where it isn't encrypted.
   *
   * @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG`, and as the store does
   */
  keyOf(asset: Asset): Promise<Uint8Array | undefined> {
    return this.#ports.keys.of(asset)
  }
}
