import type { Change } from '../domain/entity-store.ts'
import type { Id } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import { assetFolder } from '../domain/storage-task.ts'
import { type TextSet, textSidecars } from '../domain/text-sidecar.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { ChangeSource } from '../supervisor/ports.ts'
import type { AssetStorages } from './asset-storage.ts'
import { ChangedEntities } from './changed-entities.ts'
import type { FilePresentations } from './file-presentations.ts'
import type { PresentationShelf } from './presentation-shelf.ts'

/** What texts are looked for in, and made known to. */
export type AssetTextsPorts = {
  readonly repository: Pick<Repository, 'findAnywhere' | 'referring'>
  readonly storages: Pick<AssetStorages, 'placeOf'>
  readonly changes: ChangeSource
  readonly shelf: Pick<PresentationShelf, 'subscribe'>
  readonly files: Pick<FilePresentations, 'subscribe'>
  readonly directory: Pick<LogDirectory, 'openTexts' | 'closeTexts'>
  readonly clock: Clock
  readonly logger: Logger
}

type Held = {
  readonly accountId: Id<'account'>
  /** Who has a presentation of the asset here: its recording, its files, or one after the other. */
  readonly holders: Set<'shelf' | 'files'>
  set: TextSet | undefined
  fileIds: ReadonlySet<string>
  reading: Promise<void> | undefined
  isStale: boolean
  retry: Timer | undefined
}

const RETRY_MS = 1_000

/**
 * The text files of the assets that have a presentation on this node, of files or recorded, followed as they come and go. Here they are only named;
 * origin threads read them. There are as many of these as there are such assets, which others bound.
 */
export class AssetTexts implements Stoppable {
  readonly #ports: AssetTextsPorts
  readonly #held = new Map<string, Held>()
  readonly #changed: ChangedEntities<'asset-file'>
  readonly #ends: (() => void)[] = []

  constructor(ports: AssetTextsPorts) {
    this.#ports = ports
    this.#changed = new ChangedEntities('asset-file', ports, (file) => this.#refresh(file.assetId))
  }

  /** From now on it follows the store, and what has a presentation here. */
  begin(): void {
    const { changes, files, shelf } = this.#ports
    this.#ends.push(changes.onChange((list) => this.#follow(list)))
    this.#ends.push(changes.onReset(() => this.#startOver()))
    const listenerOf = (holder: 'shelf' | 'files') => ({
      opened: (assetId: string, { accountId }: Pick<Held, 'accountId'>) => this.#opened(assetId, accountId, holder),
      closed: (assetId: string) => this.#closed(assetId, holder),
    })
    this.#ends.push(files.subscribe(listenerOf('files')), shelf.subscribe(listenerOf('shelf')))
  }

  /** Resolves when what the asset has is known to origin threads, or looking for it has failed. */
  async tried(assetId: string): Promise<void> {
    // What went wrong is logged, and tried again.
    await this.#held.get(assetId)?.reading?.catch(() => undefined)
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    this.#changed.stop()
    const held = [...this.#held.values()]
    this.#held.clear()
    for (const { retry } of held) retry?.cancel()
    await Promise.allSettled(held.map(({ reading }) => reading))
  }

  #opened(assetId: string, accountId: Id<'account'>, holder: 'shelf' | 'files'): void {
    const known = this.#held.get(assetId)
    if (known) {
      known.holders.add(holder)
      return
    }
    const nothing = { set: undefined, fileIds: new Set<string>(), reading: undefined, isStale: false, retry: undefined }
    this.#held.set(assetId, { accountId, holders: new Set([holder]), ...nothing })
    this.#refresh(assetId)
  }

  #closed(assetId: string, holder: 'shelf' | 'files'): void {
    const held = this.#held.get(assetId)
    held?.holders.delete(holder)
    if (!held || held.holders.size > 0) return
    held.retry?.cancel()
    this.#held.delete(assetId)
    if (held.set) this.#ports.directory.closeTexts(assetId)
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
    held.retry?.cancel()
    held.reading = this.#read(assetId, held)
    held.reading.catch((error: unknown) => {
      const message = 'the texts of a published asset could not be looked for; it is tried again'
      this.#ports.logger.warn({ assetId, error: messageOf(error) }, message)
      if (this.#held.get(assetId) === held) {
        held.retry = this.#ports.clock.after(RETRY_MS, () => this.#refresh(assetId))
      }
    })
  }

  async #read(assetId: string, held: Held): Promise<void> {
    const { repository } = this.#ports
    try {
      do {
        held.isStale = false
        const all = await repository.referring('asset-file', held.accountId, { relation: 'asset', id: assetId })
        const found = textSidecars(all)
        const set = found && (await this.#placed(assetId, found))
        if (this.#held.get(assetId) !== held) return
        held.fileIds = new Set(all.map(({ id }) => id))
        this.#become(assetId, held, set)
      } while (held.isStale)
    } finally {
      held.reading = undefined
    }
  }

  async #placed(assetId: string, found: Pick<TextSet, 'texts' | 'digest'>): Promise<TextSet | undefined> {
    const { repository, storages } = this.#ports
    const asset = await repository.findAnywhere('asset', assetId)
    if (!asset) return undefined
    return { ...found, assetId, place: { ...(await storages.placeOf(asset)), folder: assetFolder(asset.id) } }
  }

  #become(assetId: string, held: Held, set: TextSet | undefined): void {
    const before = held.set
    if (before?.digest === set?.digest) return
    held.set = set
    if (set) this.#ports.directory.openTexts(set)
    else this.#ports.directory.closeTexts(assetId)
  }
}
