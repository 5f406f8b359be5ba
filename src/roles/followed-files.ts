import { isDeepStrictEqual } from 'node:util'
import type { ArchivePlace } from '../domain/archive-place.ts'
import type { Asset } from '../domain/asset.ts'
import type { AssetFile } from '../domain/asset-file.ts'
import type { Change } from '../domain/entity-store.ts'
import type { Id } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import { assetFolder } from '../domain/storage-task.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { ChangeSource } from '../supervisor/ports.ts'
import type { AssetStorages } from './asset-storage.ts'
import { ChangedEntities } from './changed-entities.ts'

/** Where files of assets are looked for, and what tells of their changes. */
export type FollowedFilesPorts = {
  readonly repository: Pick<Repository, 'findAnywhere' | 'referring'>
  readonly storages: Pick<AssetStorages, 'placeOf'>
  readonly changes: ChangeSource
  readonly clock: Clock
  readonly logger: Logger
}

/** What follows from the files of an asset, and where they lie: plain data, compared as a whole. */
export type Placed<F> = F & { readonly assetId: string; readonly place: ArchivePlace }

/** What is made of the files, and who hears of it. */
export type FilesUse<F extends object> = {
  /** What follows from all files of an asset, whatever their state; `undefined`: nothing. */
  readonly setOf: (all: readonly AssetFile[]) => F | undefined
  /** Another one than before, or none any more; called in the turn in which that is known, and must not throw. */
  readonly became: (assetId: string, set: Placed<F> | undefined, before: Placed<F> | undefined) => void
  /** Absent: all are. What was read of one that is not wanted at its end is thrown away. */
  readonly isWanted?: (assetId: string) => boolean
  /** What the log says where files could not be looked at. */
  readonly complaint: string
}

type Held<F> = {
  readonly accountId: Id<'account'>
  set: Placed<F> | undefined
  /** All files of the asset, also those from which nothing follows now. */
  fileIds: ReadonlySet<string>
  storageAccountId: Asset['storageAccountId'] | undefined
  reading: Promise<void> | undefined
  /** Something changed while it was read. */
  isStale: boolean
  /** What went or changed while it was read, files and storage accounts: whether they are its own is known only then. */
  readonly missed: Set<string>
  retry: Timer | undefined
}

const RETRY_MS = 1_000
/** Of a read during which more went than this nobody asks what it was. */
const MAX_MISSED = 10_000

/**
 * What follows from the files of some assets, looked at again whenever one of the files, or the place where they lie, changes. How many are
 * held is for the holder to bound.
 */
export class FollowedFiles<F extends object> implements Stoppable {
  readonly #ports: FollowedFilesPorts
  readonly #use: FilesUse<F>
  readonly #held = new Map<string, Held<F>>()
  /** What is being read, also of what was let go meanwhile. */
  readonly #reading = new Set<Held<F>>()
  /** Which held asset a file belongs to: of one that is gone only its id is told. */
  readonly #assetOf = new Map<string, string>()
  readonly #changed: ChangedEntities<'asset-file'>
  readonly #ends: (() => void)[] = []

  constructor(ports: FollowedFilesPorts, use: FilesUse<F>) {
    this.#ports = ports
    this.#use = use
    this.#changed = new ChangedEntities('asset-file', ports, (file) => this.#refresh(file.assetId))
  }

  /** From now on it follows the store. */
  begin(): void {
    const { changes } = this.#ports
    this.#ends.push(changes.onChange((list) => this.#follow(list)))
    // Changes were missed.
    this.#ends.push(changes.onReset(() => this.#refreshAll(() => true)))
  }

  /** What is known to follow from an asset's files. */
  find(assetId: string): Placed<F> | undefined {
    return this.#held.get(assetId)?.set
  }

  has(assetId: string): boolean {
    return this.#held.has(assetId)
  }

  /** How many files a held asset has. */
  fileCount(assetId: string): number {
    return this.#held.get(assetId)?.fileIds.size ?? 0
  }

