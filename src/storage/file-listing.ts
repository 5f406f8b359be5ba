import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobInfo } from '../domain/blob-storage.ts'
import { decodePart } from './blob-path.ts'
import { ignoreMissing, storageError } from './file-errors.ts'
import { compareNames } from './name-order.ts'

type Entry = { readonly file: string; readonly name: string; readonly isFolder: boolean }

/** Every blob under a folder of the disk, `prefix` before its name, in the order of names, from after `after` on. */
export async function* listFolder(
  path: string,
  prefix: string,
  after: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<BlobInfo> {
  for (const { file, name, isFolder } of await doing(() => entriesOf(path))) {
    signal?.throwIfAborted()
    const whole = prefix + name
    if (isFolder) {
      // Everything under a folder begins with its name: it is passed over only where all of that lies before `after`.
      const isBefore = after !== undefined && compareNames(whole, after) < 0 && !after.startsWith(whole)
      if (!isBefore) yield* listFolder(join(path, file), whole, after, signal)
      continue
    }
    if (after !== undefined && compareNames(whole, after) <= 0) continue
    const stat = await doing(() => lstat(join(path, file)).catch(ignoreMissing))
    if (stat?.isFile()) yield { name: whole, sizeBytes: stat.size }
  }
}

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
    .toSorted((a, b) => compareNames(a.name, b.name))
}

async function doing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw storageError(error, 'listing')
  }
}
