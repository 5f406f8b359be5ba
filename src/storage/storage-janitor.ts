import { type AssetFile, assetFileMachine } from '../domain/asset-file.ts'
import type { BlobCall, BlobStorage } from '../domain/blob-storage.ts'
import { ChangeSet } from '../domain/change-set.ts'
import { type Id, SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import { transition } from '../domain/state-machine.ts'
import type { StorageAccount, StoragePlace } from '../domain/storage-account.ts'
import type { StorageTask } from '../domain/storage-task.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'

/** Where the blobs are that tasks are about. */
export type JanitorStorage = {
  of(place: StoragePlace): BlobStorage
  sweep(place: StoragePlace, beforeMs: number): Promise<number>
}

type JanitorDeps = {
  readonly repository: Repository
  readonly storage: JanitorStorage
  readonly clock: Clock
  readonly logger: Logger
}

const ROUND_MS = 30_000
const SWEEP_MS = 3_600_000
/** A write that lasts goes on touching its file: one that has not been touched for so long is nobody's. */
const UNTOUCHED_MS = 3_600_000
const DELETIONS_AT_ONCE = 8

/**
 * Does what storage tasks say, and finds what a crash left behind: uploads whose request is gone, and half written files.
 * One task after another; one that fails is tried again in the next round.
 */
export class StorageJanitor {
  readonly #deps: JanitorDeps
  readonly #uploads = new Set<string>()
  readonly #stopping = new AbortController()
  #timer: Timer | undefined
  #sweepDueMs = 0
  #round: Promise<void> = Promise.resolve()
  #isQueued = false

  constructor(deps: JanitorDeps) {
    this.#deps = deps
  }

  /** Begins with what was left behind; doesn't wait for it. */
  start(): void {
    this.#timer = this.#deps.clock.every(ROUND_MS, () => this.nudge())
    this.nudge()
  }

  /** Resolves when the task in hand is done or given up. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stopping.abort(new AppError('STOPPED', 'The storage janitor is stopped.'))
    await this.#round
  }

  /** Tasks were committed: a round follows the one that is under way. */
  nudge(): void {
    if (this.#isQueued || this.#stopping.signal.aborted) return
    this.#isQueued = true
    this.#round = this.#round.then(() => {
      this.#isQueued = false
      return this.#runRound()
    })
  }

  /** Resolves when every round that was asked for until now is over. */
  idle(): Promise<void> {
    return this.#round
  }

  /** An upload that this process is carrying out. */
  holdUpload(taskId: string): void {
    this.#uploads.add(taskId)
  }

  /** The upload's request is over: its task, if there still is one, is ours. */
  releaseUpload(taskId: string): void {
    this.#uploads.delete(taskId)
  }

  async #runRound(): Promise<void> {
    const { repository, clock, logger } = this.#deps
    try {
      // Where one task found nobody, the others of the round needn't wait for the same.
      const unreachable = new Set<string>()
      for await (const task of repository.each('storage-task', { accountId: SYSTEM_ACCOUNT })) {
        if (this.#stopping.signal.aborted) return
        if (!this.#uploads.has(task.id)) await this.#attempt(task, unreachable)
      }
      if (clock.now() < this.#sweepDueMs) return
      this.#sweepDueMs = clock.now() + SWEEP_MS
      await this.#sweep()
    } catch (error) {
      if (!this.#stopping.signal.aborted) logger.warn({ err: error }, `storage round put off: ${messageOf(error)}`)
    }
  }

  async #attempt(task: StorageTask, unreachable: Set<string>): Promise<void> {
    const where = JSON.stringify([task.place.accountId, task.place.location])
    if (unreachable.has(where)) return
    try {
      await this.#carryOut(task)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      if (task.place.kind === 's3' && error instanceof AppError && error.kind === 'unavailable') unreachable.add(where)
      const about = { err: error, task: task.id, work: task.work.kind }
      this.#deps.logger.warn(about, `storage task put off: ${messageOf(error)}`)
    }
  }

  async #carryOut(task: StorageTask): Promise<void> {
    const storage = this.#deps.storage.of(await this.#placeOf(task))
    const { work } = task
    const call = { signal: this.#stopping.signal }
    const changes = new ChangeSet()
    if (work.kind === 'remove-folder') {
      await deleteAll(storage, work.folder, call)
    }
    if (work.kind === 'remove-blob') await storage.delete(work.blob, call)
    if (work.kind === 'upload' && !(await this.#failUpload(changes, work.fileId))) await storage.delete(work.blob, call)
    changes.delete('storage-task', task)
    await this.#deps.repository.commit(changes)
  }

  /** The storage account as it is now, which may have got another access key; where it is gone, as it was. */
  async #placeOf({ storageAccountId, place }: StorageTask): Promise<StoragePlace> {
    const current = storageAccountId && (await this.#deps.repository.findAnywhere('storage-account', storageAccountId))
    return current || place
  }

  /**
   * What a crash, or a store that was down when the request ended, has left Uploading. The blob, if it got so far, stays:
   * another upload replaces it, and nobody is in the way of one that begins now. Whether there still is such a file.
   */
  async #failUpload(changes: ChangeSet, fileId: Id<'asset-file'>): Promise<boolean> {
    const file = await this.#deps.repository.findAnywhere('asset-file', fileId)
    if (file?.state === 'Uploading') {
      const state = transition(assetFileMachine, file.state, 'failed') as AssetFile['state']
      changes.update('asset-file', { ...file, state })
    }
    return file !== undefined
  }

  async #sweep(): Promise<void> {
    const { repository } = this.#deps
    for await (const { id } of repository.each('account', { accountId: SYSTEM_ACCOUNT })) {
      for await (const place of repository.each('storage-account', { accountId: id })) {
        if (this.#stopping.signal.aborted) return
        await this.#sweepPlace(place)
      }
    }
  }

  /** One that can't be reached keeps no other from being swept. */
  async #sweepPlace(place: StorageAccount): Promise<void> {
    const { storage, clock, logger } = this.#deps
    try {
      const removed = await storage.sweep(place, clock.now() - UNTOUCHED_MS)
      if (removed > 0) logger.info({ storageAccountId: place.id, removed }, 'half written files removed')
    } catch (error) {
      const about = { err: error, storageAccountId: place.id }
      logger.warn(about, `storage not swept: ${messageOf(error)}`)
    }
  }
}

/** Deletes everything under a folder, some at a time: each takes an object store a while. */
async function deleteAll(storage: BlobStorage, folder: string, call: BlobCall): Promise<void> {
  const names: string[] = []
  const deleteThese = () => Promise.all(names.splice(0).map((name) => storage.delete(name, call)))
  for await (const { name } of storage.list(folder, call)) {
    names.push(name)
    if (names.length === DELETIONS_AT_ONCE) await deleteThese()
  }
  await deleteThese()
}
