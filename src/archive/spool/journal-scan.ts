import { AppError } from '../../lib/errors.ts'
import type { FrameSeal } from '../../protection/frame-seal.ts'
import { type DataPlace, FRAME_HEAD_BYTES, type FrameHead, openData, openRecord, parseFrameHead } from './frame.ts'
import { FILE_HEAD_BYTES, JournalFile, JournalRows, MAGIC, MAGIC_BYTES, sealOf } from './journal-file.ts'
import type { JournalRecord } from './journal-head.ts'
import type { SpoolFile, SpoolFolder } from './spool-folder.ts'

/** A journal file as it was found. */
export type ScannedFile = {
  readonly file: JournalFile
  /** In order, each of them whole. */
  readonly records: readonly JournalRecord[]
  /** Segments whose bytes, or records, are not all there. */
  readonly damaged: ReadonlySet<number>
  /** Bytes behind the last whole frame, which count for nothing. */
  readonly tornBytes: number
}

const WINDOW_BYTES = 1_048_576
/** Frames that a file may lose in its middle: what is looked for behind them is one of the next. */
const MAX_LOST_FRAMES = 1_000_000

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

type Found = {
  readonly frame: FrameHead
  readonly offset: number
  readonly end: number
  readonly record: JournalRecord
}

/** The frames of a file, each of them whole. */
class FrameScan {
  readonly #reader: WindowReader
  readonly #size: number
  readonly #seal: FrameSeal | undefined
  readonly #verifyData: boolean
  readonly #rows = new JournalRows()
  readonly #records: JournalRecord[] = []
  readonly #damaged = new Set<number>()
  #open: number | undefined
  #lastIndex = -1

  constructor(reader: WindowReader, size: number, seal: FrameSeal | undefined, verifyData: boolean) {
    this.#reader = reader
    this.#size = size
    this.#seal = seal
    this.#verifyData = verifyData
  }

  async run() {
    let endBytes = FILE_HEAD_BYTES
    for (;;) {
      const found = (await this.#frameAt(endBytes)) ?? (await this.#frameBehind(endBytes))
      if (!found) break
      // Something is missing here: the segment that was being written is not whole.
      if (found.offset > endBytes && this.#open !== undefined) this.#damaged.add(this.#open)
      await this.#take(found)
      endBytes = found.end
    }
    for (const sequence of this.#damaged) this.#rows.forget(sequence)
    return { rows: this.#rows, records: this.#records, damaged: this.#damaged, endBytes }
  }

  async #take({ frame, record, offset }: Found): Promise<void> {
    this.#lastIndex = frame.index
    const place = placeOf(frame, offset)
    if (record.type === 'fragment' && this.#verifyData) {
      const data = openData(place, await this.#reader.read(place.offset, place.sizeBytes), this.#seal)
      if (data === undefined) this.#damaged.add(record.sequence)
    }
    if (record.type === 'segment-opened') this.#open = record.sequence
    if (record.type === 'segment-closed' || record.type === 'gap') this.#open = undefined
    this.#rows.add(record, place)
    this.#records.push(record)
  }

  /** An older frame than the one before it is what a write that failed has left. */
  async #frameAt(offset: number): Promise<Found | undefined> {
    const headBytes = Uint8Array.from(await this.#reader.read(offset, FRAME_HEAD_BYTES))
    const frame = parseFrameHead(headBytes)
    const isNext = frame && frame.index > this.#lastIndex && frame.index <= this.#lastIndex + MAX_LOST_FRAMES
    if (!frame || !isNext) return undefined
    const end = offset + FRAME_HEAD_BYTES + frame.recordBytes + frame.dataBytes
    if (end > this.#size) return undefined
    const recordPart = await this.#reader.read(offset + FRAME_HEAD_BYTES, frame.recordBytes)
    const record = openRecord(frame, headBytes, recordPart, this.#seal)
    return record && { frame, offset, end, record }
  }

  /** The first whole frame behind one that is damaged; `undefined` where the rest is torn. */
  async #frameBehind(offset: number): Promise<Found | undefined> {
    for (let at = offset + 1; at + FRAME_HEAD_BYTES <= this.#size; ) {
      const bytes = await this.#reader.read(at, WINDOW_BYTES)
      const last = bytes.byteLength - FRAME_HEAD_BYTES
      if (last < 0) return undefined
      for (let index = 0; index <= last; index++) {
        if (!this.#maybeHead(bytes, index)) continue
        const found = await this.#frameAt(at + index)
        if (found) return found
      }
      at += last + 1
    }
    return undefined
  }

  /** As `#frameAt`, without looking closely. */
  #maybeHead(bytes: Uint8Array, at: number): boolean {
    const index = uint32(bytes, at + 8)
    const isNext = index > this.#lastIndex && index <= this.#lastIndex + MAX_LOST_FRAMES
    return isNext && bytes[at] === 0 && uint32(bytes, at) > 0
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  const low = ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
  return (bytes[at] as number) * 0x1000000 + low
}

/**
 * Reads what a run that ended, however it did, has written. What is not whole at the end is torn off; in the middle it costs the
 * segment that it was part of. `verifyData`: also the data is held against its checksum, as it must be where the last bytes may be
 * torn. `undefined` for a file in which there is nothing: a run that ended before it wrote anything.
 *
 * @throws AppError `ARCHIVE_DAMAGED` where it is sealed and there is no key, or another one
 */
export async function scanJournal(
  folder: SpoolFolder,
  name: string,
  assetKey: Uint8Array | undefined,
  verifyData: boolean,
): Promise<ScannedFile | undefined> {
  const file = await folder.open(name)
  try {
    const size = await file.size()
    const reader = new WindowReader(file)
    const head = Uint8Array.from(await reader.read(0, FILE_HEAD_BYTES))
    const magic = Buffer.from(head.subarray(0, MAGIC_BYTES)).toString('latin1')
    if (magic === MAGIC.sealed && !assetKey) {
      throw new AppError('ARCHIVE_DAMAGED', `The journal ${name} is sealed, and its asset has no key.`)
    }
    // Where it does not say what it is, the frames in it do.
    const isHeaded = head.byteLength === FILE_HEAD_BYTES
    const isPlain = magic === MAGIC.plain || !isHeaded
    const seal = isPlain ? undefined : sealOf(assetKey, head.subarray(MAGIC_BYTES))
    const scan = isHeaded ? await new FrameScan(reader, size, seal, verifyData).run() : undefined
    const isOurs = magic === MAGIC.plain || magic === MAGIC.sealed
    if (!scan || (!isOurs && scan.records.length === 0)) {
      await file.close()
      return undefined
    }
    const { rows, records, damaged, endBytes } = scan
    const found = JournalFile.found(folder, name, file, seal, { sizeBytes: endBytes, rows })
    return { file: found, records, damaged, tornBytes: size - endBytes }
  } catch (error) {
    await file.close()
    throw error
  }
}

function placeOf(frame: FrameHead, offset: number): DataPlace {
  return {
    offset: offset + FRAME_HEAD_BYTES + frame.recordBytes,
    sizeBytes: frame.dataBytes,
    index: frame.index,
    crc: frame.dataCrc,
  }
}
