import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir, rename, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobCall, BlobInfo, BlobRead, BlobStorage } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { Turns } from '../lib/turns.ts'
import { decodePart, encodeBlobName } from './blob-path.ts'
import { errnoOf, storageError } from './file-errors.ts'
import { findFolder, makeFolder, removeEmptyFolders, syncFolder } from './folders.ts'
import { untilAborted } from './until-aborted.ts'

/** How much may be under way in one storage at once. */
export type FilesystemLimits = {
  readonly maxReads: number
  readonly maxWrites: number
  readonly maxWaiting: number
  /** What writes leave free on the disk: others have to write there too. */
  readonly minFreeBytes: number
}

const LIMITS: FilesystemLimits = { maxReads: 256, maxWrites: 64, maxWaiting: 512, minFreeBytes: 0 }
/** So often the disk is asked how much of it is free. */
const ROOM_CHECK_BYTES = 67_108_864
/** Where blobs are written before they get their names. No blob's name begins with a dot. */
const INCOMING = '.incoming'
const READ_CHUNK_BYTES = 262_144
const RENAME_ATTEMPTS = 4

/** Blobs as files under a folder, which is made with the first of them. */
export class FilesystemStorage implements BlobStorage {
  readonly #root: string
  readonly #folder: readonly string[]
  readonly #reads: Turns
  readonly #writes: Turns
  /** Apart from writes, which may last as long as somebody's upload. */
  readonly #deletions: Turns
  readonly #minFreeBytes: number

  /** `root` is a real path that exists; `folder` names the folders under it that this storage has for itself. */
  constructor(root: string, folder: readonly string[], given: Partial<FilesystemLimits> = {}) {
    const limits = { ...LIMITS, ...given }
    this.#root = root
    this.#folder = folder.flatMap(encodeBlobName)
    this.#reads = new Turns(limits.maxReads, { maxWaiting: limits.maxWaiting, refusal: busy })
    this.#writes = new Turns(limits.maxWrites, { maxWaiting: limits.maxWaiting, refusal: busy })
    this.#deletions = new Turns(limits.maxWrites, { maxWaiting: limits.maxWaiting, refusal: busy })
    this.#minFreeBytes = limits.minFreeBytes
  }

  async put(name: string, source: AsyncIterable<Uint8Array>, { signal }: BlobCall = {}) {
    const parts = encodeBlobName(name)
    return this.#writes.run(
      () =>
        this.#doing(`writing ${name}`, async () => {
          const aside = join(await makeFolder(this.#root, [...this.#folder, INCOMING]), randomUUID())
          try {
            const sizeBytes = await writeFile(aside, untilAborted(source, signal), () => this.#assertRoom())
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

  async readRange(
    name: string,
    range: ByteRange | undefined,
    { signal }: BlobCall = {},
  ): Promise<BlobRead | undefined> {
    const parts = encodeBlobName(name)
    const release = await this.#reads.take({ signal })
    try {
      const handle = await this.#doing(`reading ${name}`, () => this.#open(parts))
      if (handle === undefined) {
        release()
        return undefined
      }
      return await startReading(handle, range, release, signal)
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
    if (path !== undefined) yield* this.#walk(path, folder === '' ? '' : `${folder}/`, after, signal)
  }

  async delete(name: string, { signal }: BlobCall = {}): Promise<void> {
    const parts = encodeBlobName(name)
    const folders = [...this.#folder, ...parts.slice(0, -1)]
    await this.#deletions.run(
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
        if (stat === undefined || stat.mtimeMs >= beforeMs) continue
        await unlink(join(path, file)).catch(ignoreMissing)
        removed += 1
      }
      return removed
    })
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

  async #open(parts: readonly string[]): Promise<FileHandle | undefined> {
    const folder = await findFolder(this.#root, [...this.#folder, ...parts.slice(0, -1)])
    if (folder === undefined) return undefined
    try {
      return await open(
        join(folder, parts.at(-1) ?? ''),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      )
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async *#walk(
    path: string,
    prefix: string,
    after: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<BlobInfo> {
    for (const { file, name, isFolder } of await this.#doing('listing', () => entriesOf(path))) {
      signal?.throwIfAborted()
      const whole = prefix + name
      if (isFolder) {
        // Everything under a folder begins with its name: it is passed over only where all of that lies before `after`.
        const isBefore = after !== undefined && compareUtf8(whole, after) < 0 && !after.startsWith(whole)
        if (!isBefore) yield* this.#walk(join(path, file), whole, after, signal)
        continue
      }
      if (after !== undefined && compareUtf8(whole, after) <= 0) continue
      const stat = await this.#doing('listing', () => lstat(join(path, file)).catch(ignoreMissing))
      if (stat?.isFile()) yield { name: whole, sizeBytes: stat.size }
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

async function writeFile(
  path: string,
  source: AsyncIterable<Uint8Array>,
  assertRoom: () => Promise<void>,
): Promise<number> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const handle = await open(path, flags, 0o600)
  try {
    let sizeBytes = 0
    let nextCheck = 0
    for await (const chunk of source) {
      if (sizeBytes >= nextCheck) {
        await assertRoom()
        nextCheck = sizeBytes + ROOM_CHECK_BYTES
      }
      for (let offset = 0; offset < chunk.byteLength; ) {
        offset += (await handle.write(chunk, offset, chunk.byteLength - offset)).bytesWritten
      }
      sizeBytes += chunk.byteLength
    }
    await handle.sync()
    return sizeBytes
  } finally {
    await handle.close()
  }
}

async function startReading(
  handle: FileHandle,
  range: ByteRange | undefined,
  release: () => void,
  signal: AbortSignal | undefined,
): Promise<BlobRead | undefined> {
  const stat = await handle.stat()
  if (!stat.isFile()) {
    await handle.close()
    release()
    return undefined
  }
  const span = range ? { start: range.first, end: range.last } : {}
  const stream = handle.createReadStream({ ...span, highWaterMark: READ_CHUNK_BYTES, ...(signal && { signal }) })
  stream.once('close', release)
  // Whoever reads hears of it as well; before anybody does, a failure must not be one that nobody listens to.
  stream.on('error', () => undefined)
  return { sizeBytes: stat.size, stream }
}

const busy = () => new AppError('STORAGE_BUSY', 'Too much is being read from and written to storage: try again.')

function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

type Entry = { readonly file: string; readonly name: string; readonly isFolder: boolean }

/** What a folder holds, in the order in which the whole names of what lies under it come. */
async function entriesOf(path: string): Promise<Entry[]> {
  const found = await readdir(path, { withFileTypes: true }).catch(ignoreMissing)
  return (found ?? [])
    .flatMap((entry) => {
      const name = decodePart(entry.name)
      if (name === undefined || !(entry.isFile() || entry.isDirectory())) return []
      const isFolder = entry.isDirectory()
      return [{ file: entry.name, name: isFolder ? `${name}/` : name, isFolder }]
    })
    .toSorted((a, b) => compareUtf8(a.name, b.name))
}
