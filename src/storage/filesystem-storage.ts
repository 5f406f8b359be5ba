import { randomUUID } from 'node:crypto'
import { lstat, readdir, rename, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobCall, BlobInfo, BlobRead, BlobReadCall, BlobSource, BlobStorage } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { Turns } from '../lib/turns.ts'
import { encodeBlobName } from './blob-path.ts'
import { linkBlob, touchedMs } from './file-copy.ts'
import { errnoOf, ignoreMissing, storageError } from './file-errors.ts'
import { listFolder } from './file-listing.ts'
import { readFileRange, readSize, streamFile } from './file-reading.ts'
import { writeNewFile } from './file-writing.ts'
import { findFolder, makeFolder, removeEmptyFolders, syncFolder } from './folders.ts'

/** How much may be under way in one storage at once. */
export type FilesystemLimits = {
  readonly maxReads: number
  readonly maxWrites: number
  readonly maxWaiting: number
  /** What writes leave free on the disk: others have to write there too. */
  readonly minFreeBytes: number
}

const LIMITS: FilesystemLimits = { maxReads: 256, maxWrites: 64, maxWaiting: 512, minFreeBytes: 0 }
/** No blob's name begins with a dot. */
const INCOMING = '.incoming'
const RENAME_ATTEMPTS = 4

/** Blobs as files under a folder, which is made with the first of them. */
export class FilesystemStorage implements BlobStorage {
  readonly #root: string
  readonly #folder: readonly string[]
  readonly #reads: Turns
  readonly #writes: Turns
  /** Deletions and copies: apart from writes, which may last as long as somebody's upload. */
  readonly #others: Turns
  readonly #minFreeBytes: number

  /** `root` is a real path that exists; `folder` names the folders under it that this storage has for itself. */
  constructor(root: string, folder: readonly string[], given: Partial<FilesystemLimits> = {}) {
    const limits = { ...LIMITS, ...given }
    this.#root = root
    this.#folder = folder.flatMap(encodeBlobName)
    this.#reads = new Turns(limits.maxReads, { maxWaiting: limits.maxWaiting, refusal: busy })
    this.#writes = new Turns(limits.maxWrites, { maxWaiting: limits.maxWaiting, refusal: busy })
    this.#others = new Turns(limits.maxWrites, { maxWaiting: limits.maxWaiting, refusal: busy })
    this.#minFreeBytes = limits.minFreeBytes
  }

