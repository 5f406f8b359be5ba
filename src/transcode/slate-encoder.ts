import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { AAC_SAMPLE_RATES } from '../media/codecs/aac.ts'
import { silentAac } from '../media/codecs/silence.ts'
import { FragmentedMp4Reader } from '../media/isobmff/fragmented-reader.ts'
import type { AudioConfig, VideoConfig } from '../media/media.ts'
import type { FfmpegBinary } from './ffmpeg-probe.ts'
import { runFfmpeg } from './ffmpeg-run.ts'
import { buildSlateArguments, slateEncoderName, slateImageKind } from './slate-argv.ts'
import type { SpawnPort } from './spawn-port.ts'

/** What a slate is to look and sound like. */
export type SlateLooks = {
  readonly video: VideoConfig | undefined
  readonly frameRate: number
  readonly audio: AudioConfig | undefined
}

/** What is needed to encode one. */
export type SlateEncoderOptions = {
  readonly ffmpeg: FfmpegBinary
  readonly clock: Clock
  /** Seconds of one GOP. */
  readonly gopSeconds: number
  /** The bytes of a PNG, JPEG or WebP; `undefined`: a picture of our own. */
  readonly image: Uint8Array | undefined
  readonly signal: AbortSignal
  readonly spawn?: SpawnPort
}

/** One GOP of a still picture. */
export type StillVideo = {
  readonly config: VideoConfig
  readonly frames: readonly Uint8Array[]
  readonly frameMs: number
}
/** One frame of silence, to be repeated. */
export type SilentAudio = { readonly config: AudioConfig; readonly frame: Uint8Array; readonly frameMs: number }

const LIMIT_MS = 60_000
/** A GOP of a still picture is one picture and a handful of bytes for each of the others. */
const MAX_BYTES = 32 * 2 ** 20
const LONGEST_GOP_FRAMES = 600
const NTSC = 1_001
/** 20 ms of silence (RFC 6716 §3.1: CELT, full band, one frame), of which both channels of stereo are made. */
const OPUS_SILENCE = [0xf8, 0xff, 0xfe]
const OPUS_FRAME_MS = 20
const AAC_FRAME_SAMPLES = 1_024
const USUAL_SAMPLE_RATE = 48_000

/**
 * Encodes a still picture as the input's pictures were: its size, its rate, its codec, or H.264 where this ffmpeg can't encode
 * that. Sound is silence of the same codec where that is AAC or Opus, of AAC otherwise.
 *
 * @throws AppError `FFMPEG_MISSING`, `FFMPEG_CRASHED`, `MEDIA_UNSUPPORTED` for an image that is none; the signal's reason
 */
export async function encodeSlate(
  looks: SlateLooks,
  options: SlateEncoderOptions,
): Promise<{ readonly video: StillVideo | undefined; readonly audio: SilentAudio | undefined }> {
  const video = looks.video && (await encodeStill(looks.video, looks.frameRate, options))
  return { video, audio: looks.audio && silenceLike(looks.audio) }
}

/** The input's own configuration wherever that fits, so that its track goes on. */
function silenceLike(like: AudioConfig): SilentAudio {
  if (like.codec === 'opus') return { config: like, frame: Uint8Array.from(OPUS_SILENCE), frameMs: OPUS_FRAME_MS }
  const isKnown = AAC_SAMPLE_RATES.includes(like.sampleRate)
  const silent = silentAac(isKnown ? like.sampleRate : USUAL_SAMPLE_RATE, like.channels === 1 ? 1 : 2)
  const { config, frame } = silent
  // Low complexity at the same rate with the same channels, whatever extension is signalled behind it.
  const isSame = like.codec === 'aac' && config.record.every((byte, index) => like.record[index] === byte)
  return { config: isSame ? like : config, frame, frameMs: (AAC_FRAME_SAMPLES * 1_000) / config.sampleRate }
}

async function encodeStill(like: VideoConfig, frameRate: number, options: SlateEncoderOptions): Promise<StillVideo> {
  const { ffmpeg, gopSeconds, image } = options
  const kind = image && slateImageKind(image)
  if (image && !kind) throw new AppError('MEDIA_UNSUPPORTED', 'The picture of the slate is no PNG, JPEG or WebP.')
  const rate = rateOf(frameRate)
  const frames = Math.max(2, Math.min(LONGEST_GOP_FRAMES, Math.round(gopSeconds * rate.value)))
  const codec = ffmpeg.encoders.has(slateEncoderName(like.codec)) ? like.codec : 'avc'
  // 4:2:0 has an even number of lines and columns.
  const size = { width: like.width + (like.width % 2), height: like.height + (like.height % 2) }
  const args = buildSlateArguments({ size, codec, rate: rate.text, frames, image: kind })
  const { clock, signal, spawn } = options
  const limits = { limitMs: LIMIT_MS, maxBytes: MAX_BYTES }
  const bytes = await runFfmpeg({ ffmpeg, args, input: image, ...limits, clock, signal, spawn })
  return { ...readStill(bytes, frames), frameMs: 1_000 / rate.value }
}

/** 29.97 is 30000/1001. */
function rateOf(frameRate: number): { readonly text: string; readonly value: number } {
  const whole = Math.round(frameRate)
  const ntsc = (whole * 1_000) / NTSC
  if (Math.abs(ntsc - frameRate) < 0.005) return { text: `${whole * 1_000}/${NTSC}`, value: ntsc }
  const thousandths = Math.max(1_000, Math.round(frameRate * 1_000))
  return { text: `${thousandths}/1000`, value: thousandths / 1_000 }
}

function readStill(bytes: Uint8Array, count: number): Pick<StillVideo, 'config' | 'frames'> {
  let config: VideoConfig | undefined
  const frames: Uint8Array[] = []
  for (const event of new FragmentedMp4Reader({ maxBoxBytes: MAX_BYTES }).push(bytes)) {
    if (event.type === 'init') {
      const track = event.tracks.find((each) => each.config.kind === 'video')
      config = track?.config.kind === 'video' ? track.config : undefined
    } else if (event.sample.independent === (frames.length === 0)) {
      // A copy: the reader's memory holds a whole fragment for each.
      frames.push(Uint8Array.from(event.sample.data))
    }
  }
  if (!config || frames.length !== count) {
    throw new AppError('FFMPEG_CRASHED', `ffmpeg made ${frames.length} pictures of a slate instead of ${count}.`)
  }
  return { config, frames }
}
