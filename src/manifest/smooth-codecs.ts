import { concatBytes } from '../lib/bytes.ts'
import { parseAvcRecord } from '../media/codecs/avc.ts'
import { parseHevcRecord } from '../media/codecs/hevc.ts'
import type { AudioConfig, CodecConfig, VideoConfig } from '../media/media.ts'

/** Attributes of a `QualityLevel` that say what its samples are. */
export type QualityAttributes = Readonly<Record<string, string | number | undefined>>

const START_CODE = new Uint8Array([0, 0, 0, 1])
const USUAL_LENGTH_SIZE = 4
/** NAL unit types of VPS, SPS and PPS (ITU-T H.265 table 7-1). */
const HEVC_PARAMETER_SETS: readonly number[] = [32, 33, 34]

/** WAVE_FORMAT_RAW_AAC1: raw AAC frames with an AudioSpecificConfig. */
const RAW_AAC = 255
/** WAVE_FORMAT_EXTENSIBLE: the format is named by a GUID. */
const EXTENSIBLE = 65_534
const DOLBY_FRAME_SAMPLES = 1_536
/** MEDIASUBTYPE_DOLBY_DDPLUS, in the byte order that a GUID has in memory. */
const EAC3_SUBTYPE = 'AF87FBA7022DFB42A4D405CD93843BDD'
/** MEDIASUBTYPE_DOLBY_AC3, likewise. */
const AC3_SUBTYPE = '2C806DE046DBCF11B4D100805F6CBBEA'
/** Speaker masks of WAVEFORMATEXTENSIBLE for the usual layouts, by number of channels. */
const SPEAKERS: readonly number[] = [0, 0x4, 0x3, 0x7, 0x33, 0x37, 0x3f, 0x13f, 0x63f]

/**
 * What `FourCC`, `CodecPrivateData` and its fellows are of a codec ([MS-SSTR] §2.2.2.5 and its amendment for HEVC; AC-3 and E-AC-3 as
 * AMS wrote them); `undefined` where Smooth Streaming has no name for it.
 */
export function qualityAttributes(config: CodecConfig): QualityAttributes | undefined {
  return config.kind === 'video' ? videoAttributes(config) : audioAttributes(config)
}

function videoAttributes({ codec, record, width, height }: VideoConfig): QualityAttributes | undefined {
  const size = { MaxWidth: width, MaxHeight: height }
  if (codec === 'avc') {
    const { sps, pps, lengthSize } = parseAvcRecord(record)
    return { FourCC: 'H264', ...size, CodecPrivateData: annexB([...sps, ...pps]), ...lengthField(lengthSize) }
  }
  if (codec === 'hevc') {
    const { arrays, lengthSize } = parseHevcRecord(record)
    const sets = HEVC_PARAMETER_SETS.flatMap((type) =>
      arrays.filter(({ nalType }) => nalType === type).flatMap(({ units }) => units),
    )
    return { FourCC: 'HVC1', ...size, CodecPrivateData: annexB(sets), ...lengthField(lengthSize) }
  }
  return undefined
}

function lengthField(lengthSize: number): QualityAttributes {
  return lengthSize === USUAL_LENGTH_SIZE ? {} : { NALUnitLengthField: lengthSize }
}

function annexB(units: readonly Uint8Array[]): string {
  return hexOf(concatBytes(units.flatMap((unit) => [START_CODE, unit])))
}

function audioAttributes({
  codec,
  codecString,
  record,
  sampleRate,
  channels,
}: AudioConfig): QualityAttributes | undefined {
  const sound = { SamplingRate: sampleRate, Channels: channels, BitsPerSample: 16 }
  if (codec === 'aac') {
    const FourCC = { 'mp4a.40.5': 'AACH', 'mp4a.40.29': 'AACP' }[codecString] ?? 'AACL'
    return { FourCC, AudioTag: RAW_AAC, ...sound, PacketSize: 4, CodecPrivateData: hexOf(record) }
  }
  const subtype = { eac3: EAC3_SUBTYPE, ac3: AC3_SUBTYPE }[codec as string]
  if (subtype === undefined) return undefined
  const FourCC = codec === 'eac3' ? 'EC-3' : 'AC-3'
  const CodecPrivateData = extensibleFormat(channels) + subtype + hexOf(record)
  return { FourCC, AudioTag: EXTENSIBLE, ...sound, PacketSize: DOLBY_FRAME_SAMPLES, CodecPrivateData }
}

/** The fields that WAVEFORMATEXTENSIBLE has before its GUID: samples of a block and speakers, little-endian. */
function extensibleFormat(channels: number): string {
  const fields = new DataView(new ArrayBuffer(6))
  fields.setUint16(0, DOLBY_FRAME_SAMPLES, true)
  fields.setUint32(2, SPEAKERS[channels] ?? 0, true)
  return hexOf(new Uint8Array(fields.buffer))
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex').toUpperCase()
}
