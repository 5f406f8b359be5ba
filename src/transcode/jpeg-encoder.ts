import type { Clock } from '../lib/clock.ts'
import type { FfmpegBinary } from './ffmpeg-probe.ts'
import { OUTPUT_FD, runFfmpeg } from './ffmpeg-run.ts'
import type { SpawnPort } from './spawn-port.ts'

/** Pictures one behind the other, and what is to become of them. */
export type JpegWish = {
  /** As ffmpeg calls it. */
  readonly format: string
  readonly bytes: Uint8Array
  readonly width: number
  /** Every picture is made as high as that; absent: as its own shape has it. */
  readonly height?: number
  /** Puts all of them into one, in rows from the left; absent: the first alone. */
  readonly tiles?: { readonly columns: number; readonly rows: number }
}

/** What the encoder works with. */
export type JpegEncoderOptions = {
  readonly ffmpeg: Pick<FfmpegBinary, 'path'>
  readonly clock: Clock
  readonly spawn?: SpawnPort
}

const LIMIT_MS = 20_000
const MAX_BYTES = 16 * 2 ** 20
/** ffmpeg's scale from 2 to 31: about a quality of 80. */
const QUALITY = '5'

/** Decodes key frames and gives a JPEG of them. @throws as `runFfmpeg` */
export function encodeJpeg(
  wish: JpegWish,
  { ffmpeg, clock, spawn }: JpegEncoderOptions,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { format, bytes, width, height = -2, tiles } = wish
  const filters = [
    `scale=${width}:${height}`,
    'format=yuvj420p',
    ...(tiles ? [`tile=${tiles.columns}x${tiles.rows}`] : []),
  ]
  const args = [
    ...['-hide_banner', '-nostats', '-loglevel', 'error', '-protocol_whitelist', 'pipe,fd', '-threads', '1'],
    ...['-f', format, '-i', 'pipe:0', '-map', '0:v:0', '-vf', filters.join(','), '-frames:v', '1'],
    ...['-c:v', 'mjpeg', '-q:v', QUALITY, '-threads', '1', '-f', 'image2pipe', `pipe:${OUTPUT_FD}`],
  ]
  return runFfmpeg({ ffmpeg, args, input: bytes, limitMs: LIMIT_MS, maxBytes: MAX_BYTES, clock, signal, spawn })
}
