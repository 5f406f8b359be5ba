import { ByteReader } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import type { VideoConfig } from '../media.ts'
import { frameRateProperty } from './frame-rate.ts'
import { parseHevcSps } from './hevc-sps.ts'

/** An HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1); the parameter sets are views on it. */
export type HevcRecord = {
  readonly profileSpace: number
  readonly highTier: boolean
  readonly profile: number
  readonly compatibility: number
  /** general_constraint_indicator_flags, 6 bytes. */
  readonly constraints: Uint8Array
  readonly level: number
  /** Bytes of a NAL unit's length: 1, 2 or 4. */
  readonly lengthSize: number
  readonly arrays: readonly { readonly nalType: number; readonly units: readonly Uint8Array[] }[]
}

const SPS = 33

/** Reads the payload of `hvcC`. */
export function parseHevcRecord(record: Uint8Array): HevcRecord {
  const reader = new ByteReader(record, 'hvcC')
  // Version 0 was written by encoders that followed the draft; the layout is the same.
  if (reader.u8() > 1) throw new FormatError('hvcC', 0, 'configurationVersion is neither 0 nor 1')
  const profileByte = reader.u8()
  const compatibility = reader.u32()
  const constraints = reader.take(6)
  const level = reader.u8()
  reader.skip(8)
  const lengthSize = (reader.u8() & 3) + 1
  if (lengthSize === 3) throw new FormatError('hvcC', 21, 'NAL unit lengths of 3 bytes')
  const arrays: { nalType: number; units: Uint8Array[] }[] = []
  for (let left = reader.u8(); left > 0; left--) {
    const nalType = reader.u8() & 0x3f
    const units: Uint8Array[] = []
    for (let count = reader.u16(); count > 0; count--) units.push(reader.take(reader.u16()))
    arrays.push({ nalType, units })
  }
  return {
    profileSpace: profileByte >>> 6,
    highTier: (profileByte & 0x20) !== 0,
    profile: profileByte & 0x1f,
    compatibility,
    constraints,
    level,
    lengthSize,
    arrays,
  }
}

/** The configuration that an `hvcC` payload describes; `record` is kept, not copied. */
export function hevcConfig(record: Uint8Array): VideoConfig {
  const parsed = parseHevcRecord(record)
  const first = parsed.arrays.find((array) => array.nalType === SPS)?.units[0]
  if (first === undefined) throw new FormatError('hvcC', 22, 'no sequence parameter set')
  const sps = parseHevcSps(first, 'hvcC/sps[0]')
  return {
    kind: 'video',
    codec: 'hevc',
    record,
    width: sps.width,
    height: sps.height,
    codecString: hevcCodecString(parsed),
    ...frameRateProperty(sps.frameRate),
  }
}

/** The `hvc1` form of ISO/IEC 14496-15 annex E: trailing zero bytes of the constraints are left out. */
function hevcCodecString(record: HevcRecord): string {
  const space = ['', 'A', 'B', 'C'][record.profileSpace] ?? ''
  const tier = record.highTier ? 'H' : 'L'
  let kept = record.constraints.byteLength
  while (kept > 0 && record.constraints[kept - 1] === 0) kept--
  const constraints = Array.from(record.constraints.subarray(0, kept), (byte) => `.${byte.toString(16).toUpperCase()}`)
  const compatibility = reverseBits(record.compatibility).toString(16).toUpperCase()
  return `hvc1.${space}${record.profile}.${compatibility}.${tier}${record.level}${constraints.join('')}`
}

function reverseBits(value: number): number {
  let reversed = 0
  for (let bit = 0; bit < 32; bit++) reversed = (reversed << 1) | ((value >>> bit) & 1)
  return reversed >>> 0
}
