import { crc32 } from 'node:zlib'
import { AppError } from '../../lib/errors.ts'
import type { FrameSeal } from '../../protection/frame-seal.ts'
import { parseRecord, recordText } from '../record-text.ts'
import type { JournalRecord } from './journal-head.ts'

/**
 * A frame of a journal: five 32-bit numbers, big-endian (bytes of the record, bytes of the data, the frame's index, CRC-32 of what
 * stands before it and the record, CRC-32 of the data), then the record as JSON and the data. Each half is sealed for itself
 * where the journal is; the checksums are of what is on the disk, so that a torn frame is told from one that was tampered with.
 */
export const FRAME_HEAD_BYTES = 20
const LENGTHS_BYTES = 12
/** A record is small, but for init segments with many parameter sets. */
const MAX_RECORD_BYTES = 0xff_ffff

/** What the head of a frame says. */
export type FrameHead = {
  readonly recordBytes: number
  readonly dataBytes: number
  readonly index: number
  readonly recordCrc: number
  readonly dataCrc: number
}

/** Where a frame's data lies in its file; `sizeBytes` as it is on the disk. */
export type DataPlace = {
  readonly offset: number
  readonly sizeBytes: number
  readonly index: number
  readonly crc: number
}

/** A frame ready to be written: its pieces one after the other, and where its data lies behind its start. */
export type EncodedFrame = {
  readonly pieces: readonly Uint8Array[]
  readonly sizeBytes: number
  readonly data: DataPlace
}

/** @param data where the record has any */
export function encodeFrame(
  index: number,
  record: JournalRecord,
  data: Uint8Array | undefined,
  seal: FrameSeal | undefined,
): EncodedFrame {
  const text = Buffer.from(recordText(record))
  const recordPart = seal ? seal.seal(2 * index, text) : text
  const dataPart = data && (seal ? seal.seal(2 * index + 1, data) : data)
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  const dataBytes = dataPart?.byteLength ?? 0
  head.writeUInt32BE(recordPart.byteLength, 0)
  head.writeUInt32BE(dataBytes, 4)
  head.writeUInt32BE(index, 8)
  head.writeUInt32BE(crc32(recordPart, crc32(head.subarray(0, LENGTHS_BYTES))), 12)
  const crc = dataPart ? crc32(dataPart) : 0
  head.writeUInt32BE(crc, 16)
  const offset = FRAME_HEAD_BYTES + recordPart.byteLength
  return {
    pieces: dataPart ? [head, recordPart, dataPart] : [head, recordPart],
    sizeBytes: offset + dataBytes,
    data: { offset, sizeBytes: dataBytes, index, crc },
  }
}

/** `undefined` where the bytes can't be a head. */
export function parseFrameHead(bytes: Uint8Array): FrameHead | undefined {
  if (bytes.byteLength < FRAME_HEAD_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const recordBytes = view.getUint32(0)
  if (recordBytes === 0 || recordBytes > MAX_RECORD_BYTES) return undefined
  return {
    recordBytes,
    dataBytes: view.getUint32(4),
    index: view.getUint32(8),
    recordCrc: view.getUint32(12),
    dataCrc: view.getUint32(16),
  }
}

/**
 * The record of a frame; `undefined` where it is not what was written.
 *
 * @throws AppError `ARCHIVE_DAMAGED` where it is whole and yet can't be read: sealed under another key, or put there by somebody else
 */
export function openRecord(
  head: FrameHead,
  headBytes: Uint8Array,
  recordPart: Uint8Array,
  seal: FrameSeal | undefined,
): JournalRecord | undefined {
  if (crc32(recordPart, crc32(headBytes.subarray(0, LENGTHS_BYTES))) !== head.recordCrc) return undefined
  const text = seal ? seal.open(2 * head.index, recordPart) : recordPart
  if (!text) throw new AppError('ARCHIVE_DAMAGED', 'A journal is sealed under another key, or was tampered with.')
  return parseRecord<JournalRecord>(Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('utf8'))
}

/** The data of a frame, from its bytes on the disk; `undefined` where they are not what was written. */
export function openData(
  { index, crc, sizeBytes }: DataPlace,
  dataPart: Uint8Array,
  seal: FrameSeal | undefined,
): Uint8Array | undefined {
  if (dataPart.byteLength !== sizeBytes || crc32(dataPart) !== crc) return undefined
  return seal ? seal.open(2 * index + 1, dataPart) : dataPart
}
