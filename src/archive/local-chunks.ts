import type { BlobInfo, BlobStorage } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import { chunkFolder, chunkName, chunkSequence } from './blob-names.ts'
import type { SpoolFolder } from './spool/spool-folder.ts'

const COPIES_AT_ONCE = 16

/**
 * Copies the chunks of a recording into its spool folder: a run that comes after a crash finds there what is in storage, also
 * while that does not answer.
 *
 * @throws AppError what the storage throws; what the disk throws
 */
export async function copyChunks(storage: BlobStorage, assetFolder: string, folder: SpoolFolder): Promise<void> {
  let batch: BlobInfo[] = []
  const flush = async () => {
    const copies = batch.map((blob) => copy(storage, blob, folder))
    batch = []
    await Promise.all(copies)
  }
  for await (const blob of storage.list(chunkFolder(assetFolder))) {
    batch.push(blob)
    if (batch.length === COPIES_AT_ONCE) await flush()
  }
  await flush()
}

async function copy(storage: BlobStorage, { name, sizeBytes }: BlobInfo, folder: SpoolFolder): Promise<void> {
  const sequence = chunkSequence(name)
  if (sequence === undefined) return
  const bytes = await storage.read(name, { first: 0, last: sizeBytes - 1 })
  if (!bytes) throw new AppError('ARCHIVE_DAMAGED', `The chunk ${name} was deleted while it was copied.`)
  await folder.put(chunkName(sequence), bytes)
}
