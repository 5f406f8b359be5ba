import { ByteWriter } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'

/** AVC: a coded slice of an IDR picture (ITU-T H.264 table 7-1). */
const AVC_IDR = 5
/** HEVC: the first and last type of intra random access point pictures: BLA, IDR, CRA (ITU-T H.265 table 7-1). */
const HEVC_IRAP_FIRST = 16
const HEVC_IRAP_LAST = 21

/** The big-endian length of the NAL unit at `at`, or -1 when the bytes end before it does. */
function nalLength(data: Uint8Array, at: number, lengthSize: number): number {
  const start = at + lengthSize
  if (start > data.byteLength) return -1
  let length = 0
  for (let i = at; i < start; i++) length = length * 256 + (data[i] ?? 0)
  return start + length > data.byteLength ? -1 : length
}

/**
 * Whether a length-prefixed AVC access unit holds an IDR slice; `undefined` when its lengths don't fill it exactly. An
 * open-GOP I picture (recovery point) is no IDR, whatever the encoder flags. Allocates nothing: it runs for every frame.
 */
export function holdsIdr(data: Uint8Array, lengthSize: number): boolean | undefined {
  let found = false
  for (let at = 0; at < data.byteLength; ) {
    const length = nalLength(data, at, lengthSize)
    if (length < 0) return undefined
    at += lengthSize
    if (length > 0 && ((data[at] ?? 0) & 0x1f) === AVC_IDR) found = true
    at += length
  }
  return found
}

/**
 * Whether a length-prefixed HEVC access unit is an intra random access point; `undefined` when its lengths don't fill it
 * exactly. CRA counts: what follows it in decoding order and precedes it in output (RASL) can't be shown after joining there,
 * and decoders drop it. Allocates nothing.
 */
export function holdsIrap(data: Uint8Array, lengthSize: number): boolean | undefined {
  let found = false
  for (let at = 0; at < data.byteLength; ) {
    const length = nalLength(data, at, lengthSize)
    if (length < 0) return undefined
    at += lengthSize
    const type = ((data[at] ?? 0) >>> 1) & 0x3f
    if (length > 0 && type >= HEVC_IRAP_FIRST && type <= HEVC_IRAP_LAST) found = true
    at += length
  }
  return found
}

/** The NAL units of a length-prefixed access unit, as views; lengths that run past the end are a `FormatError`. */
export function splitLengthPrefixed(data: Uint8Array, lengthSize: number, path: string): Uint8Array[] {
  const units: Uint8Array[] = []
  for (let at = 0; at < data.byteLength; ) {
    const length = nalLength(data, at, lengthSize)
    if (length < 0) throw new FormatError(path, at, 'a NAL unit runs past the end')
    at += lengthSize
    if (length > 0) units.push(data.subarray(at, at + length))
    at += length
  }
  return units
}

/** Whether the bytes begin with a start code (ITU-T H.264 annex B): 00 00 01 or 00 00 00 01. */
export function startsWithStartCode(data: Uint8Array): boolean {
  return data[0] === 0 && data[1] === 0 && (data[2] === 1 || (data[2] === 0 && data[3] === 1))
}

/** The NAL units between start codes (ITU-T H.264 annex B), as views, without trailing zero bytes. */
export function splitAnnexB(data: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = []
  let start = -1
  for (let at = 2; at <= data.byteLength; at++) {
    const atEnd = at === data.byteLength
    if (!atEnd && !(data[at] === 1 && data[at - 1] === 0 && data[at - 2] === 0)) continue
    if (start >= 0) {
      let end = atEnd ? at : at - 2
      while (end > start && data[end - 1] === 0) end--
      if (end > start) units.push(data.subarray(start, end))
    }
    start = at + 1
  }
  return units
}

/** A length-prefixed copy of NAL units; a unit too long for `lengthSize` bytes is a `FormatError`. */
export function joinLengthPrefixed(units: readonly Uint8Array[], lengthSize: number, path: string): Uint8Array {
  const out = new ByteWriter(units.reduce((size, unit) => size + lengthSize + unit.byteLength, 0))
  for (const unit of units) {
    if (unit.byteLength >= 256 ** lengthSize) {
      throw new FormatError(path, out.offset, `a NAL unit of ${unit.byteLength} bytes has no ${lengthSize}-byte length`)
    }
    for (let shift = lengthSize - 1; shift >= 0; shift--) out.u8(Math.floor(unit.byteLength / 256 ** shift) & 0xff)
    out.append(unit)
  }
  return out.finish()
}
