import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { open, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AppError, messageOf } from '../lib/errors.ts'

/** The folder in which a node keeps what outlives it. Files are written whole or not at all, readable by the owner alone. */
export class DataDir {
  readonly path: string

  /** Makes the folder. @throws AppError `STATE_UNWRITABLE` */
  constructor(path: string) {
    this.path = resolve(path)
    this.#makeFolder(this.path)
  }

  /** A JSON document, or `undefined` where there is none yet. @throws AppError `STATE_UNWRITABLE` where it can't be read. */
  readJson(name: string): unknown {
    const file = join(this.path, name)
    try {
      return JSON.parse(readFileSync(file, 'utf8'))
    } catch (cause) {
      if (isMissing(cause)) return undefined
      throw new AppError('STATE_UNWRITABLE', `${file} can't be read: ${messageOf(cause)}`, { cause })
    }
  }

  /** Replaces a JSON document: written aside, synced, renamed. @throws AppError `STATE_UNWRITABLE` */
  async writeJson(name: string, value: unknown): Promise<void> {
    const file = join(this.path, name)
    this.#makeFolder(dirname(file))
    const aside = `${file}.${randomUUID()}.tmp`
    try {
      const handle = await open(aside, 'wx', 0o600)
      try {
        await handle.writeFile(`${JSON.stringify(value, null, 2)}\n`)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(aside, file)
    } catch (cause) {
      await unlink(aside).catch(() => undefined)
      throw new AppError('STATE_UNWRITABLE', `${file} can't be written: ${messageOf(cause)}`, { cause })
    }
  }

  /** Removes a document, if it is there. @throws AppError `STATE_UNWRITABLE` */
  async remove(name: string): Promise<void> {
    const file = join(this.path, name)
    try {
      await rm(file, { force: true })
    } catch (cause) {
      throw new AppError('STATE_UNWRITABLE', `${file} can't be removed: ${messageOf(cause)}`, { cause })
    }
  }

  #makeFolder(path: string): void {
    try {
      makeFolders(path)
    } catch (cause) {
      throw new AppError('STATE_UNWRITABLE', `the folder ${path} can't be made: ${messageOf(cause)}`, { cause })
    }
  }
}

/** Step by step: Node's own `recursive` never comes back from a parent that answers ENOENT, as those in /proc do. */
function makeFolders(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(path)
  if (parent !== path) makeFolders(parent)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
