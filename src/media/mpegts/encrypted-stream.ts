import { AppError } from '../../lib/errors.ts'
import { BitReader } from '../codecs/bit-reader.ts'
import type { AudioConfig, CodecConfig } from '../media.ts'
import { type ElementaryStream, elementaryStream } from './elementary-stream.ts'

/**
 * Streams whose samples are encrypted, and what tells players of them ("MPEG-2 Stream Encryption Format for HTTP Live Streaming" §2.3.4,
 * §3.0).
 */
const encrypted: Partial<Record<CodecConfig['codec'], { streamType: number; indicator: string }>> = {
  avc: { streamType: 0xdb, indicator: 'zavc' },
  aac: { streamType: 0xcf, indicator: 'aacd' },
  ac3: { streamType: 0xc1, indicator: 'ac3d' },
  eac3: { streamType: 0xc2, indicator: 'ec3d' },
}

const REGISTRATION = 0x05
const PRIVATE_DATA_INDICATOR = 0x0f
const SETUP_FORMAT = 'apad'
const SETUP_VERSION = 1
const SBR = 5
const PARAMETRIC_STEREO = 29

/** Whether SAMPLE-AES in transport streams and packed audio has a form for this codec. */
export function isEncryptable({ codec }: CodecConfig): boolean {
  return encrypted[codec] !== undefined
}

/** The stream that carries this codec with its samples encrypted. @throws AppError `MEDIA_UNSUPPORTED` where none does */
export function encryptedStream(config: CodecConfig): ElementaryStream {
  const found = encrypted[config.codec]
  if (!found)
    throw new AppError('MEDIA_UNSUPPORTED', `SAMPLE-AES in transport streams has no place for ${config.codecString}.`)
  const { streamType, indicator } = found
  const descriptors = [...descriptor(PRIVATE_DATA_INDICATOR, latin(indicator))]
  if (config.kind === 'audio') {
    descriptors.push(...descriptor(REGISTRATION, [...latin(SETUP_FORMAT), ...audioSetup(config)]))
  }
  return { ...elementaryStream(config), streamType, descriptors: Uint8Array.from(descriptors) }
}

/** audio_setup_information: how to set up a decoder before anything is decrypted. @throws AppError `MEDIA_UNSUPPORTED` */
export function audioSetup(config: AudioConfig): Uint8Array {
  const [type, data] = setupOf(config)
  return Uint8Array.from([...latin(type), 0, 0, SETUP_VERSION, data.byteLength, ...data])
}

function setupOf(config: AudioConfig): [type: string, data: Uint8Array] {
  const { codec, record, codecString } = config
  if (codec === 'aac') return [aacType(record), record]
  if (codec === 'eac3') return ['zec3', record]
  if (codec === 'ac3') return ['zac3', ac3Head(record)]
  throw new AppError('MEDIA_UNSUPPORTED', `SAMPLE-AES has no setup information for ${codecString}.`)
}

function aacType(record: Uint8Array): string {
  const objectType = new BitReader(record, 'AudioSpecificConfig').bits(5)
  if (objectType === PARAMETRIC_STEREO) return 'zacp'
  return objectType === SBR ? 'zach' : 'zaac'
}

/**
 * The first ten bytes of a syncframe (ETSI TS 102 366 §4.3, §4.4), made of what `dac3` says of all of them: without a checksum and
 * without mix levels, so that the program map of every segment is the same.
 */
function ac3Head(record: Uint8Array): Uint8Array {
  const bits = new BitReader(record, 'dac3')
  const rate = bits.bits(2)
  const stream = bits.bits(8)
  const acmod = bits.bits(3)
  const lfe = bits.bits(1)
  const size = bits.bits(5) << 1
  const mixBits = ((acmod & 1) !== 0 && acmod !== 1 ? 2 : 0) + ((acmod & 4) !== 0 ? 2 : 0) + (acmod === 2 ? 2 : 0)
  const modes = (acmod << 13) | (lfe << (12 - mixBits))
  return Uint8Array.of(0x0b, 0x77, 0, 0, (rate << 6) | size, stream, modes >>> 8, modes & 0xff, 0, 0)
}

function descriptor(tag: number, bytes: readonly number[]): number[] {
  return [tag, bytes.length, ...bytes]
}

function latin(text: string): number[] {
  return [...Buffer.from(text, 'latin1')]
}
