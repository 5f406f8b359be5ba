import { ByteReader } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import type { VideoConfig } from '../media.ts'
import { BitReader } from './bit-reader.ts'

/** The fields of a VPCodecConfigurationRecord (VP Codec ISO Media File Format Binding §2.2). */
export type Vp9Record = {
  readonly profile: number
  /** Ten times the level; 0 is unknown. */
  readonly level: number
  readonly bitDepth: number
  readonly chromaSubsampling: number
  readonly fullRange: boolean
  readonly primaries: number
  readonly transfer: number
  readonly matrix: number
}

/** The start of a frame's uncompressed header (VP9 bitstream §6.2); the size is a key frame's. */
export type Vp9Header =
  | { readonly key: false }
  | { readonly key: true; readonly width: number; readonly height: number }

const FRAME_MARKER = 2
const SYNC_CODE = 0x498342
const COLOR_SPACE_RGB = 7
const FULL_BOX_HEADER = Uint8Array.of(1, 0, 0, 0)
const RECORD_BYTES = 8
const INTER: Vp9Header = { key: false }

/**
 * Levels by the largest luma picture they allow (VP9 levels, annex A), for records that leave the level out. The sample rate
 * also limits a level; a picture's size alone gives the lowest one that can decode it.
 */
const LEVELS: readonly (readonly [lumaSamples: number, level: number])[] = [
  [36_864, 10],
  [73_728, 11],
  [122_880, 20],
  [245_760, 21],
  [552_960, 30],
  [983_040, 31],
  [2_228_224, 40],
  [8_912_896, 50],
  [35_651_584, 60],
]

/**
 * The payload of `vpcC` with its version and flags, as the sample entry carries it. Encoders send the record with or
 * without these four bytes; the record itself never begins with 01 00 00 00 at this length. A broken record is a
 * `FormatError`.
 */
export function vp9RecordPayload(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes, 'vpcC')
  const full = bytes.byteLength >= RECORD_BYTES + 4 && reader.u32() === 0x0100_0000
  const record = full ? bytes.subarray(4) : bytes
  if (record.byteLength < RECORD_BYTES) throw new FormatError('vpcC', bytes.byteLength, 'the record ends early')
  const payload = new Uint8Array(FULL_BOX_HEADER.byteLength + record.byteLength)
  payload.set(FULL_BOX_HEADER)
  payload.set(record, FULL_BOX_HEADER.byteLength)
  parseVp9Record(payload)
  return payload
}

/** Reads the payload of `vpcC`, version and flags included. */
export function parseVp9Record(payload: Uint8Array): Vp9Record {
  const reader = new ByteReader(payload, 'vpcC')
  if (reader.u8() !== 1) throw new FormatError('vpcC', 0, 'version is not 1')
  reader.skip(3)
  const profile = reader.u8()
  if (profile > 3) throw new FormatError('vpcC', 4, `profile ${profile}`)
  const level = reader.u8()
  const depths = reader.u8()
  const record = {
    profile,
    level,
    bitDepth: depths >>> 4,
    chromaSubsampling: (depths >>> 1) & 7,
    fullRange: (depths & 1) === 1,
    primaries: reader.u8(),
    transfer: reader.u8(),
    matrix: reader.u8(),
  }
  reader.skip(reader.u16())
  return record
}

/** Reads the head of a frame (for a superframe: of its first frame). Anything that isn't VP9 is a `FormatError`. */
export function readVp9Header(data: Uint8Array, path: string): Vp9Header {
  const first = data[0]
  if (first === undefined || first >>> 6 !== FRAME_MARKER) throw new FormatError(path, 0, 'no VP9 frame marker')
  const bits = new BitReader(data, path)
  bits.skip(2)
  const profile = bits.bits(1) + 2 * bits.bits(1)
  if (profile === 3) bits.skip(1)
  const showsExisting = bits.flag()
  if (showsExisting || bits.flag()) return INTER
  bits.skip(2)
  if (bits.bits(24) !== SYNC_CODE) bits.fail('no sync code in a key frame')
  if (profile >= 2) bits.skip(1)
  if (bits.bits(3) !== COLOR_SPACE_RGB) {
    bits.skip(profile === 1 || profile === 3 ? 4 : 1)
  } else if (profile === 1 || profile === 3) {
    bits.skip(1)
  }
  return { key: true, width: bits.bits(16) + 1, height: bits.bits(16) + 1 }
}

/** The configuration of a `vpcC` payload (with version and flags; kept, not copied), which has no size: a key frame gives that. */
export function vp9Config(payload: Uint8Array, width: number, height: number): VideoConfig {
  return {
    kind: 'video',
    codec: 'vp9',
    record: payload,
    width,
    height,
    codecString: vp9CodecString(parseVp9Record(payload), width * height),
  }
}

/** VP binding §5: the optional part is written whole, and only where a value differs from its default. */
function vp9CodecString(record: Vp9Record, lumaSamples: number): string {
  const level = record.level || (LEVELS.find(([largest]) => lumaSamples <= largest)?.[1] ?? 62)
  const short = `vp09.${two(record.profile)}.${two(level)}.${two(record.bitDepth)}`
  const colour = [record.primaries, record.transfer, record.matrix].map((point) =>
    two(point === UNSPECIFIED ? 1 : point),
  )
  // Both 4:2:0 layouts (vertical and colocated) are plain 4:2:0 to whoever asks whether it can be decoded.
  const chroma = record.chromaSubsampling === 0 ? 1 : record.chromaSubsampling
  const optional = `.${two(chroma)}.${colour.join('.')}.${record.fullRange ? '01' : '00'}`
  return optional === '.01.01.01.01.00' ? short : short + optional
}

const UNSPECIFIED = 2

function two(value: number): string {
  return value.toString().padStart(2, '0')
}
