import { FormatError } from '../../lib/errors.ts'
import { parseAvcRecord } from '../codecs/avc.ts'
import { parseHevcRecord } from '../codecs/hevc.ts'
import type { VideoConfig } from '../media.ts'
import type { Piece } from './packet-writer.ts'

/** How the pictures of a track are put into a byte stream (ITU-T H.264 and H.265 annex B; ISO/IEC 13818-1 §2.14, §2.17). */
export type ByteStreamForm = {
  /** Bytes of the length before each stored NAL unit. */
  readonly lengthSize: number
  /** Goes before every picture: the access unit delimiter. */
  readonly delimiter: Piece
  /** Goes before a random access point: delimiter and parameter sets. */
  readonly introduction: Piece
  /** Whether a NAL unit is a delimiter, by its first byte: the encoder's own are left out. */
  readonly isDelimiter: (firstByte: number) => boolean
}

const START_CODE = Uint8Array.of(0, 0, 0, 1)
const startCode: Piece = { bytes: START_CODE, from: 0, to: 4 }
/** Of any type of picture. */
const AVC_DELIMITER = Uint8Array.of(9, 0xf0)
const HEVC_DELIMITER = Uint8Array.of(35 << 1, 1, 0x50)

/** The form of a track. @throws AppError `MEDIA_UNSUPPORTED`, FormatError */
export function byteStreamForm({ codec, record }: VideoConfig): ByteStreamForm {
  if (codec === 'hevc') {
    const { lengthSize, arrays } = parseHevcRecord(record)
    // VPS, SPS, PPS are numbered in the order in which they have to come, and the SEI messages that a record may hold come behind.
    const units = [...arrays].sort((a, b) => a.nalType - b.nalType).flatMap((array) => array.units)
    return form(lengthSize, HEVC_DELIMITER, units, (byte) => ((byte >>> 1) & 0x3f) === 35)
  }
  const { lengthSize, sps, pps } = parseAvcRecord(record)
  return form(lengthSize, AVC_DELIMITER, [...sps, ...pps], (byte) => (byte & 0x1f) === 9)
}

function form(
  lengthSize: number,
  delimiter: Uint8Array,
  units: readonly Uint8Array[],
  isDelimiter: (firstByte: number) => boolean,
): ByteStreamForm {
  return { lengthSize, delimiter: joined([delimiter]), introduction: joined([delimiter, ...units]), isDelimiter }
}

function joined(units: readonly Uint8Array[]): Piece {
  const bytes = Uint8Array.from(units.flatMap((unit) => [...START_CODE, ...unit]))
  return { bytes, from: 0, to: bytes.byteLength }
}

/**
 * A picture that lies length-prefixed from `from` to before `to`, as the pieces of its byte stream. NAL units stay as they are,
 * emulation prevention and all. @throws FormatError where a length runs past the end
 */
export function byteStreamPieces(
  bytes: Uint8Array,
  from: number,
  to: number,
  form: ByteStreamForm,
  randomAccess: boolean,
): Piece[] {
  const { lengthSize, isDelimiter } = form
  const pieces = [randomAccess ? form.introduction : form.delimiter]
  for (let at = from; at < to; ) {
    const start = at + lengthSize
    let length = 0
    for (; at < start; at++) length = length * 256 + (bytes[at] ?? 0)
    if (start + length > to) throw new FormatError('sample', start, 'a NAL unit runs past the end')
    at = start + length
    if (length > 0 && !isDelimiter(bytes[start] ?? 0)) pieces.push(startCode, { bytes, from: start, to: at })
  }
  return pieces
}
