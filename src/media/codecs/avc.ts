import { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import type { VideoConfig } from '../media.ts'
import { parseAvcSps } from './avc-sps.ts'
import { frameRateProperty } from './frame-rate.ts'
import { splitAnnexB } from './nal-units.ts'

/** An AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1); the parameter sets are views on it. */
export type AvcRecord = {
  /** Bytes of a NAL unit's length: 1, 2 or 4. */
  readonly lengthSize: number
  readonly sps: readonly Uint8Array[]
  readonly pps: readonly Uint8Array[]
}

const SPS = 7
const PPS = 8
const SPS_EXTENSION = 13
/** Baseline, Main and Extended: what their records say ends with the PPS. */
const PLAIN_PROFILES: ReadonlySet<number> = new Set([66, 77, 88])

/** Reads the payload of `avcC`. What follows the PPS (chroma format, SPS extensions) is left unread: some encoders omit it. */
export function parseAvcRecord(record: Uint8Array): AvcRecord {
  const reader = new ByteReader(record, 'avcC')
  if (reader.u8() !== 1) throw new FormatError('avcC', 0, 'configurationVersion is not 1')
  reader.skip(3)
  const lengthSize = (reader.u8() & 3) + 1
  if (lengthSize === 3) throw new FormatError('avcC', 4, 'NAL unit lengths of 3 bytes')
  const sps = readParameterSets(reader, reader.u8() & 0x1f)
  const pps = readParameterSets(reader, reader.u8())
  return { lengthSize, sps, pps }
}

function readParameterSets(reader: ByteReader, count: number): Uint8Array[] {
  const sets: Uint8Array[] = []
  for (let i = 0; i < count; i++) sets.push(reader.take(reader.u16()))
  return sets
}

/** The configuration that an `avcC` payload describes; `record` is kept, not copied. */
export function avcConfig(record: Uint8Array): VideoConfig {
  const first = parseAvcRecord(record).sps[0]
  if (first === undefined) throw new FormatError('avcC', 5, 'no sequence parameter set')
  const sps = parseAvcSps(first, 'avcC/sps[0]')
  return {
    kind: 'video',
    codec: 'avc',
    record,
    width: sps.width,
    height: sps.height,
    codecString: `avc1.${hex(sps.profile)}${hex(sps.constraints)}${hex(sps.level)}`,
    ...frameRateProperty(sps.frameRate),
  }
}

/**
 * An `avcC` payload (4-byte lengths) out of SPS and PPS in Annex B form, which some encoders send as their sequence header.
 * Bytes without both are a `FormatError`.
 */
export function avcRecordFromAnnexB(data: Uint8Array): Uint8Array {
  const units = splitAnnexB(data)
  const ofType = (type: number) => units.filter((unit) => ((unit[0] ?? 0) & 0x1f) === type)
  const [sps, pps, extensions] = [ofType(SPS), ofType(PPS), ofType(SPS_EXTENSION)]
  const first = sps[0]
  if (first === undefined || first.byteLength < 4 || pps.length === 0) {
    throw new FormatError('avcC', 0, 'start codes without an SPS and a PPS')
  }
  if (sps.length > 31 || pps.length > 255 || extensions.length > 255 || data.byteLength > 0xffff) {
    throw new FormatError('avcC', 0, 'more parameter sets than the record can hold')
  }
  const out = new ByteWriter(data.byteLength + 64)
  out.u8(1)
  out.append(first.subarray(1, 4))
  out.u8(0xff)
  out.u8(0xe0 | sps.length)
  writeParameterSets(out, sps)
  out.u8(pps.length)
  writeParameterSets(out, pps)
  if (!PLAIN_PROFILES.has(first[1] ?? 0)) writeHighFields(out, first, extensions)
  return out.finish()
}

/** What the record has of the High profiles behind its PPS (ISO/IEC 14496-15 §5.3.3.1.2). */
function writeHighFields(out: ByteWriter, sps: Uint8Array, extensions: readonly Uint8Array[]): void {
  const { chromaFormat, lumaBits, chromaBits } = parseAvcSps(sps, 'avcC/sps[0]')
  if (lumaBits > 15 || chromaBits > 15)
    throw new FormatError('avcC/sps[0]', 0, 'more bits a sample than the record can say')
  out.u8(0xfc | chromaFormat)
  out.u8(0xf8 | (lumaBits - 8))
  out.u8(0xf8 | (chromaBits - 8))
  out.u8(extensions.length)
  writeParameterSets(out, extensions)
}

function writeParameterSets(out: ByteWriter, sets: readonly Uint8Array[]): void {
  for (const set of sets) {
    out.u16(set.byteLength)
    out.append(set)
  }
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
