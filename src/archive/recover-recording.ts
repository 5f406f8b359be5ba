import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { LogRecord, PresentationHeader, RecordOf, Track } from '../presentation/records.ts'
import { readDiscardedBefore } from './archive-window.ts'
import { chunkSequence } from './blob-names.ts'
import { decodeChunk } from './chunk.ts'
import { LogAssembly } from './log-assembly.ts'
import { OWNER_FILE, type RecordingOwner, readOwner } from './recording-file.ts'
import type { RowsEnd } from './rows-end.ts'
import type { JournalFile } from './spool/journal-file.ts'
import type { JournalHead, JournalRecord } from './spool/journal-head.ts'
import { type ScannedFile, scanJournal } from './spool/journal-scan.ts'
import type { SpoolFolder } from './spool/spool-folder.ts'

/** What a recording's spool folder tells of it. */
export type RecoveredRecording = {
  readonly owner: RecordingOwner
  readonly header: PresentationHeader
  /** For a fresh presentation with this header. */
  readonly records: readonly LogRecord[]
  readonly tracks: readonly Track[]
  /** What is not in storage, in order. */
  readonly files: readonly JournalFile[]
  /** Where the rows end; `undefined` where there are none. */
  readonly end: RowsEnd | undefined
  /** The segment that was being written: its number is used up. */
  readonly open: RecordOf<'segment-opened'> | undefined
  readonly hasEnded: boolean
  /** Segments before this one were discarded, whatever else tells of them. */
  readonly discardedBefore: number
  /** Bytes that were torn off. */
  readonly tornBytes: number
}

/**
 * Reads what a run that ended, however it did, has left in a recording's folder. Files in which there is nothing are removed.
 * `undefined` where nothing had been written yet.
 *
 * @throws what the disk throws; AppError `ARCHIVE_DAMAGED` for records that are whole and no records, or where nothing tells whose they are
 */
export async function recoverRecording(
  folder: SpoolFolder,
  assetKey: Uint8Array | undefined,
  logger: Logger,
): Promise<RecoveredRecording | undefined> {
  const names = await folder.list()
  const journals = names.filter((name) => name.endsWith('.jrn'))
  // The folder of a recording that is in storage as a whole was being removed.
  if (journals.length === 0 && !names.includes(OWNER_FILE)) return undefined
  const owner = await readOwner(folder)
  const assembly = new LogAssembly()
  for (const name of names.filter((each) => chunkSequence(each) !== undefined)) {
    const records = await readChunk(folder, name, logger)
    if (records) assembly.addChunk(records)
  }
  const files: JournalFile[] = []
  try {
    const tornBytes = await readJournals(folder, journals, assetKey, logger, assembly, files)
    assembly.complete()
    const { header, records, tracks, end, open, hasEnded } = assembly
    if (header) {
      const discardedBefore = await readDiscardedBefore(folder)
      const found = { owner, header, records, tracks: [...tracks.values()], files, end, open, hasEnded }
      return { ...found, discardedBefore, tornBytes }
    }
    if (files.some(({ span }) => span !== undefined) || open !== undefined) {
      throw new AppError('ARCHIVE_DAMAGED', 'Nothing tells what was recorded: the head of its journal is damaged.')
    }
  } catch (error) {
    await closeAll(files)
    throw error
  }
  await closeAll(files)
  return undefined
}

/** Whoever finds that a recovered recording is not to be used closes its files. */
export async function closeAll(files: readonly JournalFile[]): Promise<void> {
  for (const file of files) await file.close()
}

/** Gives the bytes that were torn off; `files` gets each as it is opened. */
async function readJournals(
  folder: SpoolFolder,
  names: readonly string[],
  assetKey: Uint8Array | undefined,
  logger: Logger,
  assembly: LogAssembly,
  files: JournalFile[],
): Promise<number> {
  let tornBytes = 0
  for (const [index, name] of names.entries()) {
    // Only what was being written when the run ended may be torn; the others were whole when their successors were begun.
    const scanned = await scanJournal(folder, name, assetKey, index >= names.length - 2)
    if (scanned === undefined) {
      await folder.remove(name)
      continue
    }
    files.push(scanned.file)
    tornBytes += scanned.tornBytes
    if (scanned.tornBytes > 0) logger.warn({ file: name, bytes: scanned.tornBytes }, 'the end of a journal was torn')
    const segments = scanned.damaged.size
    if (segments > 0) logger.error({ file: name, segments }, 'segments of a journal are damaged: they become gaps')
    take(assembly, scanned)
  }
  return tornBytes
}

function take(assembly: LogAssembly, { records, damaged }: ScannedFile): void {
  const head = headOf(records)
  if (head) assembly.addHead(head)
  const log = records.filter((record) => record.type !== 'journal')
  assembly.addJournal(log, damaged)
}

function headOf([first]: readonly JournalRecord[]): JournalHead | undefined {
  return first?.type === 'journal' ? first : undefined
}

async function readChunk(folder: SpoolFolder, name: string, logger: Logger): Promise<LogRecord[] | undefined> {
  try {
    return decodeChunk(await folder.get(name))
  } catch (error) {
    logger.error({ chunk: name, error: messageOf(error) }, 'a chunk of a recording is damaged: it becomes a gap')
    return undefined
  }
}
