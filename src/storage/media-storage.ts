import { mkdirSync, realpathSync } from 'node:fs'
import type { BlobCall, BlobStorage } from '../domain/blob-storage.ts'
import type { StoragePlace } from '../domain/storage-account.ts'
import type { S3Location } from '../domain/storage-location.ts'
import { plainSecrets, type SecretKeeper } from '../domain/stored-secret.ts'
import { fieldError } from '../domain/validation.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { FilesystemStorage } from './filesystem-storage.ts'
import type { S3Credentials, S3Limits } from './s3-settings.ts'
import { S3Storage } from './s3-storage.ts'
import { probeStorage } from './storage-probe.ts'

/** What a node allows its storages, and what they need of it. */
export type MediaStorageOptions = {
  /** Writes leave so much of the disk free. */
  readonly minFreeBytes?: number
  /** Whether a bucket's endpoint may have an address that is not public. */
  readonly allowPrivateEndpoints?: boolean
  /** Whether a bucket without an access key is reached with the server's own credentials. */
  readonly allowServerCredentials?: boolean
  readonly secrets?: SecretKeeper
  readonly clock?: Clock
  readonly s3Limits?: Partial<S3Limits>
}

const NO_ACCESS_KEY =
  'has no access key, and the configuration does not allow it the server’s own (storage.allowServerCredentials)'

type Opened = { readonly storage: S3Storage; readonly access: string }

/** While it is tried nobody is to wait for what doesn't answer. */
const PROBE_LIMITS: Partial<S3Limits> = { requestMs: 4_000, attempts: 1 }
/** Clients that are kept; what is known longest goes first, and comes to the end of what it has under way. */
const MAX_BUCKETS = 256

/**
 * The storages of a node: each storage account has a folder of its own under that of the account it belongs to, or a part of a
 * bucket. A place is plain data: each thread has a `MediaStorage` of its own.
 */
export class MediaStorage {
  readonly #root: string
  readonly #options: MediaStorageOptions
  readonly #folders = new Map<string, FilesystemStorage>()
  readonly #buckets = new Map<string, Opened>()

  /** Makes the folder. @throws AppError `STORAGE_DOWN` where that can't be */
  constructor(mediaDir: string, options: MediaStorageOptions = {}) {
    this.#options = options
    try {
      mkdirSync(mediaDir, { recursive: true, mode: 0o700 })
      this.#root = realpathSync(mediaDir)
    } catch (cause) {
      throw new AppError('STORAGE_DOWN', `The media folder ${mediaDir} can't be used: ${messageOf(cause)}`, { cause })
    }
  }

  /** The folder of storage accounts of kind `filesystem`: a real path. */
  get directory(): string {
    return this.#root
  }

  /**
   * The blobs of a storage account; always the same object for the same place, so that its limits count for all.
   *
   * @throws AppError `STORAGE_DOWN` for a bucket without an access key where the node's own credentials aren't to be used
   */
  of(place: StoragePlace): BlobStorage {
    return this.#storageOf(place)
  }

  /** The same place for a thread that keeps no secrets: what of it is sealed is open. It is not to be stored or shown. */
  async openedPlace(place: StoragePlace): Promise<StoragePlace> {
    const { credentials } = place
    return credentials ? { ...place, credentials: await this.#opened(place.accountId, credentials) } : place
  }

  /** Removes what writes that a crash cut short have left there, untouched since `beforeMs` (Unix time). */
  sweep(place: StoragePlace, beforeMs: number): Promise<number> {
    return this.#storageOf(place).sweep(beforeMs)
  }

  /** Tries a place that is to be used. @throws AppError, with `details.problems` where fields of the place are at fault */
  async check(place: StoragePlace, call: BlobCall = {}): Promise<void> {
    if (!('bucket' in place.location)) return
    if (!place.credentials && !this.#options.allowServerCredentials) {
      throw fieldError('STORAGE_REFUSED', [{ pointer: '/credentials', detail: `it ${NO_ACCESS_KEY}` }])
    }
    const storage = this.#openBucket(place, place.location, PROBE_LIMITS)
    try {
      await probeStorage(storage, this.#options.clock ?? systemClock, call)
    } finally {
      await storage.close()
    }
  }

  /** Closes connections; what is under way fails. */
  async stop(): Promise<void> {
    const opened = [...this.#buckets.values()]
    this.#buckets.clear()
    await Promise.all(opened.map(({ storage }) => storage.close()))
  }

  #storageOf(place: StoragePlace): FilesystemStorage | S3Storage {
    const { accountId, location } = place
    return 'bucket' in location ? this.#bucket(place, location) : this.#folder(accountId, location.directory)
  }

  #folder(accountId: string, directory: string | undefined): FilesystemStorage {
    if (directory === undefined) throw new AppError('INTERNAL', 'A storage account has no directory.')
    const folder = [accountId, directory]
    const known = this.#folders.get(folder.join('/'))
    if (known) return known
    const opened = new FilesystemStorage(this.#root, folder, { minFreeBytes: this.#options.minFreeBytes ?? 0 })
    this.#folders.set(folder.join('/'), opened)
    return opened
  }

  #bucket(place: StoragePlace, location: S3Location): S3Storage {
    const key = JSON.stringify([place.accountId, location])
    const access = JSON.stringify(place.credentials ?? null)
    const known = this.#buckets.get(key)
    if (known?.access === access) return known.storage
    // With another access key it is another client; what is under way with the old one comes to its end.
    const storage = this.#openBucket(place, location, this.#options.s3Limits)
    this.#buckets.delete(key)
    this.#buckets.set(key, { storage, access })
    for (const [oldest] of this.#buckets) {
      if (this.#buckets.size <= MAX_BUCKETS) break
      this.#buckets.delete(oldest)
    }
    return storage
  }

  #openBucket(
    { accountId, credentials }: StoragePlace,
    location: S3Location,
    limits: Partial<S3Limits> | undefined,
  ): S3Storage {
    const { allowPrivateEndpoints = false, allowServerCredentials = false, clock } = this.#options
    if (!credentials && !allowServerCredentials) throw new AppError('STORAGE_DOWN', `The bucket ${NO_ACCESS_KEY}.`)
    return new S3Storage({
      place: location,
      ...(credentials && { credentials: () => this.#opened(accountId, credentials) }),
      allowPrivateEndpoint: allowPrivateEndpoints,
      ...(clock && { clock }),
      ...(limits && { limits }),
    })
  }

  async #opened(accountId: string, credentials: S3Credentials): Promise<S3Credentials> {
    const { secrets = plainSecrets } = this.#options
    return { ...credentials, secretAccessKey: await secrets.open(credentials.secretAccessKey, accountId) }
  }
}
