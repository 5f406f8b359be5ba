import type { Id } from '../domain/kinds.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { SpoolFolder } from './spool/spool-folder.ts'

/** Whose recording it is. */
export type RecordingOwner = {
  readonly accountId: Id<'account'>
  readonly channelId: string
  readonly programId: string
  readonly assetId: string
  readonly manifestName: string
}

/** Its name in the folder. */
export const OWNER_FILE = 'recording.json'

/** Says in a recording's folder whose it is. @throws what the disk throws */
export async function writeOwner(folder: SpoolFolder, owner: RecordingOwner): Promise<void> {
  await folder.put(OWNER_FILE, Buffer.from(`${JSON.stringify({ version: 1, ...owner }, null, 2)}\n`))
}

/** @throws AppError `ARCHIVE_DAMAGED` where nothing tells whose it was */
export async function readOwner(folder: SpoolFolder): Promise<RecordingOwner> {
  try {
    const value: unknown = JSON.parse(Buffer.from(await folder.get(OWNER_FILE)).toString('utf8'))
    if (isOwner(value)) return value
  } catch (cause) {
    throw new AppError('ARCHIVE_DAMAGED', `${OWNER_FILE} can't be read: ${messageOf(cause)}`, { cause })
  }
  throw new AppError('ARCHIVE_DAMAGED', `${OWNER_FILE} does not say whose recording it is.`)
}

function isOwner(value: unknown): value is RecordingOwner {
  if (typeof value !== 'object' || value === null) return false
  const keys = ['accountId', 'channelId', 'programId', 'assetId', 'manifestName']
  return keys.every((key) => typeof (value as Record<string, unknown>)[key] === 'string')
}
