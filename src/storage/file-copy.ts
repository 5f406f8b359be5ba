import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { link, lstat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, ignoreMissing } from './file-errors.ts'

/** What second names of blobs are called until they get the one that they are for. */
const LINK_PREFIX = 'link-'
/** The file system has no second names, not for this file, or no more of them. */
const REFUSALS = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'])

/**
 * Gives a blob's file a second name, which costs neither time nor room: files are never written to again, only replaced.
 * `publish` moves a file to where it belongs. `false` where there is no such blob, `undefined` where there can be no second name.
 */
export async function linkBlob(
  path: string,
  publish: (aside: string) => Promise<void>,
  incoming: () => Promise<string>,
): Promise<boolean | undefined> {
  const stat = await lstat(path).catch(ignoreMissing)
  if (!stat?.isFile()) return false
  const aside = join(await incoming(), LINK_PREFIX + randomUUID())
  try {
    await link(path, aside)
    await publish(aside)
    return true
  } catch (error) {
    if (REFUSALS.has(errnoOf(error) ?? '')) return undefined
    // It may have been deleted just now; anything else that is missing is a failure.
    if (errnoOf(error) === 'ENOENT' && (await lstat(path).catch(ignoreMissing)) === undefined) return false
    throw error
  } finally {
    // A file that is moved onto another name of its own stays where it was (POSIX rename).
    await unlink(aside).catch(ignoreMissing)
  }
}

/** When somebody last had to do with a file among what is half written: a second name is as old as what it names, its change is not. */
export function touchedMs(file: string, stat: Stats): number {
  return file.startsWith(LINK_PREFIX) ? stat.ctimeMs : stat.mtimeMs
}
