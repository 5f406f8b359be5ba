import { type DataPlace, FRAME_HEAD_BYTES, type FrameHead, openData, openRecord, parseFrameHead } from './frame.ts'
import { FILE_HEAD_BYTES, JournalFile, JournalRows, MAGIC, MAGIC_BYTES, sealOf } from './journal-file.ts'
import type { JournalRecord } from './journal-head.ts'
import type { SpoolFile, SpoolFolder } from './spool-folder.ts'

/** A journal file as it was found. */
export type ScannedFile = {
  readonly file: JournalFile
  /** In order, each of them whole. */
  readonly records: readonly JournalRecord[]
  /** Bytes behind the last whole frame, which count for nothing. */
  readonly tornBytes: number
}

const WINDOW_BYTES = 1_048_576

/** Reads a file from front to back, a window at a time. */
class WindowReader {
  readonly #file: SpoolFile
  #window: Uint8Array = new Uint8Array(0)
  #start = 0

  constructor(file: SpoolFile) {
    this.#file = file
  }

  /** Fewer bytes than asked for at the end of the file. */
  async read(offset: number, sizeBytes: number): Promise<Uint8Array> {
    if (sizeBytes > WINDOW_BYTES) return this.#file.read(offset, sizeBytes)
    if (offset < this.#start || offset + sizeBytes > this.#start + this.#window.byteLength) {
      this.#window = await this.#file.read(offset, WINDOW_BYTES)
      this.#start = offset
    }
    return this.#window.subarray(offset - this.#start, offset - this.#start + sizeBytes)
  }
}

/**
 * Reads what a run that ended, however it did, has written. The first frame that is not whole, or is older than the one before it
 * (what a write that failed has left), ends the file. `verifyData`: also the data is held against its checksum, as it must be where the last bytes may be torn.
 * `undefined` for a file that has no head: a run that ended before it wrote anything.
 */
export async function scanJournal(
  folder: SpoolFolder,
  name: string,
  assetKey: Uint8Array | undefined,
  verifyData: boolean,
): Promise<ScannedFile | undefined> {
  const file = await folder.open(name)
  const size = await file.size()
  const reader = new WindowReader(file)
  const head = await reader.read(0, FILE_HEAD_BYTES)
  const magic = Buffer.from(head.subarray(0, MAGIC_BYTES)).toString('latin1')
  const isOurs = magic === MAGIC.plain || (magic === MAGIC.sealed && assetKey !== undefined)
  if (head.byteLength < FILE_HEAD_BYTES || !isOurs) {
    await file.close()
    return undefined
  }
  const seal = magic === MAGIC.sealed ? sealOf(assetKey, Uint8Array.from(head.subarray(MAGIC_BYTES))) : undefined
  const rows = new JournalRows()
  const records: JournalRecord[] = []
  let offset = FILE_HEAD_BYTES
  let lastIndex = -1
  for (;;) {
    const headBytes = Uint8Array.from(await reader.read(offset, FRAME_HEAD_BYTES))
    const frame = parseFrameHead(headBytes)
    const end = frame && offset + FRAME_HEAD_BYTES + frame.recordBytes + frame.dataBytes
    if (frame === undefined || end === undefined || end > size || frame.index <= lastIndex) break
    const record = openRecord(frame, headBytes, await reader.read(offset + FRAME_HEAD_BYTES, frame.recordBytes), seal)
    if (record === undefined) break
    const place = placeOf(frame, offset)
    if (verifyData && frame.dataBytes > 0) {
      if (openData(place, await reader.read(place.offset, place.sizeBytes), seal) === undefined) break
    }
    rows.add(record, place)
    records.push(record)
    offset = end
    lastIndex = frame.index
  }
  const found = JournalFile.found(folder, name, file, seal, { sizeBytes: offset, rows })
  return { file: found, records, tornBytes: size - offset }
}

function placeOf(frame: FrameHead, offset: number): DataPlace {
  return {
    offset: offset + FRAME_HEAD_BYTES + frame.recordBytes,
    sizeBytes: frame.dataBytes,
    index: frame.index,
    crc: frame.dataCrc,
  }
}
