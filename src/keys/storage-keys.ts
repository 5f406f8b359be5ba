import type { Asset } from '../domain/asset.ts'
import { type ContentKey, newStorageKey } from '../domain/content-key.ts'
import type { Draft } from '../domain/envelope.ts'
import { type Id, newId, type RandomBytes } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import { fieldError } from '../domain/validation.ts'
import { AppError } from '../lib/errors.ts'
import { KEY_BYTES } from '../protection/derived-key.ts'
import type { MasterKeys } from './master-keys.ts'
import { type SealedKey, SealedKeys } from './sealed-keys.ts'

type StorageKeyPorts = {
  readonly repository: Repository
  readonly masterKeys: MasterKeys
  readonly random: RandomBytes
}

/** The keys under which assets' storage is encrypted: each asset's own, kept sealed under a master key. */
export class StorageKeys {
  readonly #repository: Repository
  readonly #masterKeys: MasterKeys
  readonly #random: RandomBytes
  readonly #sealed: SealedKeys

  constructor({ repository, masterKeys, random }: StorageKeyPorts) {
    this.#repository = repository
    this.#masterKeys = masterKeys
    this.#random = random
    this.#sealed = new SealedKeys(masterKeys, random)
  }

  /**
   * A new key, to be created in the transaction that creates the asset.
   *
   * @throws AppError `MASTER_KEY_MISSING`, with `details.problems`, where no master key is configured; `MASTER_KEY_UNAVAILABLE`
   */
  async create({ id: assetId, accountId }: Pick<Asset, 'id' | 'accountId'>): Promise<Draft<ContentKey>> {
    const { primaryId } = this.#masterKeys
    if (primaryId === undefined) {
      const detail = 'nothing can be encrypted: no master key is configured (storage.masterKeys)'
      throw fieldError('MASTER_KEY_MISSING', [{ pointer: '/storageEncryption', detail }])
    }
    return this.#new(assetId, accountId, this.#random(KEY_BYTES), primaryId)
  }

  /**
   * The key of an asset for another one that has copies of its blobs, as they are; `undefined` where it isn't encrypted. Each blob has
   * a key of its own derived from it, so that two assets under one repeat nothing.
   *
   * @throws AppError as `create` and `of`
   */
  async share(
    asset: Pick<Asset, 'id' | 'accountId' | 'storageEncryption'>,
    { id: assetId, accountId }: Pick<Asset, 'id' | 'accountId'>,
  ): Promise<Draft<ContentKey> | undefined> {
    const value = await this.of(asset)
    if (!value) return undefined
    // The one that sealed it is there, since it has just opened it; the first one is what new keys are sealed under.
    const { primaryId = '' } = this.#masterKeys
    return this.#new(assetId, accountId, value, primaryId)
  }

  /**
   * The key of an asset, 32 bytes; `undefined` where it isn't encrypted.
   *
   * @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG`, and as the store does
   */
  async of(asset: Pick<Asset, 'id' | 'accountId' | 'storageEncryption'>): Promise<Uint8Array | undefined> {
    if (asset.storageEncryption === 'none') return undefined
    const reference = { relation: 'asset', id: asset.id }
    const keys = await this.#repository.referring('content-key', asset.accountId, reference)
    const key = keys.find(({ kind }) => kind === 'storage')
    if (key) return this.#open(key)
    throw new AppError('INTERNAL', `The asset ${asset.id} is encrypted, and its key is gone.`, {
      details: { assetId: asset.id },
    })
  }

  /** A key of any kind as it would be written under the first master key; `undefined` where it is. @throws AppError as `of` */
  resealed<K extends SealedKey>(key: K): Promise<K | undefined> {
    return this.#sealed.resealed(key)
  }

  async #new(
    assetId: Asset['id'],
    accountId: Asset['accountId'],
    value: Uint8Array,
    masterKeyId: string,
  ): Promise<Draft<ContentKey>> {
    const id: Id<'content-key'> = newId('content-key', this.#random)
    const sealed = await this.#sealed.seal({ id, kind: 'storage' }, value, masterKeyId)
    return newStorageKey({ id, accountId, assetId, ...sealed })
  }

  async #open(key: ContentKey): Promise<Uint8Array> {
    const value = await this.#sealed.open(key)
    if (value.byteLength === KEY_BYTES) return value
    throw new AppError('INTERNAL', `The content key ${key.id} is of storage, and ${value.byteLength} bytes long.`)
  }
}
