import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'

/** An open file of the spool. Every call may fail as the disk does. */
export type SpoolFile = {
  /** Writes all of it there. */
  write(pieces: readonly Uint8Array[], offset: number): Promise<void>
  /** Resolves when what was written would outlive a loss of power. */
  sync(): Promise<void>
  /** As many bytes as are there, at most `sizeBytes`. */
  read(offset: number, sizeBytes: number): Promise<Uint8Array>
  truncate(sizeBytes: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** A folder of the spool: that of one recording. */
export type SpoolFolder = {
  /** A new file, to write and read. Its name is on the disk when this resolves. */
  create(name: string): Promise<SpoolFile>
  open(name: string): Promise<SpoolFile>
  /** A small file, whole or not at all, in place of one that was there. */
  put(name: string, bytes: Uint8Array): Promise<void>
  get(name: string): Promise<Uint8Array>
  /** Names, sorted. */
  list(): Promise<string[]>
  /** Where there is none, nothing happens. */
  remove(name: string): Promise<void>
  /** The folder and all that is in it. */
  destroy(): Promise<void>
}

/** The spool of a node: a folder for each recording that is not in storage as a whole. */
export class Spool {
  readonly #path: string
  readonly #minFreeBytes: number

  /** What is written leaves `minFreeBytes` of the disk free: others have to write there too. */
  constructor(path: string, minFreeBytes: number) {
    this.#path = path
    this.#minFreeBytes = minFreeBytes
  }

  /** @throws AppError `STATE_UNWRITABLE` where the disk won't have it */
  async folder(name: string): Promise<SpoolFolder> {
    const path = join(this.#path, name)
    await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw new AppError('STATE_UNWRITABLE', `the folder ${path} can't be made: ${messageOf(cause)}`, { cause })
    })
    return new DiskFolder(path, this.#minFreeBytes)
  }

  /** The recordings that an earlier run left. */
  async recordings(): Promise<string[]> {
    const entries = await readdir(this.#path, { withFileTypes: true }).catch(ignoreMissing)
    return (entries ?? []).filter((entry) => entry.isDirectory()).map(({ name }) => name)
  }
}

/** So often the disk is asked how much of it is free. */
const ROOM_CHECK_BYTES = 67_108_864

class DiskFolder implements SpoolFolder {
  readonly #path: string
  readonly #minFreeBytes: number
  #unchecked = Number.POSITIVE_INFINITY

  constructor(path: string, minFreeBytes: number) {
    this.#path = path
    this.#minFreeBytes = minFreeBytes
  }

  async create(name: string): Promise<SpoolFile> {
    await this.assertRoom(0)
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const handle = await open(join(this.#path, name), flags, 0o600)
    try {
      await this.#syncFolder()
    } catch (error) {
      await handle.close()
      throw error
    }
    return new DiskFile(handle, 0, (sizeBytes) => this.assertRoom(sizeBytes))
  }

  async open(name: string): Promise<SpoolFile> {
    const handle = await open(join(this.#path, name), constants.O_RDWR | constants.O_NOFOLLOW)
    const { size } = await handle.stat()
    return new DiskFile(handle, size, (sizeBytes) => this.assertRoom(sizeBytes))
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const aside = join(this.#path, `.${randomUUID()}`)
    try {
      const handle = await open(aside, 'wx', 0o600)
      try {
        await handle.writeFile(bytes)
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await rename(aside, join(this.#path, name))
      await this.#syncFolder()
    } catch (error) {
      await unlink(aside).catch(() => undefined)
      throw error
    }
  }

  get(name: string): Promise<Uint8Array> {
    return readFile(join(this.#path, name))
  }

  async list(): Promise<string[]> {
    const found = (await readdir(this.#path).catch(ignoreMissing)) ?? []
    return found.filter((name) => !name.startsWith('.')).toSorted()
  }

  async remove(name: string): Promise<void> {
    await unlink(join(this.#path, name)).catch(ignoreMissing)
  }

  async destroy(): Promise<void> {
    await rm(this.#path, { recursive: true, force: true })
  }

  async assertRoom(sizeBytes: number): Promise<void> {
    this.#unchecked += sizeBytes
    if (this.#minFreeBytes === 0 || this.#unchecked < ROOM_CHECK_BYTES) return
    const { bavail, bsize } = await statfs(this.#path)
    if (bavail * bsize < this.#minFreeBytes) {
      throw new AppError('STORAGE_FULL', 'The disk is kept from filling up: there is no room for recordings.')
    }
    this.#unchecked = 0
  }

  async #syncFolder(): Promise<void> {
    const handle = await open(this.#path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

class DiskFile implements SpoolFile {
  readonly #handle: FileHandle
  readonly #assertRoom: (sizeBytes: number) => Promise<void>
  /** What is written over takes no room. */
  #sizeBytes: number

  constructor(handle: FileHandle, sizeBytes: number, assertRoom: (sizeBytes: number) => Promise<void>) {
    this.#handle = handle
    this.#sizeBytes = sizeBytes
    this.#assertRoom = assertRoom
  }

  async write(pieces: readonly Uint8Array[], offset: number): Promise<void> {
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
    if (offset + sizeBytes > this.#sizeBytes) await this.#assertRoom(sizeBytes)
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + sizeBytes)
    let left = [...pieces]
    let at = offset
    while (left.length > 0) {
      const { bytesWritten } = await this.#handle.writev(left, at)
      if (bytesWritten === 0) throw new AppError('STORAGE_FULL', 'The disk takes nothing more.')
      at += bytesWritten
      left = behind(left, bytesWritten)
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync()
  }

  async read(offset: number, sizeBytes: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    let filled = 0
    while (filled < sizeBytes) {
      const { bytesRead } = await this.#handle.read(bytes, filled, sizeBytes - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#handle.truncate(sizeBytes)
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** What is left of the pieces behind so many bytes. */
function behind(pieces: readonly Uint8Array[], sizeBytes: number): Uint8Array[] {
  const left: Uint8Array[] = []
  let skipped = 0
  for (const piece of pieces) {
    const skip = Math.min(piece.byteLength, sizeBytes - skipped)
    skipped += skip
    if (skip < piece.byteLength) left.push(piece.subarray(skip))
  }
  return left
}

function ignoreMissing(error: unknown): undefined {
  const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
  if (!isMissing) throw error
}
