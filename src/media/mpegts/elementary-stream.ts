import { AppError } from '../../lib/errors.ts'
import type { AudioCodec, CodecConfig, VideoCodec } from '../media.ts'
import { hasAdtsForm } from './adts.ts'

/** A stream of a program as its map names it (ISO/IEC 13818-1 §2.4.4.9). */
export type ElementaryStream = {
  readonly pid: number
  readonly streamType: number
  /** Of its PES packets (table 2-22). */
  readonly streamId: number
  readonly descriptors: Uint8Array
}

type Carried = Omit<ElementaryStream, 'pid'>

const VIDEO_PID = 0x100
const AUDIO_PID = 0x101
const VIDEO_STREAM_ID = 0xe0
const AUDIO_STREAM_ID = 0xc0
/** `private_stream_1`: ETSI TS 101 154 §E.4 has AC-3 in it. */
const PRIVATE_STREAM_ID = 0xbd
const REGISTRATION = 0x05
const MPEG2_AUDIO_TYPE = 0x04
/** MPEG-2's half sampling rates begin below this one. */
const LOWEST_MPEG1_RATE = 32_000

const carried: Partial<Record<VideoCodec | AudioCodec, Carried>> = {
  avc: { streamType: 0x1b, streamId: VIDEO_STREAM_ID, descriptors: new Uint8Array(0) },
  hevc: { streamType: 0x24, streamId: VIDEO_STREAM_ID, descriptors: registration('HEVC') },
  aac: { streamType: 0x0f, streamId: AUDIO_STREAM_ID, descriptors: new Uint8Array(0) },
  mp3: { streamType: 0x03, streamId: AUDIO_STREAM_ID, descriptors: new Uint8Array(0) },
  ac3: { streamType: 0x81, streamId: PRIVATE_STREAM_ID, descriptors: registration('AC-3') },
  eac3: { streamType: 0x87, streamId: PRIVATE_STREAM_ID, descriptors: registration('EAC3') },
}

/** Whether there is a place for this configuration in the transport streams of HLS. */
export function isCarried({ codec, record }: CodecConfig): boolean {
  return carried[codec] !== undefined && (codec !== 'aac' || hasAdtsForm(record))
}

/** The stream that carries this codec. @throws AppError `MEDIA_UNSUPPORTED` where none does */
export function elementaryStream(config: CodecConfig): ElementaryStream {
  const found = carried[config.codec]
  if (!found) {
    throw new AppError('MEDIA_UNSUPPORTED', `MPEG transport streams of HLS have no place for ${config.codecString}.`)
  }
  if (config.kind === 'video') return { pid: VIDEO_PID, ...found }
  const isHalfRate = config.codec === 'mp3' && config.sampleRate < LOWEST_MPEG1_RATE
  return { pid: AUDIO_PID, ...found, ...(isHalfRate && { streamType: MPEG2_AUDIO_TYPE }) }
}

/** A registration descriptor (ISO/IEC 13818-1 §2.6.8). */
function registration(format: string): Uint8Array {
  return Uint8Array.of(REGISTRATION, 4, ...Buffer.from(format, 'latin1'))
}
