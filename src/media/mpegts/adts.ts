import { AppError, FormatError } from '../../lib/errors.ts'
import { AAC_SAMPLE_RATES } from '../codecs/aac.ts'
import { BitReader } from '../codecs/bit-reader.ts'
import { readProgramElement } from './program-element.ts'

/** What all ADTS headers of a track have in common. */
export type AdtsForm = {
  readonly profile: number
  readonly rateIndex: number
  /** 0: the layout stands in the first frame. */
  readonly channelConfiguration: number
  /** What goes before the first frame's own bytes, so that decoders know the channels; mostly nothing. */
  readonly programElement: Uint8Array
}

/** Bytes of an ADTS header without a checksum. */
export const ADTS_BYTES = 7

const SBR = 5
const PARAMETRIC_STEREO = 29
/** Main, LC, SSR and LTP: the two bits of an ADTS profile name no other. */
const LAST_ADTS_TYPE = 4
const LAST_CHANNEL_CONFIGURATION = 7
const EXPLICIT_RATE = 15
const MAX_FRAME_BYTES = 0x1fff
const NOTHING = new Uint8Array(0)

/** Whether ADTS has a word for what an AudioSpecificConfig describes. */
export function hasAdtsForm(record: Uint8Array): boolean {
  return readForm(record) !== undefined
}

/**
 * The ADTS form of what an AudioSpecificConfig describes (ISO/IEC 14496-3 §1.A.2.2). HE-AAC is named by its core, explicitly signalled
 * or not: ADTS has no other way, and decoders find SBR and PS in the frames. @throws AppError `MEDIA_UNSUPPORTED`, FormatError
 */
export function adtsForm(record: Uint8Array): AdtsForm {
  const form = readForm(record)
  if (form) return form
  throw new AppError('MEDIA_UNSUPPORTED', 'This AAC has a profile, rate or channel layout that ADTS has no word for.')
}

function readForm(record: Uint8Array): AdtsForm | undefined {
  const bits = new BitReader(record, 'AudioSpecificConfig')
  let objectType = bits.bits(5)
  const rateIndex = readRateIndex(bits)
  const channelConfiguration = bits.bits(4)
  if (objectType === SBR || objectType === PARAMETRIC_STEREO) {
    readRateIndex(bits)
    objectType = bits.bits(5)
  }
  const has960 = bits.flag()
  const isPlain = objectType >= 1 && objectType <= LAST_ADTS_TYPE && !has960
  if (!isPlain || channelConfiguration > LAST_CHANNEL_CONFIGURATION || rateIndex < 0) return undefined
  const form = { profile: objectType - 1, rateIndex, channelConfiguration }
  if (channelConfiguration > 0) return { ...form, programElement: NOTHING }
  // The rest of the GASpecificConfig: the core coder's delay, and an extension that these types don't have.
  if (bits.flag()) bits.skip(14)
  bits.skip(1)
  return { ...form, programElement: readProgramElement(bits) }
}

/** -1: a rate that is in no table. */
function readRateIndex(bits: BitReader): number {
  const index = bits.bits(4)
  if (index === EXPLICIT_RATE) return AAC_SAMPLE_RATES.indexOf(bits.bits(24))
  return index < AAC_SAMPLE_RATES.length ? index : -1
}

/** Writes the header of a frame of `frameBytes` at `at`. @throws FormatError where 13 bits don't hold its length */
export function writeAdtsHeader(out: Uint8Array, at: number, form: AdtsForm, frameBytes: number): void {
  const length = frameBytes + ADTS_BYTES
  if (length > MAX_FRAME_BYTES) throw new FormatError('aac', at, `a frame of ${frameBytes} bytes`)
  const { profile, rateIndex, channelConfiguration } = form
  out[at] = 0xff
  out[at + 1] = 0xf1
  out[at + 2] = (profile << 6) | (rateIndex << 2) | (channelConfiguration >>> 2)
  out[at + 3] = ((channelConfiguration & 3) << 6) | (length >>> 11)
  out[at + 4] = (length >>> 3) & 0xff
  out[at + 5] = ((length & 7) << 5) | 0x1f
  out[at + 6] = 0xfc
}
