import { FormatError } from '../../lib/errors.ts'
import { type Box, findBox, openFullBox, requireBox } from './boxes.ts'

/** A table of equally long entries, big-endian as the file has them. */
export type TableView = { readonly entries: number; readonly view: DataView }

/** The sizes of all samples (ISO/IEC 14496-12 §8.7.3): one for all, or each on its own. */
export type SizeTable = {
  readonly entries: number
  /** Bytes of every sample; 0 where each has its own. */
  readonly fixedBytes: number
  /** Bits of an entry: 4, 8, 16 or 32. */
  readonly fieldBits: number
  readonly view: DataView
}

/** Where and when the samples of a track are, as views on a file's own tables: nothing is copied, no sample is an object. */
export type SampleTables = {
  /** `stts`: count and duration. */
  readonly durations: TableView
  /** `ctts`: count and composition offset, which is signed whatever the version says; absent: all 0. */
  readonly compositions: TableView | undefined
  readonly sizes: SizeTable
  /** `stsc`: first chunk, samples in each, sample description; chunks and descriptions count from 1. */
  readonly chunkRuns: TableView
  /** `stco` or `co64`. */
  readonly chunkOffsets: TableView & { readonly fieldBytes: 4 | 8 }
  /** `stss`: numbers of sync samples, from 1; absent: every sample is one. */
  readonly syncSamples: TableView | undefined
}

/** Far more than a day of the shortest frames there are; a table without a byte per sample could claim any number. */
export const MAX_TRACK_SAMPLES = 16_000_000

const NO_BYTES = new DataView(new ArrayBuffer(0))

/** The tables of a `stbl` (ISO/IEC 14496-12 §8.6, §8.7). Counts that the bytes can't hold are a `FormatError`. */
export function readSampleTables(boxes: readonly Box[], path: string): SampleTables {
  const sizes = readSizes(boxes, path)
  if (sizes.entries > MAX_TRACK_SAMPLES) {
    throw new FormatError(path, 0, `${sizes.entries} samples, at most ${MAX_TRACK_SAMPLES} can be`)
  }
  const compositions = findBox(boxes, 'ctts')
  const syncSamples = findBox(boxes, 'stss')
  const large = findBox(boxes, 'co64')
  const offsets = large ?? requireBox(boxes, 'stco', path)
  const fieldBytes = large === undefined ? 4 : 8
  return {
    durations: readTable(requireBox(boxes, 'stts', path), 8),
    compositions: compositions && readTable(compositions, 8),
    sizes,
    chunkRuns: readTable(requireBox(boxes, 'stsc', path), 12),
    chunkOffsets: { ...readTable(offsets, fieldBytes), fieldBytes },
    syncSamples: syncSamples && readTable(syncSamples, 4),
  }
}

/** How many samples the tables of a `stbl` have; 0 without any, as in a fragmented file. */
export function countSamples(boxes: readonly Box[], path: string): number {
  const has = findBox(boxes, 'stsz') ?? findBox(boxes, 'stz2')
  return has === undefined ? 0 : readSizes(boxes, path).entries
}

function readTable(box: Box, entryBytes: number): TableView {
  const { reader } = openFullBox(box)
  const entries = reader.u32()
  const view = viewOf(reader.rest())
  if (entries * entryBytes > view.byteLength) reader.fail(`${entries} entries in ${view.byteLength} bytes`)
  return { entries, view }
}

function readSizes(boxes: readonly Box[], path: string): SizeTable {
  const compact = findBox(boxes, 'stz2')
  if (compact !== undefined && findBox(boxes, 'stsz') === undefined) return readCompactSizes(compact)
  const { reader } = openFullBox(requireBox(boxes, 'stsz', path))
  const fixedBytes = reader.u32()
  const entries = reader.u32()
  if (fixedBytes > 0) return { entries, fixedBytes, fieldBits: 32, view: NO_BYTES }
  const view = viewOf(reader.rest())
  if (entries * 4 > view.byteLength) reader.fail(`${entries} entries in ${view.byteLength} bytes`)
  return { entries, fixedBytes: 0, fieldBits: 32, view }
}

/** `stz2` (§8.7.3.3), whose entries take 4, 8 or 16 bits. */
function readCompactSizes(box: Box): SizeTable {
  const { reader } = openFullBox(box)
  reader.skip(3)
  const fieldBits = reader.u8()
  if (fieldBits !== 4 && fieldBits !== 8 && fieldBits !== 16) reader.fail(`sizes of ${fieldBits} bits`)
  const entries = reader.u32()
  const view = viewOf(reader.rest())
  if (Math.ceil((entries * fieldBits) / 8) > view.byteLength) {
    reader.fail(`${entries} entries in ${view.byteLength} bytes`)
  }
  return { entries, fixedBytes: 0, fieldBits, view }
}

/** The size of a sample that the table has. */
export function sampleBytes({ fixedBytes, fieldBits, view }: SizeTable, sample: number): number {
  if (fixedBytes > 0) return fixedBytes
  if (fieldBits === 32) return view.getUint32(sample * 4)
  if (fieldBits === 16) return view.getUint16(sample * 2)
  if (fieldBits === 8) return view.getUint8(sample)
  const both = view.getUint8(sample >> 1)
  return sample & 1 ? both & 15 : both >> 4
}

/**
 * Finds in the tables what no file has: samples without a duration or a place, chunks out of order in `stsc`; and gives how long all
 * samples last, in ticks. Takes a few nanoseconds an entry.
 */
export function checkSampleTables(tables: SampleTables, path: string): number {
  checkChunks(tables, path)
  checkSyncSamples(tables, path)
  return sumDurations(tables, path)
}

function sumDurations({ durations, sizes }: SampleTables, path: string): number {
  let left = sizes.entries
  let ticks = 0
  for (let i = 0; i < durations.entries && left > 0; i++) {
    const count = Math.min(left, durations.view.getUint32(i * 8))
    ticks += count * durations.view.getUint32(i * 8 + 4)
    left -= count
  }
  if (left > 0) throw new FormatError(`${path}/stts`, 0, `${left} samples have no duration`)
  if (!Number.isSafeInteger(ticks)) throw new FormatError(`${path}/stts`, 0, 'times past 2^53 - 1')
  return ticks
}

function checkChunks({ chunkRuns, chunkOffsets, sizes }: SampleTables, path: string): void {
  let placed = 0
  for (let i = 0; i < chunkRuns.entries; i++) {
    const first = chunkRuns.view.getUint32(i * 12)
    const isLast = i + 1 === chunkRuns.entries
    const next = isLast ? chunkOffsets.entries + 1 : chunkRuns.view.getUint32(i * 12 + 12)
    if ((i === 0 && first !== 1) || (next <= first && !(isLast && next === first))) {
      throw new FormatError(`${path}/stsc`, 8 + i * 12, `chunk ${first}, and then ${next}`)
    }
    placed += (next - first) * chunkRuns.view.getUint32(i * 12 + 4)
  }
  if (placed < sizes.entries) {
    throw new FormatError(`${path}/stsc`, 8, `${sizes.entries} samples, of which chunks hold ${placed}`)
  }
}

function checkSyncSamples({ syncSamples, sizes }: SampleTables, path: string): void {
  let before = 0
  for (let i = 0; i < (syncSamples?.entries ?? 0); i++) {
    const number = syncSamples?.view.getUint32(i * 4) ?? 0
    if (number <= before || number > sizes.entries) {
      throw new FormatError(`${path}/stss`, 8 + i * 4, `sync sample ${number} after ${before}, of ${sizes.entries}`)
    }
    before = number
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
