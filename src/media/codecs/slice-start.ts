import { FormatError } from '../../lib/errors.ts'
import { BitReader, removeEmulationPrevention } from './bit-reader.ts'

/** Most slice headers end within this; weighted prediction and entry points make longer ones. */
const FIRST_TRY_BYTES = 64

/**
 * The bytes of a NAL unit up to the end of its slice header, the last one whole: what `skipHeader` passes over, from the NAL unit's
 * first byte on, counted as it is stored, with emulation prevention. @throws FormatError where the header doesn't end in the unit
 */
export function sliceDataStart(nal: Uint8Array, path: string, skipHeader: (bits: BitReader) => void): number {
  if (nal.byteLength > FIRST_TRY_BYTES) {
    try {
      return startWithin(nal.subarray(0, FIRST_TRY_BYTES), path, skipHeader)
    } catch (thrown) {
      // A longer header: all of the unit is looked at then, which costs a copy.
      if (!(thrown instanceof FormatError)) throw thrown
    }
  }
  return startWithin(nal, path, skipHeader)
}

function startWithin(nal: Uint8Array, path: string, skipHeader: (bits: BitReader) => void): number {
  const raw = removeEmulationPrevention(nal)
  const bits = new BitReader(raw, path)
  skipHeader(bits)
  const rawBytes = raw.byteLength - Math.floor(bits.remaining / 8)
  return raw === nal ? rawBytes : storedBytes(nal, rawBytes)
}

/** How many stored bytes hold the first `rawBytes` of the raw byte sequence. */
function storedBytes(nal: Uint8Array, rawBytes: number): number {
  let left = rawBytes
  let zeros = 0
  let at = 0
  for (; left > 0; at++) {
    const byte = nal[at] ?? 0
    if (byte === 3 && zeros >= 2) {
      zeros = 0
      continue
    }
    zeros = byte === 0 ? zeros + 1 : 0
    left--
  }
  return at
}

/** The bits that numbers below `count` take: Ceil(Log2(count)). */
export function bitsForCount(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1)
}
