import type { Asset } from '../domain/asset.ts'
import { ChangeSet } from '../domain/change-set.ts'
import { formatDuration } from '../domain/duration.ts'
import type { Change } from '../domain/entity-store.ts'
import { publishedFiles } from '../domain/file-set.ts'
import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { openFilePresentation } from '../ondemand/file-presentation.ts'
import type { SourceFile } from '../ondemand/source-file.ts'
import { BlockReader } from '../storage/block-reader.ts'
import type { ChangeSource } from '../supervisor/ports.ts'
import type { AssetStorages } from './asset-storage.ts'
import { ChangedEntities } from './changed-entities.ts'
import type { PresentationShelf } from './presentation-shelf.ts'
import { recordedOf } from './recorded.ts'

/** Where the files are looked for, and what they are is written. */
export type FileTracksPorts = {
  readonly repository: Pick<Repository, 'findAnywhere' | 'referring' | 'commit' | 'each'>
  readonly storages: Pick<AssetStorages, 'of'>
  readonly changes: ChangeSource
  readonly shelf: Pick<PresentationShelf, 'find'>
  /** Looks into the files. */
  readonly open: (...set: Parameters<typeof openFilePresentation>) => ReturnType<typeof openFilePresentation>
  readonly clock: Clock
  readonly logger: Logger
}

const RETRY_MS = 5_000
/** For the headers of the files of one asset. */
const BLOCK_CACHE_BYTES = 4 * 2 ** 20
/** An asset that was written meanwhile is looked at anew so often. */
const MAX_ATTEMPTS = 3

/**
 * Says of assets with uploaded files which tracks these have and how long they last. It looks at an asset that is Ready and of which
 * nothing is said: who changes its files takes back what was said of them. At its start it goes through all assets, one at a time, for those
 * whose files came just before the node went down.
 */
export class FileTracks implements Stoppable {
  readonly #ports: FileTracksPorts
  readonly #changed: ChangedEntities<'asset'>
  readonly #waiting = new Set<string>()
  readonly #failing = new Set<string>()
  readonly #stopped = new AbortController()
  #end: () => void = () => undefined
  #reading: Promise<void> | undefined
  #retry: Timer | undefined
  #sweep: Promise<void> | undefined
  #sweepAgain: Timer | undefined

  constructor(ports: FileTracksPorts) {
    this.#ports = ports
    this.#changed = new ChangedEntities('asset', ports, (asset) => {
      if (isUntold(asset)) this.#want(asset.id)
    })
  }

  /** From now on it follows the store, and looks in the background at what it missed. */
  begin(): void {
    this.#end = this.#ports.changes.onChange((list) => this.#follow(list))
    this.#sweep = this.#tellAll()
  }

  async stop(): Promise<void> {
    this.#end()
    this.#changed.stop()
    this.#stopped.abort()
    this.#retry?.cancel()
    this.#sweepAgain?.cancel()
    this.#waiting.clear()
    await this.#reading
    await this.#sweep
  }

  #follow(changes: readonly Change[]): void {
    for (const { kind, id, op } of changes) {
      if (kind !== 'asset') continue
      if (op === 'delete') this.#changed.forget(id)
      else this.#changed.read(id)
    }
  }

  #want(assetId: string): void {
    if (this.#stopped.signal.aborted) return
    this.#waiting.add(assetId)
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined
      // What was wanted since the last look at the list is read anew.
      for (const late of this.#waiting) this.#want(late)
    })
  }

  /** One after the other: it is nothing that anybody waits for. Never rejects. */
  async #readAll(): Promise<void> {
    for (const assetId of this.#waiting) {
      this.#waiting.delete(assetId)
      await this.#tryTo(assetId)
    }
  }

  /** Never rejects. */
  async #tryTo(assetId: string): Promise<void> {
    try {
      await this.#tell(assetId)
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#failed(assetId, error)
    }
  }

  /** Looks at every asset of which nothing is said; begins anew while the store can't be read. Never rejects. */
  async #tellAll(): Promise<void> {
    const { repository, clock, logger } = this.#ports
    const { signal } = this.#stopped
    try {
      for await (const { id: accountId } of repository.each('account', { accountId: SYSTEM_ACCOUNT }, { signal })) {
        for await (const asset of repository.each('asset', { accountId }, { signal })) {
          if (signal.aborted) return
          if (isUntold(asset)) await this.#tryTo(asset.id)
        }
      }
    } catch (error) {
      if (signal.aborted) return
      logger.warn(
        { error: messageOf(error) },
        'the assets could not be gone through for files that nobody looked at: tried again',
      )
      this.#sweepAgain = clock.after(RETRY_MS, () => {
        this.#sweep = this.#tellAll()
      })
    }
  }

  #failed(assetId: string, error: unknown): void {
    const { logger, clock } = this.#ports
    const isPassing = error instanceof AppError && error.kind === 'unavailable'
    const message = isPassing ? 'it is tried again' : 'the asset says nothing of its tracks'
    logger.info({ assetId, error: messageOf(error) }, `the files of an asset could not be looked at: ${message}`)
    if (!isPassing) return
    this.#failing.add(assetId)
    this.#retry ??= clock.after(RETRY_MS, () => {
      this.#retry = undefined
      for (const failed of this.#failing) this.#want(failed)
      this.#failing.clear()
    })
  }

  async #tell(assetId: string): Promise<void> {
    const { repository } = this.#ports
    for (let attempt = 1; ; attempt++) {
      const asset = await repository.findAnywhere('asset', assetId)
      if (!asset || !isUntold(asset) || this.#ports.shelf.find(assetId)) return
      const media = await this.#mediaOf(asset)
      if (!media) return
      const changes = new ChangeSet()
      changes.update('asset', { ...asset, ...media, tracksFrom: 'files' })
      try {
        await repository.commit(changes)
        return
      } catch (error) {
        const isRace = error instanceof AppError && error.code === 'ETAG_MISMATCH'
        if (!isRace || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  /** What the files are, as they are played; `undefined` where there are none. @throws AppError where they can't be */
  async #mediaOf(asset: Asset): Promise<Pick<Asset, 'tracks' | 'duration'> | undefined> {
    const { repository, storages } = this.#ports
    const { id, accountId } = asset
    const set = publishedFiles(await repository.referring('asset-file', accountId, { relation: 'asset', id }))
    if (!set) return undefined
    const storage = await storages.of(asset)
    const blocks = new BlockReader(BLOCK_CACHE_BYTES)
    const sources = set.files.map(
      ({ name, sizeBytes, blob }): SourceFile => ({
        ...{ name, sizeBytes },
        read: (range, signal, take) => blocks.read({ storage, name: blob, sizeBytes }, range, signal, take),
      }),
    )
    const { view } = await this.#ports.open(id, sources, this.#stopped.signal)
    const { tracks, durationMs } = recordedOf(view)
    return { tracks, duration: formatDuration(durationMs) }
  }
}

function isUntold({ state, tracks }: Pick<Asset, 'state' | 'tracks'>): boolean {
  return state === 'Ready' && tracks.length === 0
}
