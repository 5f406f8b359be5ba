import type { BlobStorage } from '../domain/blob-storage.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { LogRecord, PresentationHeader } from '../presentation/records.ts'
import { chunkFolder, chunkSequence } from './blob-names.ts'
import { decodeChunk } from './chunk.ts'
import { LogAssembly } from './log-assembly.ts'

/** A presentation as storage has it: records for a fresh one with this header. */
export type LoadedPresentation = { readonly header: PresentationHeader; readonly records: readonly LogRecord[] }

/** How many chunks are read at once. */
const READS = 16
const MAX_CHUNK_BYTES = 67_108_864

/**
 * Reads the chunks of an asset's log. One that is damaged leaves a gap and a line in the node's log; `undefined` where there is none.
 *
 * @throws AppError what the storage throws
 */
export async function loadPresentation(
  storage: BlobStorage,
  assetFolder: string,
  logger: Logger,
  signal?: AbortSignal,
): Promise<LoadedPresentation | undefined> {
  const names: { readonly name: string; readonly sizeBytes: number }[] = []
  for await (const blob of storage.list(chunkFolder(assetFolder), { signal })) {
    if (chunkSequence(blob.name) !== undefined) names.push(blob)
  }
  const assembly = new LogAssembly()
  for (let index = 0; index < names.length; index += READS) {
    const read = names.slice(index, index + READS).map(async ({ name, sizeBytes }) => {
      try {
        if (sizeBytes === 0 || sizeBytes > MAX_CHUNK_BYTES)
          throw new AppError('ARCHIVE_DAMAGED', `It has ${sizeBytes} bytes.`)
        const bytes = await storage.read(name, { first: 0, last: sizeBytes - 1 }, { signal })
        return bytes && decodeChunk(bytes)
      } catch (error) {
        if (error instanceof AppError && error.kind !== 'internal') throw error
        logger.error({ chunk: name, error: messageOf(error) }, 'a chunk of a recording is damaged: it becomes a gap')
        return undefined
      }
    })
    for (const records of await Promise.all(read)) if (records) assembly.addChunk(records)
  }
  const { header, records } = assembly
  return header && { header, records }
}