  /** Follows an asset from now on, whether or not anything follows from its files; what fails is tried again. */
  hold(assetId: string, accountId: Id<'account'>): void {
    if (this.#held.has(assetId)) return
    this.#add(assetId, accountId)
    this.#refresh(assetId)
  }

  /**
   * Follows an asset for as long as something follows from its files; one that nothing follows from is not held when this resolves.
   *
   * @throws AppError what the store and the keys throw
   */
  async load(asset: Asset): Promise<Placed<F> | undefined> {
    const { id, accountId } = asset
    const held = this.#held.get(id) ?? this.#add(id, accountId)
    if (held.set) return held.set
    held.reading ??= this.#read(id, held, asset)
    try {
      await held.reading
    } finally {
      if (!held.set && this.#held.get(id) === held) this.release(id)
    }
    return this.find(id)
  }

  /** Resolves when a held asset's files are known, or looking at them has failed. */
  async tried(assetId: string): Promise<void> {
    // What went wrong is logged, and tried again.
    await this.#held.get(assetId)?.reading?.catch(() => undefined)
  }

  /** Nobody wants the asset any more. Ids that are not held are ignored. */
  release(assetId: string): void {
    const held = this.#held.get(assetId)
    if (!held) return
    held.retry?.cancel()
    this.#know(assetId, held, [])
    this.#held.delete(assetId)
    this.#become(assetId, held, undefined)
  }

  /** Nothing is looked at any more when this resolves; nobody hears of what was known. */
  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    this.#changed.stop()
    for (const { retry } of this.#held.values()) retry?.cancel()
    this.#held.clear()
    this.#assetOf.clear()
    await Promise.allSettled([...this.#reading].map(({ reading }) => reading))
  }

  #add(assetId: string, accountId: Id<'account'>): Held<F> {
    const nothing = { set: undefined, fileIds: new Set<string>(), storageAccountId: undefined }
    const unread = { reading: undefined, isStale: false, missed: new Set<string>(), retry: undefined }
    const held = { accountId, ...nothing, ...unread }
    this.#held.set(assetId, held)
    return held
  }

  #follow(changes: readonly Change[]): void {
    if (this.#held.size === 0) return
    for (const { kind, id, op } of changes) {
      if (kind === 'storage-account') this.#moved(id)
      else if (kind !== 'asset-file') continue
      else if (op !== 'delete') this.#changed.read(id)
      else this.#gone(id)
    }
  }

  #gone(fileId: string): void {
    const assetId = this.#assetOf.get(fileId)
    if (assetId !== undefined) this.#refresh(assetId)
    // It may be among the files of those that are being read.
    else for (const held of this.#reading) miss(held, fileId)
  }

  #moved(storageAccountId: string): void {
    this.#refreshAll((held) => held.storageAccountId === storageAccountId)
    // It may be that of those whose asset is being read.
    for (const held of this.#reading) miss(held, storageAccountId)
  }

  #refreshAll(isMeant: (held: Held<F>) => boolean): void {
    for (const [assetId, held] of [...this.#held]) if (isMeant(held)) this.#refresh(assetId)
  }

  #refresh(assetId: string): void {
    const held = this.#held.get(assetId)
    if (!held) return
    if (held.reading) {
      held.isStale = true
      return
    }
    held.retry?.cancel()
    held.reading = this.#read(assetId, held)
    held.reading.catch((error: unknown) => {
      if (this.#held.get(assetId) !== held) return
      this.#ports.logger.warn({ assetId, error: messageOf(error) }, this.#use.complaint)
      held.retry = this.#ports.clock.after(RETRY_MS, () => this.#refresh(assetId))
    })
  }

  /** `known`: the asset as it was just read. */
  async #read(assetId: string, held: Held<F>, known?: Asset): Promise<void> {
    const { repository } = this.#ports
    this.#reading.add(held)
    try {
      let asset = known
      do {
        held.isStale = false
        held.missed.clear()
        const all = await repository.referring('asset-file', held.accountId, { relation: 'asset', id: assetId })
        const found = this.#use.setOf(all)
        asset ??= found && (await repository.findAnywhere('asset', assetId))
        const set = found && asset && (await this.#placed(asset, found))
        if (this.#held.get(assetId) !== held || this.#use.isWanted?.(assetId) === false) return
        held.storageAccountId = asset?.storageAccountId
        const own = [held.storageAccountId ?? '', ...all.map(({ id }) => id)]
        if (own.some((id) => held.missed.has(id))) held.isStale = true
        this.#know(assetId, held, all)
        this.#become(assetId, held, set)
        asset = undefined
      } while (held.isStale && this.#held.get(assetId) === held)
    } finally {
      held.reading = undefined
      this.#reading.delete(held)
    }
  }

  async #placed(asset: Asset, found: F): Promise<Placed<F>> {
    const place = { ...(await this.#ports.storages.placeOf(asset)), folder: assetFolder(asset.id) }
    return { ...found, assetId: asset.id, place }
  }

  #know(assetId: string, held: Held<F>, all: readonly AssetFile[]): void {
    for (const id of held.fileIds) this.#assetOf.delete(id)
    held.fileIds = new Set(all.map(({ id }) => id))
    for (const id of held.fileIds) this.#assetOf.set(id, assetId)
  }

  #become(assetId: string, held: Held<F>, set: Placed<F> | undefined): void {
    const before = held.set
    if (isDeepStrictEqual(before, set)) return
    held.set = set
    this.#use.became(assetId, set, before)
  }
}

function miss(held: Held<object>, id: string): void {
  if (held.missed.size < MAX_MISSED) held.missed.add(id)
  else held.isStale = true
}
