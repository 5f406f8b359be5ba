import { AppError, FormatError } from '../../lib/errors.ts'
import type { AudioConfig } from '../media.ts'
import { BitReader } from './bit-reader.ts'

/** Sampling frequencies by index (ISO/IEC 14496-3 table 1.18); index 15 is followed by the rate itself. */
export const AAC_SAMPLE_RATES: readonly number[] = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
]
const EXPLICIT_RATE = 15

/** Channels by channelConfiguration (ISO/IEC 14496-3 table 1.19); 0 is followed by a program config element. */
const CHANNELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8]

/** Audio object types (ISO/IEC 14496-3 table 1.17) whose frames are plain 1024 or 960 samples: Main, LC, SSR, LTP, ER LC. */
const GENERAL_AUDIO: ReadonlySet<number> = new Set([1, 2, 3, 4, 17])
const FIRST_ERROR_RESILIENT = 17
const SBR = 5
const PARAMETRIC_STEREO = 29
const SYNC_SBR = 0x2b7
const SYNC_PS = 0x548

type Extension = { objectType: number; sampleRate: number; parametricStereo: boolean }

/**
 * The configuration that an AudioSpecificConfig describes (ISO/IEC 14496-3 §1.6.2.1); `record` is kept, not copied.
 *
 * With SBR signalled (either way of ISO/IEC 14496-3 §1.6.5), `sampleRate` is the output rate and a frame has 2048 samples
 * of it. Implicit HE-AAC can't be told from LC here, so it counts in core samples: 1024 at the core rate, which is the same time.
 *
 * Broken bytes are a `FormatError`; object types other than Main, LC, SSR, LTP and their SBR/PS forms are `MEDIA_UNSUPPORTED`.
 */
export function aacConfig(record: Uint8Array): AudioConfig {
  const bits = new BitReader(record, 'AudioSpecificConfig')
  let objectType = readObjectType(bits)
  const coreRate = readSampleRate(bits)
  const channelConfiguration = bits.bits(4)
  let extension: Extension | undefined
  if (objectType === SBR || objectType === PARAMETRIC_STEREO) {
    extension = { objectType, sampleRate: readSampleRate(bits), parametricStereo: objectType === PARAMETRIC_STEREO }
    objectType = readObjectType(bits)
  }
  if (!GENERAL_AUDIO.has(objectType)) {
    throw new AppError('MEDIA_UNSUPPORTED', `AAC with audio object type ${objectType} can't be played by browsers.`)
  }
  const { coreFrame, programChannels } = readGeneralAudio(bits, objectType, channelConfiguration)
  extension ??= readSyncExtension(bits)
  const coreChannels = channelConfiguration === 0 ? programChannels : (CHANNELS[channelConfiguration] ?? 0)
  if (coreChannels === 0)
    throw new FormatError(bits.path, 0, `channel configuration ${channelConfiguration} has no channels`)
  const ratio = (extension?.sampleRate ?? coreRate) / coreRate
  if (ratio !== 1 && ratio !== 2)
    throw new FormatError(bits.path, 0, 'the SBR rate is neither the core rate nor twice it')
  return {
    kind: 'audio',
    codec: 'aac',
    record,
    sampleRate: coreRate * ratio,
    channels: coreChannels === 1 && extension?.parametricStereo === true ? 2 : coreChannels,
    samplesPerFrame: coreFrame * ratio,
    codecString: `mp4a.40.${extension?.objectType ?? objectType}`,
  }
}

function readObjectType(bits: BitReader): number {
  const type = bits.bits(5)
  return type === 31 ? 32 + bits.bits(6) : type
}

function readSampleRate(bits: BitReader): number {
  const index = bits.bits(4)
  const rate = index === EXPLICIT_RATE ? bits.bits(24) : (AAC_SAMPLE_RATES[index] ?? 0)
  if (rate === 0) bits.fail(`sampling frequency index ${index} has no rate`)
  return rate
}

/** GASpecificConfig (§4.4.1): the frame length and, with channel configuration 0, the channels of its program. */
function readGeneralAudio(bits: BitReader, objectType: number, channelConfiguration: number) {
  const coreFrame = bits.flag() ? 960 : 1024
  if (bits.flag()) bits.skip(14)
  const extended = bits.flag()
  const programChannels = channelConfiguration === 0 ? readProgram(bits) : 0
  if (extended) bits.skip(objectType >= FIRST_ERROR_RESILIENT ? 4 : 1)
  if (objectType >= FIRST_ERROR_RESILIENT && bits.bits(2) >= 2) bits.skip(1)
  return { coreFrame, programChannels }
}

/** program_config_element (§4.4.1.1), for its number of channels. */
function readProgram(bits: BitReader): number {
  bits.skip(4 + 2 + 4)
  const elements = bits.bits(4) + bits.bits(4) + bits.bits(4)
  const lowFrequency = bits.bits(2)
  const associatedData = bits.bits(3)
  const coupling = bits.bits(4)
  if (bits.flag()) bits.skip(4)
  if (bits.flag()) bits.skip(4)
  if (bits.flag()) bits.skip(3)
  let channels = lowFrequency
  for (let i = 0; i < elements; i++) {
    channels += bits.flag() ? 2 : 1
    bits.skip(4)
  }
  bits.skip(4 * lowFrequency + 4 * associatedData + 5 * coupling)
  bits.align()
  bits.skip(8 * bits.bits(8))
  return channels
}

/** The backward compatible signalling of SBR and PS after the core configuration (§1.6.2.1). */
function readSyncExtension(bits: BitReader): Extension | undefined {
  if (bits.remaining < 16 || bits.bits(11) !== SYNC_SBR) return undefined
  if (readObjectType(bits) !== SBR || bits.remaining < 1 || !bits.flag()) return undefined
  const sampleRate = readSampleRate(bits)
  const parametricStereo = bits.remaining >= 12 && bits.bits(11) === SYNC_PS && bits.flag()
  return { objectType: parametricStereo ? PARAMETRIC_STEREO : SBR, sampleRate, parametricStereo }
}
