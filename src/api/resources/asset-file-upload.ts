import { createHash } from 'node:crypto'
import { assetMachine, withOtherFiles } from '../../domain/asset.ts'
import { type AssetFile, assetFileMachine } from '../../domain/asset-file.ts'
import type { BlobStorage } from '../../domain/blob-storage.ts'
import { ChangeSet } from '../../domain/change-set.ts'
import type { Id } from '../../domain/kinds.ts'
import { announceMove } from '../../domain/lifecycle.ts'
import { transition } from '../../domain/state-machine.ts'
import type { StorageAccount } from '../../domain/storage-account.ts'
import { fileBlob, newStorageTask } from '../../domain/storage-task.ts'
import { type FieldProblem, fieldError } from '../../domain/validation.ts'
import { AppError } from '../../lib/errors.ts'
import type { RestRequest } from '../rest/route.ts'
import { fileSubject, type StorageDeps } from './storage-deps.ts'

/** How often the end of an upload is written again because something else of the asset was written in between. */
const MAX_ATTEMPTS = 20

/** Where the bytes go: the storage, in which they are encrypted where the asset is, and how a task names it. */
type Destination = { readonly place: StorageAccount; readonly storage: BlobStorage }

type Received = { readonly sizeBytes: number; readonly sha256: string }

/**
 * One upload: the file is Uploading while the bytes come, and then Ready with all of them or Failed with none. A storage
 * task stands beside it, so that what a crash leaves Uploading is found and Failed.
 */
export class AssetFileUpload {
  readonly #deps: StorageDeps
  readonly #request: RestRequest
  readonly #file: AssetFile
  readonly #place: StorageAccount
  readonly #storage: BlobStorage

  constructor(deps: StorageDeps, request: RestRequest, file: AssetFile, { place, storage }: Destination) {
    this.#deps = deps
    this.#request = request
    this.#file = file
    this.#place = place
    this.#storage = storage
  }

  /** The file, Ready. @throws AppError `STATE_CONFLICT`, `LIMIT_EXCEEDED`, `UPLOAD_INVALID`, and as `BlobStorage.put` does */
  async run(): Promise<AssetFile> {
    const state = transition(assetFileMachine, this.#file.state, 'upload') as AssetFile['state']
    this.#assertAnnounced()
    const blob = fileBlob(this.#file)
    const task = newStorageTask(this.#place, { kind: 'upload', fileId: this.#file.id, blob }, this.#deps.random)
    this.#deps.storageTasks.holdUpload(task.id)
    try {
      const changes = this.#request.changes('asset-file.upload', fileSubject(this.#file))
      changes.update('asset-file', { ...this.#file, state })
      changes.create('storage-task', task)
      await this.#request.commit(changes)
      return await this.#transfer(task.id, blob)
    } finally {
      this.#deps.storageTasks.releaseUpload(task.id)
      this.#deps.storageTasks.nudge()
    }
  }

  /** What the request says of itself before any byte of it is read. */
  #assertAnnounced(): void {
    const encoding = this.#request.header('Content-Encoding') ?? 'identity'
    if (encoding.toLowerCase() !== 'identity') {
      throw new AppError('MEDIA_TYPE_UNSUPPORTED', 'A file is uploaded as it is, without Content-Encoding.')
    }
    const length = this.#request.header('Content-Length')
    if (length !== undefined) this.#assertSize(Number(length))
    if (length !== undefined && this.#file.sizeBytes !== undefined && Number(length) < this.#file.sizeBytes) {
      throw this.#wrong([
        { pointer: '/sizeBytes', detail: `${length} bytes are sent, ${this.#file.sizeBytes} announced` },
      ])
    }
  }

  #assertSize(sizeBytes: number): void {
    const { maxUploadBytes: limit } = this.#deps
    if (sizeBytes > limit) {
      throw new AppError('LIMIT_EXCEEDED', `A file may have at most ${limit} bytes here.`, { details: { limit } })
    }
    const announced = this.#file.sizeBytes
    if (announced === undefined || sizeBytes <= announced) return
    throw this.#wrong([
      { pointer: '/sizeBytes', detail: `more than the ${announced} bytes that were announced are sent` },
    ])
  }

  #wrong(problems: readonly FieldProblem[]): AppError {
    return fieldError('UPLOAD_INVALID', problems)
  }

  async #transfer(taskId: string, blob: string): Promise<AssetFile> {
    const storage = this.#storage
    const received: { value?: Received } = {}
    try {
      await storage.put(blob, this.#measured(received), { signal: this.#request.signal })
    } catch (error) {
      await this.#end(taskId, undefined)
      throw error
    }
    const ready = await this.#end(taskId, received.value)
    if (ready) return ready
    await storage.delete(blob)
    throw new AppError('ENTITY_NOT_FOUND', 'The file was deleted while it was uploaded.', {
      details: { kind: 'asset-file' },
    })
  }

  /** The bytes as they come; when they have ended, an error unless they are those that were announced. */
  async *#measured(received: { value?: Received }): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const chunk of this.#request.stream as AsyncIterable<Uint8Array>) {
      sizeBytes += chunk.byteLength
      this.#assertSize(sizeBytes)
      hash.update(chunk)
      yield chunk
    }
    const sha256 = hash.digest('hex')
    const wanted = this.#file
    const problems: FieldProblem[] = []
    if (wanted.sizeBytes !== undefined && wanted.sizeBytes !== sizeBytes) {
      problems.push({ pointer: '/sizeBytes', detail: `${sizeBytes} bytes came, ${wanted.sizeBytes} were announced` })
    }
    if (wanted.sha256 !== undefined && wanted.sha256 !== sha256) {
      problems.push({ pointer: '/sha256', detail: `what came has ${sha256}` })
    }
    if (problems.length > 0) throw this.#wrong(problems)
    received.value = { sizeBytes, sha256 }
  }

  /** Writes how it ended, whatever is written beside it meanwhile; `undefined` where the file is gone. */
  async #end(taskId: string, received: Received | undefined): Promise<AssetFile | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#commitEnd(taskId, received)
      } catch (error) {
        const isRace = error instanceof AppError && error.code === 'ETAG_MISMATCH'
        if (!isRace) throw error
        // Not as a lost race: the bytes are read, and the request can't be taken up from its beginning.
        if (attempt === MAX_ATTEMPTS)
          throw new AppError('STORE_DOWN', 'The upload could not be written down.', { cause: error })
      }
    }
  }

  async #commitEnd(taskId: string, received: Received | undefined): Promise<AssetFile | undefined> {
    const { repository, clock } = this.#deps
    const { id, assetId, accountId } = this.#file
    const [file, asset, task] = await Promise.all([
      repository.find('asset-file', id, accountId),
      repository.find('asset', assetId, accountId),
      repository.findAnywhere('storage-task', taskId as Id<'storage-task'>),
    ])
    const changes = new ChangeSet()
    if (task) changes.delete('storage-task', task)
    if (file?.state !== 'Uploading' || !asset) {
      if (task) await repository.commit(changes)
      return undefined
    }
    const state = transition(assetFileMachine, file.state, received ? 'completed' : 'failed') as AssetFile['state']
    const handle = changes.update('asset-file', { ...file, state, ...received })
    if (received && asset.state === 'Empty') {
      const next = transition(assetMachine, asset.state, 'ingest') as typeof asset.state
      announceMove(changes, 'asset', asset, next, { reason: 'completed' }, clock.now())
      changes.update('asset', { ...asset, state: next })
    } else if (received && asset.tracksFrom) changes.update('asset', withOtherFiles(asset))
    return (await repository.commit(changes)).get(handle)
  }
}
