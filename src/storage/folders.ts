import { realpath } from 'node:fs'
import { lstat, mkdir, open, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../lib/errors.ts'
import { errnoOf, ignoreMissing } from './file-errors.ts'

/** Writes a folder's entries through to the disk: what was renamed into it is there after a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Whether there is a folder; a file in its place is none. A link, or worse, is not ours. @throws AppError `STORAGE_DOWN` */
async function isFolder(path: string): Promise<boolean> {
  try {
    const stat = await lstat(path)
    if (stat.isDirectory() || stat.isFile()) return stat.isDirectory()
    throw new AppError('STORAGE_DOWN', `${path} is in the way: it is no folder.`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

/** A path without links in it; asked for all of it at once, which costs as much as one step of it. */
function realPathOf(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    realpath.native(path, (error, found) => (error ? reject(error) : resolve(found)))
  })
}

/**
 * The folder under `root`, which is a real path; `undefined` where it isn't there. There may be a file in its place: nothing
 * lies under that. @throws AppError `STORAGE_DOWN` where a link leads there
 */
export async function findFolder(root: string, parts: readonly string[]): Promise<string | undefined> {
  const path = join(root, ...parts)
  const real = await realPathOf(path).catch(ignoreMissing)
  if (real === undefined || real === path) return real
  throw new AppError('STORAGE_DOWN', `${path} is no folder of ours: a link leads to ${real}.`)
}

/** The folder under `root`, made where it isn't there. Links are never followed. @throws AppError `STORAGE_DOWN` */
export async function makeFolder(root: string, parts: readonly string[]): Promise<string> {
  let path = root
  for (const part of parts) {
    const parent = path
    path = join(path, part)
    if (await isFolder(path)) continue
    try {
      await mkdir(path, { mode: 0o700 })
      await syncFolder(parent)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST' || !(await isFolder(path))) throw error
    }
  }
  return path
}

/** Removes the innermost of these folders, and those around it, as far as nothing is left in them. */
export async function removeEmptyFolders(root: string, parts: readonly string[]): Promise<void> {
  for (let depth = parts.length; depth > 0; depth -= 1) {
    try {
      await rmdir(join(root, ...parts.slice(0, depth)))
    } catch {
      // Somebody has put something there, or removed it before us: either way it is not ours to remove.
      return
    }
  }
}
