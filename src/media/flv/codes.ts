import { AppError } from '../../lib/errors.ts'
import type { AudioCodec, VideoCodec } from '../media.ts'

/** VideoPacketType (Enhanced RTMP v2, "ExVideoTagHeader"). */
export const VIDEO_PACKET = {
  sequenceStart: 0,
  codedFrames: 1,
  sequenceEnd: 2,
  codedFramesX: 3,
  metadata: 4,
  mpeg2TsSequenceStart: 5,
  multitrack: 6,
} as const

/** AudioPacketType (Enhanced RTMP v2, "ExAudioTagHeader"). */
export const AUDIO_PACKET = {
  sequenceStart: 0,
  codedFrames: 1,
  sequenceEnd: 2,
  multichannelConfig: 4,
  multitrack: 5,
} as const

/** Modifies the packet that follows; the same number for audio and video. */
export const MOD_EX_PACKET = 7

/** VideoFrameType: video info or command. */
export const COMMAND_FRAME = 5

const VIDEO_FOUR_CC: ReadonlyMap<string, VideoCodec> = new Map([
  ['avc1', 'avc'],
  ['hvc1', 'hevc'],
  ['av01', 'av1'],
  ['vp09', 'vp9'],
])

const AUDIO_FOUR_CC: ReadonlyMap<string, AudioCodec> = new Map([
  ['mp4a', 'aac'],
  ['.mp3', 'mp3'],
  ['Opus', 'opus'],
  ['fLaC', 'flac'],
  ['ac-3', 'ac3'],
  ['ec-3', 'eac3'],
])

/** The legacy CodecID of HEVC: never standardised, but what encoders sent before Enhanced RTMP. */
const VIDEO_CODEC_IDS: ReadonlyMap<number, VideoCodec> = new Map([
  [7, 'avc'],
  [12, 'hevc'],
])

const VIDEO_CODEC_NAMES: ReadonlyMap<number, string> = new Map([
  [2, 'Sorenson H.263'],
  [3, 'Screen Video'],
  [4, 'VP6'],
  [5, 'VP6 with alpha'],
  [6, 'Screen Video 2'],
])

const SOUND_FORMATS: ReadonlyMap<number, AudioCodec> = new Map([
  [2, 'mp3'],
  [10, 'aac'],
  [14, 'mp3'],
])

const SOUND_FORMAT_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'PCM'],
  [1, 'ADPCM'],
  [3, 'PCM'],
  [4, 'Nellymoser'],
  [5, 'Nellymoser'],
  [6, 'Nellymoser'],
  [7, 'G.711 A-law'],
  [8, 'G.711 mu-law'],
  [11, 'Speex'],
  [15, 'device-specific'],
])

/** The codec of a legacy CodecID (FLV 10.1 §E.4.3.1); one that Headend doesn't take is `MEDIA_UNSUPPORTED`. */
export function legacyVideoCodec(codecId: number): VideoCodec {
  return VIDEO_CODEC_IDS.get(codecId) ?? refuseVideo(VIDEO_CODEC_NAMES.get(codecId) ?? `FLV codec ${codecId}`)
}

/** The codec of a legacy SoundFormat (FLV 10.1 §E.4.2.1); one that Headend doesn't take is `MEDIA_UNSUPPORTED`. */
export function legacyAudioCodec(soundFormat: number): AudioCodec {
  return (
    SOUND_FORMATS.get(soundFormat) ?? refuseAudio(SOUND_FORMAT_NAMES.get(soundFormat) ?? `FLV format ${soundFormat}`)
  )
}

/** The codec of a VideoFourCc; one that Headend doesn't take is `MEDIA_UNSUPPORTED`. */
export function videoCodecOf(fourCc: string): VideoCodec {
  return VIDEO_FOUR_CC.get(fourCc) ?? refuseVideo(printable(fourCc))
}

/** The codec of an AudioFourCc; one that Headend doesn't take is `MEDIA_UNSUPPORTED`. */
export function audioCodecOf(fourCc: string): AudioCodec {
  return AUDIO_FOUR_CC.get(fourCc) ?? refuseAudio(printable(fourCc))
}

function refuseVideo(codec: string): never {
  throw new AppError(
    'MEDIA_UNSUPPORTED',
    `The encoder sends ${codec} video, which can't be taken: set it to H.264, HEVC, AV1 or VP9.`,
    { details: { codec } },
  )
}

function refuseAudio(codec: string): never {
  throw new AppError(
    'MEDIA_UNSUPPORTED',
    `The encoder sends ${codec} audio, which can't be taken: set it to AAC, MP3, Opus, FLAC, AC-3 or E-AC-3.`,
    { details: { codec } },
  )
}

/** What the wire said, fit for a log line. */
function printable(fourCc: string): string {
  return `"${fourCc.replace(/[^\x20-\x7e]/g, '?')}"`
}
