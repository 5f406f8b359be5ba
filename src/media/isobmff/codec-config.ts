import { ByteReader } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import { aacConfig } from '../codecs/aac.ts'
import { AC3_CHANNELS, AC3_RATES } from '../codecs/ac3.ts'
import { av1Config } from '../codecs/av1.ts'
import { avcConfig } from '../codecs/avc.ts'
import { BitReader } from '../codecs/bit-reader.ts'
import { flacConfig } from '../codecs/flac.ts'
import { hevcConfig } from '../codecs/hevc.ts'
import { vp9Config } from '../codecs/vp9.ts'
import type { AudioCodec, AudioConfig, VideoCodec, VideoConfig } from '../media.ts'

/** What a visual sample entry says besides the record; `path` is where the record stands, for errors. */
export type VideoEntryFields = { readonly width: number; readonly height: number; readonly path: string }

/** What an audio sample entry says besides the record. `sampleRate` is 0 where the field can't hold it. */
export type AudioEntryFields = { readonly channels: number; readonly sampleRate: number; readonly path: string }

/** Version and flags, which `dfLa` has before its metadata blocks. */
const FULL_BOX_BYTES = 4
const SYNCFRAME_SAMPLES = 1536
const LOWEST_MPEG1_RATE = 32_000

/**
 * The configuration of a sample entry: the codec's own record, and the size that the entry gives. Whatever a record has
 * wrong is a `FormatError` at `fields.path`.
 */
export function videoConfigOf(codec: VideoCodec, record: Uint8Array, fields: VideoEntryFields): VideoConfig {
  return located(fields.path, () => {
    const { width, height } = fields
    if (codec === 'avc') return { ...avcConfig(record), width, height }
    if (codec === 'hevc') return { ...hevcConfig(record), width, height }
    if (codec === 'vp9') return vp9Config(record, width, height)
    const config = av1Config(record)
    return config === undefined ? av1ConfigOfHeader(record, fields) : { ...config, width, height }
  })
}

/**
 * The configuration of an audio sample entry. Where record and entry disagree the record is believed: `channelcount` and
 * `samplerate` are mere templates for several codecs. Whatever a record has wrong is a `FormatError` at `fields.path`.
 */
export function audioConfigOf(codec: AudioCodec, record: Uint8Array, fields: AudioEntryFields): AudioConfig {
  return located(fields.path, () => {
    if (codec === 'aac') return aacConfig(record)
    if (codec === 'flac') return { ...flacConfig(record.subarray(FULL_BOX_BYTES)), record }
    if (codec === 'opus') return opusConfigOf(record)
    if (codec === 'ac3') return dolbyConfig(codec, 'ac-3', record, readDac3(record))
    if (codec === 'eac3') return dolbyConfig(codec, 'ec-3', record, readDec3(record))
    return mp3ConfigOf(record, fields)
  })
}

function located<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new FormatError(path, 0, cause instanceof Error ? cause.message : 'unreadable record', { cause })
  }
}

/** From the four bytes of `av1C` alone (AV1 in ISOBMFF §2.3), for files whose sequence header is in band only. */
function av1ConfigOfHeader(record: Uint8Array, { width, height, path }: VideoEntryFields): VideoConfig {
  const bits = new BitReader(record, path)
  bits.skip(8)
  const profile = bits.bits(3)
  const level = bits.bits(5).toString().padStart(2, '0')
  const tier = bits.flag() ? 'H' : 'M'
  const highDepth = bits.flag()
  const depth = highDepth ? (bits.flag() ? '12' : '10') : '08'
  const codecString = `av01.${profile}.${level}${tier}.${depth}`
  return { kind: 'video', codec: 'av1', record, width, height, codecString }
}

/** MP3 has no record; its frames say what the entry says too. */
function mp3ConfigOf(record: Uint8Array, { channels, sampleRate, path }: AudioEntryFields): AudioConfig {
  if (channels === 0 || sampleRate === 0) throw new FormatError(path, 0, `${channels} channels at ${sampleRate} Hz`)
  const samplesPerFrame = sampleRate < LOWEST_MPEG1_RATE ? 576 : 1152
  return { kind: 'audio', codec: 'mp3', record, sampleRate, channels, samplesPerFrame, codecString: 'mp4a.6B' }
}

/** `dOps` (Opus in ISOBMFF §4.3.2). Opus is counted at 48 kHz whatever rate went into the encoder. */
function opusConfigOf(record: Uint8Array): AudioConfig {
  const reader = new ByteReader(record, 'dOps')
  if (reader.u8() !== 0) reader.fail('version is not 0')
  const channels = reader.u8()
  if (channels === 0) reader.fail('no channels')
  reader.skip(8)
  if (reader.u8() !== 0) reader.skip(2 + channels)
  return { kind: 'audio', codec: 'opus', record, sampleRate: 48_000, channels, samplesPerFrame: 0, codecString: 'opus' }
}

type DolbyFields = { readonly fscod: number; readonly acmod: number; readonly lfe: boolean; readonly extra: number }

/** `dac3` (ETSI TS 102 366 §F.4). */
function readDac3(record: Uint8Array): DolbyFields {
  const bits = new BitReader(record, 'dac3')
  const fscod = bits.bits(2)
  bits.skip(8)
  return { fscod, acmod: bits.bits(3), lfe: bits.flag(), extra: 0 }
}

/** Channels that a dependent substream adds, by bit of `chan_loc` (ETSI TS 102 366 table F.6.1), least significant first. */
const CHANNELS_BY_LOCATION: readonly number[] = [2, 2, 1, 1, 2, 2, 2, 1, 1]

/** `dec3` (ETSI TS 102 366 §F.6), of which the first independent substream is the program that is played. */
function readDec3(record: Uint8Array): DolbyFields {
  const bits = new BitReader(record, 'dec3')
  bits.skip(16)
  const fscod = bits.bits(2)
  bits.skip(10)
  const acmod = bits.bits(3)
  const lfe = bits.flag()
  bits.skip(3)
  const locations = bits.bits(4) > 0 ? bits.bits(9) : 0
  const extra = CHANNELS_BY_LOCATION.reduce((sum, count, bit) => sum + ((locations >>> bit) & 1) * count, 0)
  return { fscod, acmod, lfe, extra }
}

function dolbyConfig(codec: 'ac3' | 'eac3', codecString: string, record: Uint8Array, fields: DolbyFields): AudioConfig {
  const sampleRate = AC3_RATES[fields.fscod]
  if (sampleRate === undefined) throw new FormatError(codecString, 0, 'a reserved sample rate')
  const channels = (AC3_CHANNELS[fields.acmod] ?? 0) + (fields.lfe ? 1 : 0) + fields.extra
  return { kind: 'audio', codec, record, sampleRate, channels, samplesPerFrame: SYNCFRAME_SAMPLES, codecString }
}
