import { AppError, messageOf } from '../lib/errors.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** The code of an error of the operating system. */
export function errnoOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && 'syscall' in thrown ? String(thrown.code) : undefined
}

/** To be caught with: that there is no such file is `undefined`, also where what would be its folder is a file. */
export function ignoreMissing(thrown: unknown): undefined {
  const errno = errnoOf(thrown)
  if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw thrown
}

/** What the operating system said, in the catalogue's terms; whatever else was thrown stays what it is. */
export function storageError(thrown: unknown, doing: string): unknown {
  const errno = errnoOf(thrown)
  if (errno === undefined) return thrown
  if (FULL.has(errno)) return new AppError('STORAGE_FULL', `There is no room left for ${doing}.`, { cause: thrown })
  return new AppError('STORAGE_DOWN', `The storage failed at ${doing} (${errno}).`, {
    cause: thrown,
    details: { errno, message: messageOf(thrown) },
  })
}
