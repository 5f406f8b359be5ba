import type { Asset } from '../domain/asset.ts'
import { type FileSet, type PublishedFiles, publishedFiles } from '../domain/file-set.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import { FollowedFiles, type FollowedFilesPorts } from './followed-files.ts'
import type { PresentationShelf } from './presentation-shelf.ts'

/** What the files are looked for in, and made known to. */
export type FilePresentationsPorts = FollowedFilesPorts & {
  readonly shelf: Pick<PresentationShelf, 'find' | 'subscribe'>
  readonly directory: Pick<LogDirectory, 'openFiles' | 'closeFiles'>
}

/** Who publishes an asset's files, and by which name. */
export type OpenedFiles = Pick<Asset, 'accountId'> & Pick<FileSet, 'manifestName'>

/** Hears which assets publish files; called in the turn in which that changes, and must not throw. */
export type FilesListener = {
  opened(assetId: string, files: OpenedFiles): void
  closed(assetId: string): void
}

/** Assets whose files are known here, and files in all; what was asked for longest ago goes first and is found again when it is wanted. */
const MAX_ASSETS = 1_000
const MAX_FILES = 20_000

/**
 * The assets of uploaded files that somebody has asked for: their MP4 and QuickTime files, followed as they come, go and are
 * renamed. Here they are only named; origin threads read them. An asset that is recorded into publishes its recording instead.
 */
export class FilePresentations implements Stoppable {
  readonly #ports: FilePresentationsPorts
  readonly #listeners = new Set<FilesListener>()
  readonly #followed: FollowedFiles<PublishedFiles>
  /** Whose assets were asked for, those asked for last at the end. */
  readonly #asked = new Map<string, Asset['accountId']>()
  #endGivingWay: () => void = () => undefined

  constructor(ports: FilePresentationsPorts) {
    this.#ports = ports
    this.#followed = new FollowedFiles(ports, {
      setOf: publishedFiles,
      became: (assetId, set, before) => (set ? this.#open(set, before) : this.#close(assetId)),
      // A program may have begun to record into it.
      isWanted: (assetId) => ports.shelf.find(assetId) === undefined,
      complaint: 'the files of a published asset could not be read; it is tried again',
    })
  }

  /** From now on it follows the store, and gives way to recordings: to be called before anybody else listens to the shelf. */
  begin(): void {
    this.#followed.begin()
    const giveWay = { opened: (assetId: string) => this.drop(assetId), closed: () => undefined }
    this.#endGivingWay = this.#ports.shelf.subscribe(giveWay)
  }

  /** Tells the listener of everything that is there, and of every change from now on; the result ends that. */
  subscribe(listener: FilesListener): () => void {
    this.#listeners.add(listener)
    for (const [assetId, accountId] of this.#asked) {
      const set = this.#followed.find(assetId)
      if (set) listener.opened(assetId, { accountId, manifestName: set.manifestName })
    }
    return () => void this.#listeners.delete(listener)
  }

  /** Makes known what files an asset publishes; `false`: none. @throws AppError what the store and the keys throw */
  async load(asset: Asset): Promise<boolean> {
    const { id, accountId } = asset
    this.#asked.delete(id)
    this.#asked.set(id, accountId)
    try {
      await this.#followed.load(asset)
    } finally {
      if (!this.#followed.has(id)) this.#asked.delete(id)
    }
    this.#makeRoom(id)
    return this.#followed.find(id) !== undefined
  }

  /** The asset is gone, or publishes something else. */
  drop(assetId: string): void {
    this.#followed.release(assetId)
    this.#asked.delete(assetId)
  }

  stop(): Promise<void> {
    this.#endGivingWay()
    this.#listeners.clear()
    this.#asked.clear()
    return this.#followed.stop()
  }

  #open(set: FileSet, before: FileSet | undefined): void {
    const { assetId, manifestName } = set
    this.#ports.directory.openFiles(set)
    const accountId = this.#asked.get(assetId)
    if (accountId === undefined || before?.manifestName === manifestName) return
    for (const listener of this.#listeners) listener.opened(assetId, { accountId, manifestName })
  }

  /** Whoever publishes nothing is not held. */
  #close(assetId: string): void {
    this.drop(assetId)
    for (const listener of this.#listeners) listener.closed(assetId)
    this.#ports.directory.closeFiles(assetId)
  }

  #makeRoom(keep: string): void {
    let excessAssets = this.#asked.size - MAX_ASSETS
    let excessFiles = -MAX_FILES
    for (const assetId of this.#asked.keys()) excessFiles += this.#followed.fileCount(assetId)
    for (const assetId of this.#asked.keys()) {
      if (excessAssets <= 0 && excessFiles <= 0) return
      if (assetId === keep) continue
      excessAssets--
      excessFiles -= this.#followed.fileCount(assetId)
      this.drop(assetId)
    }
  }
}
