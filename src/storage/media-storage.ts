import { mkdirSync, realpathSync } from 'node:fs'
import type { BlobStorage } from '../domain/blob-storage.ts'
import type { StorageAccount } from '../domain/storage-account.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { FilesystemStorage } from './filesystem-storage.ts'

/** What of a storage account says where its blobs are. */
export type StoragePlace = Pick<StorageAccount, 'accountId' | 'kind' | 'location'>

/** The storages of a node: each storage account has a folder of its own under that of the account it belongs to. */
export class MediaStorage {
  readonly #root: string
  readonly #minFreeBytes: number
  readonly #open = new Map<string, FilesystemStorage>()

  /** Makes the folder. Writes leave `minFreeBytes` of the disk free. @throws AppError `STORAGE_DOWN` where that can't be */
  constructor(mediaDir: string, minFreeBytes = 0) {
    this.#minFreeBytes = minFreeBytes
    try {
      mkdirSync(mediaDir, { recursive: true, mode: 0o700 })
      this.#root = realpathSync(mediaDir)
    } catch (cause) {
      throw new AppError('STORAGE_DOWN', `The media folder ${mediaDir} can't be used: ${messageOf(cause)}`, { cause })
    }
  }

  /** The blobs of a storage account; always the same object for the same place, so that its limits count for all. */
  of(place: StoragePlace): BlobStorage {
    return this.#filesystem(place)
  }

  /** Removes what writes that a crash cut short have left there, untouched since `beforeMs` (Unix time). */
  sweep(place: StoragePlace, beforeMs: number): Promise<number> {
    return this.#filesystem(place).sweep(beforeMs)
  }

  #filesystem({ accountId, location }: StoragePlace): FilesystemStorage {
    if (location.directory === undefined) throw new AppError('INTERNAL', 'A storage account has no directory.')
    const folder = [accountId, location.directory]
    const known = this.#open.get(folder.join('/'))
    if (known) return known
    const opened = new FilesystemStorage(this.#root, folder, { minFreeBytes: this.#minFreeBytes })
    this.#open.set(folder.join('/'), opened)
    return opened
  }
}