  async put(name: string, source: BlobSource, { signal }: BlobCall = {}) {
    const parts = encodeBlobName(name)
    return this.#writes.run(
      () =>
        this.#doing(`writing ${name}`, async () => {
          const aside = join(await this.#incoming(), randomUUID())
          try {
            const sizeBytes = await writeNewFile(aside, source, signal, () => this.#assertRoom())
            await this.#publish(aside, parts)
            return { sizeBytes }
          } catch (error) {
            await unlink(aside).catch(ignoreMissing)
            throw error
          }
        }),
      { signal },
    )
  }

  async #assertRoom(): Promise<void> {
    if (this.#minFreeBytes === 0) return
    const { bavail, bsize } = await statfs(this.#root)
    if (bavail * bsize >= this.#minFreeBytes) return
    throw new AppError('STORAGE_FULL', 'The disk is kept from filling up: there is no room for more files.')
  }

  async read(name: string, range: ByteRange, { signal, take }: BlobReadCall = {}): Promise<Uint8Array | undefined> {
    const parts = encodeBlobName(name)
    readSize(name, range)
    return this.#reads.run(
      () =>
        this.#doing(`reading ${name}`, async () => {
          const bytes = await readFileRange(this.#path(parts), name, range, take)
          signal?.throwIfAborted()
          return bytes
        }),
      { signal, urgent: true },
    )
  }

  async readRange(
    name: string,
    range: ByteRange | undefined,
    { signal }: BlobCall = {},
  ): Promise<BlobRead | undefined> {
    const parts = encodeBlobName(name)
    const release = await this.#reads.take({ signal })
    try {
      const found = await this.#doing(`reading ${name}`, () =>
        streamFile(this.#path(parts), name, range, release, signal),
      )
      if (found === undefined) release()
      return found
    } catch (error) {
      release()
      throw error
    }
  }

  async *list(
    folder: string,
    { after, signal }: BlobCall & { readonly after?: string } = {},
  ): AsyncGenerator<BlobInfo> {
    const parts = folder === '' ? [] : encodeBlobName(folder)
    const path = await this.#doing('listing', () => findFolder(this.#root, [...this.#folder, ...parts]))
    if (path !== undefined) yield* listFolder(path, folder === '' ? '' : `${folder}/`, after, signal)
  }

  async delete(name: string, { signal }: BlobCall = {}): Promise<void> {
    const parts = encodeBlobName(name)
    const folders = [...this.#folder, ...parts.slice(0, -1)]
    await this.#others.run(
      () =>
        this.#doing(`deleting ${name}`, async () => {
          const path = await findFolder(this.#root, folders)
          if (path === undefined) return
          await unlink(join(path, parts.at(-1) ?? ''))
            .then(() => syncFolder(path))
            .catch(ignoreMissing)
          // What the storage lies in stays, however empty.
          const within = await findFolder(this.#root, this.#folder)
          if (within !== undefined) await removeEmptyFolders(within, parts.slice(0, -1))
        }),
      { signal },
    )
  }

  async copy(from: string, to: string, call: BlobCall = {}): Promise<boolean> {
    const parts = encodeBlobName(from)
    const target = encodeBlobName(to)
    const linked = await this.#others.run(
      () =>
        this.#doing(`copying to ${to}`, async () => {
          const path = await this.#find(parts)
          if (path === undefined) return false
          return linkBlob(
            path,
            (aside) => this.#publish(aside, target),
            () => this.#incoming(),
          )
        }),
      call,
    )
    return linked ?? this.#copyBytes(from, to, call)
  }

  /** Where there can be no second name for a file: on another disk, or because the file system has none. */
  async #copyBytes(from: string, to: string, call: BlobCall): Promise<boolean> {
    const read = await this.readRange(from, undefined, call)
    if (read === undefined) return false
    await this.put(to, read.stream, call).finally(() => read.stream.destroy())
    return true
  }

  /** Removes what writes that a crash cut short have left, and nothing that was written to since `beforeMs` (Unix time). */
  async sweep(beforeMs: number): Promise<number> {
    return this.#doing('sweeping', async () => {
      const path = await findFolder(this.#root, [...this.#folder, INCOMING])
      if (path === undefined) return 0
      let removed = 0
      for (const file of await readdir(path)) {
        const stat = await lstat(join(path, file)).catch(ignoreMissing)
        if (stat === undefined || touchedMs(file, stat) >= beforeMs) continue
        await unlink(join(path, file)).catch(ignoreMissing)
        removed += 1
      }
      return removed
    })
  }

  /** Where blobs are written before they get their names. */
  #incoming(): Promise<string> {
    return makeFolder(this.#root, [...this.#folder, INCOMING])
  }

  /** Where a blob's file is, unless a link leads elsewhere. */
  #path(parts: readonly string[]): string {
    return join(this.#root, ...this.#folder, ...parts)
  }

  /** Where a blob's file is, if it is there; `undefined` where its folder isn't. Links are looked for. */
  async #find(parts: readonly string[]): Promise<string | undefined> {
    const folder = await findFolder(this.#root, [...this.#folder, ...parts.slice(0, -1)])
    return folder && join(folder, parts.at(-1) ?? '')
  }

  async #publish(aside: string, parts: readonly string[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const folder = await makeFolder(this.#root, [...this.#folder, ...parts.slice(0, -1)])
        await rename(aside, join(folder, parts.at(-1) ?? ''))
        await syncFolder(folder)
        return
      } catch (error) {
        // A deletion beside us may have removed the folder while it was empty.
        if (errnoOf(error) !== 'ENOENT' || attempt === RENAME_ATTEMPTS) throw error
      }
    }
  }

  async #doing<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw storageError(error, what)
    }
  }
}

const busy = () => new AppError('STORAGE_BUSY', 'Too much is being read from and written to storage: try again.')
