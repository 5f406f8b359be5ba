import type { Asset } from '../domain/asset.ts'
import type { AssetFile } from '../domain/asset-file.ts'
import type { Change } from '../domain/entity-store.ts'
import { type FileSet, publishedFiles } from '../domain/file-set.ts'
import type { Repository } from '../domain/repository.ts'
import { assetFolder } from '../domain/storage-task.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { ChangeSource } from '../supervisor/ports.ts'
import type { AssetStorages } from './asset-storage.ts'
import { ChangedEntities } from './changed-entities.ts'
import type { PresentationShelf } from './presentation-shelf.ts'

/** What the files are looked for in, and made known to. */
export type FilePresentationsPorts = {
  readonly repository: Pick<Repository, 'findAnywhere' | 'referring'>
  readonly storages: Pick<AssetStorages, 'placeOf'>
  readonly changes: ChangeSource
  readonly shelf: Pick<PresentationShelf, 'find' | 'subscribe'>
  readonly directory: Pick<LogDirectory, 'openFiles' | 'closeFiles'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Who publishes an asset's files, and by which name. */
export type OpenedFiles = Pick<Asset, 'accountId'> & Pick<FileSet, 'manifestName'>

/** Hears which assets publish files; called in the turn in which that changes, and must not throw. */
export type FilesListener = {
  opened(assetId: string, files: OpenedFiles): void
  closed(assetId: string): void
}

type Held = {
  readonly asset: Asset
  set: FileSet | undefined
  /** All files of the asset, also those that aren't published: one of them may give the name. */
  fileIds: ReadonlySet<string>
  reading: Promise<void> | undefined
  /** Something changed while it was read. */
  isStale: boolean
}

/** Assets whose files are known here, and files in all; what was asked for longest ago goes first and is found again when it is wanted. */
const MAX_ASSETS = 1_000
const MAX_FILES = 20_000
const RETRY_MS = 1_000

/**
 * The assets of uploaded files that somebody has asked for: their MP4 and QuickTime files, followed as they come, go and are
 * renamed. Here they are only named; origin threads read them. An asset that is recorded into publishes its recording instead.
 */
export class FilePresentations implements Stoppable {
  readonly #ports: FilePresentationsPorts
  readonly #listeners = new Set<FilesListener>()
  readonly #held = new Map<string, Held>()
  readonly #changed: ChangedEntities<'asset-file'>
  readonly #ends: (() => void)[] = []
  readonly #retries = new Set<Timer>()

  constructor(ports: FilePresentationsPorts) {
    this.#ports = ports
    this.#changed = new ChangedEntities('asset-file', ports, (file) => this.#refresh(file.assetId))
  }

  /** From now on it follows the store, and gives way to recordings: to be called before anybody else listens to the shelf. */
  begin(): void {
    const { changes, shelf } = this.#ports
    this.#ends.push(changes.onChange((list) => this.#follow(list)))
    this.#ends.push(changes.onReset(() => this.#startOver()))
    this.#ends.push(shelf.subscribe({ opened: (assetId) => this.drop(assetId), closed: () => undefined }))
  }

  /** Tells the listener of everything that is there, and of every change from now on; the result ends that. */
  subscribe(listener: FilesListener): () => void {
    this.#listeners.add(listener)
    for (const [assetId, { set, asset }] of this.#held) if (set) listener.opened(assetId, openedFiles(asset, set))
    return () => void this.#listeners.delete(listener)
  }

  /** Makes known what files an asset publishes; `false`: none. @throws AppError what the store and the keys throw */
  async load(asset: Asset): Promise<boolean> {
    const { id } = asset
    const held = this.#held.get(id) ?? { asset, set: undefined, fileIds: new Set(), reading: undefined, isStale: false }
    // Asked for last: it goes to the end.
    this.#held.delete(id)
    this.#held.set(id, held)
    if (held.set) return true
    held.reading ??= this.#read(held)
    try {
      await held.reading
    } finally {
      if (!held.set && this.#held.get(id) === held) this.#held.delete(id)
    }
    this.#makeRoom(id)
    return this.#held.get(id)?.set !== undefined
  }

  /** The asset is gone, or publishes something else. */
  drop(assetId: string): void {
    const held = this.#held.get(assetId)
    if (!held) return
    this.#held.delete(assetId)
    this.#close(held)
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    this.#changed.stop()
    for (const timer of this.#retries) timer.cancel()
    this.#listeners.clear()
    const readings = [...this.#held.values()].map(({ reading }) => reading)
    this.#held.clear()
    await Promise.allSettled(readings)
  }

  #follow(changes: readonly Change[]): void {
    if (this.#held.size === 0) return
    for (const { kind, id, op } of changes) {
      if (kind !== 'asset-file') continue
      if (op !== 'delete') this.#changed.read(id)
      else for (const [assetId, { fileIds }] of this.#held) if (fileIds.has(id)) this.#refresh(assetId)
    }
  }

  /** Changes were missed. */
  #startOver(): void {
    for (const assetId of [...this.#held.keys()]) this.#refresh(assetId)
  }

  #refresh(assetId: string): void {
    const held = this.#held.get(assetId)
    if (!held) return
    if (held.reading) {
      held.isStale = true
      return
    }
    held.reading = this.#read(held)
    held.reading.catch((error: unknown) => {
      const message = 'the files of a published asset could not be read; it is tried again'
      this.#ports.logger.warn({ assetId, error: messageOf(error) }, message)
      if (this.#held.get(assetId) !== held) return
      const timer = this.#ports.clock.after(RETRY_MS, () => {
        this.#retries.delete(timer)
        this.#refresh(assetId)
      })
      this.#retries.add(timer)
    })
  }

  async #read(held: Held): Promise<void> {
    const { repository, storages, shelf } = this.#ports
    const { id, accountId } = held.asset
    try {
      do {
        held.isStale = false
        const all = await repository.referring('asset-file', accountId, { relation: 'asset', id })
        const published = publishedFiles(all)
        const place = published && { ...(await storages.placeOf(held.asset)), folder: assetFolder(id) }
        // A program may have begun to record into it, or the asset be gone.
        if (this.#held.get(id) !== held || shelf.find(id)) return
        this.#become(held, all, published && place && { ...published, assetId: id, place })
      } while (held.isStale)
    } finally {
      held.reading = undefined
    }
  }

  #become(held: Held, all: readonly AssetFile[], set: FileSet | undefined): void {
    const { id } = held.asset
    held.fileIds = new Set(all.map((file) => file.id))
    if (!set) {
      if (held.set) this.drop(id)
      return
    }
    const { set: before } = held
    if (before?.digest === set.digest && before.manifestName === set.manifestName) return
    held.set = set
    this.#ports.directory.openFiles(set)
    if (before?.manifestName === set.manifestName) return
    for (const listener of this.#listeners) listener.opened(id, openedFiles(held.asset, set))
  }

  #close(held: Held): void {
    if (!held.set) return
    held.set = undefined
    const { id } = held.asset
    for (const listener of this.#listeners) listener.closed(id)
    this.#ports.directory.closeFiles(id)
  }

  #makeRoom(keep: string): void {
    let excessAssets = this.#held.size - MAX_ASSETS
    let excessFiles = -MAX_FILES
    for (const { fileIds } of this.#held.values()) excessFiles += fileIds.size
    for (const [assetId, { fileIds }] of this.#held) {
      if (excessAssets <= 0 && excessFiles <= 0) return
      if (assetId === keep) continue
      excessAssets--
      excessFiles -= fileIds.size
      this.drop(assetId)
    }
  }
}

function openedFiles({ accountId }: Asset, { manifestName }: FileSet): OpenedFiles {
  return { accountId, manifestName }
}
