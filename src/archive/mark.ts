import { crc32 } from 'node:zlib'

/** A mark is this long: a number and its checksum. */
export const MARK_BYTES = 8

/** A number of a segment as it is set down in a file of its own. */
export function encodeMark(sequence: number): Uint8Array {
  const bytes = Buffer.alloc(MARK_BYTES)
  bytes.writeUInt32BE(sequence, 0)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 4)), 4)
  return bytes
}

/** The number of a mark; 0 for what is none: a damaged one counts for nothing. */
export function decodeMark(bytes: Uint8Array): number {
  if (bytes.byteLength !== MARK_BYTES) return 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return crc32(bytes.subarray(0, 4)) === view.getUint32(4) ? view.getUint32(0) : 0
}
