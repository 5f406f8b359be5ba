import type { VideoConfig } from '../media/media.ts'

/** Pictures that may be shown as a slate, and the demuxer that takes nothing else. */
const IMAGE_DEMUXERS = { png: 'png_pipe', jpeg: 'jpeg_pipe', webp: 'webp_pipe' } as const

/** What kind of picture it is. */
export type SlateImageKind = keyof typeof IMAGE_DEMUXERS

/** One still picture that is to be encoded. */
export type SlatePlan = {
  readonly size: Pick<VideoConfig, 'width' | 'height'>
  readonly codec: VideoConfig['codec']
  /** Pictures per second as ffmpeg reads it, as in `30000/1001`. */
  readonly rate: string
  readonly frames: number
  /** The picture on standard input; `undefined`: ours. */
  readonly image: SlateImageKind | undefined
}

const OUTPUT_FD = 3
const PIPES_ONLY = ['-protocol_whitelist', 'pipe,fd']
/** A dark ground with the two bars of a pause in its middle: it says "not now" in every language. */
const GROUND = '0x14181f'
const BARS = '0x5b6675'

/** What encodes the codec in software; of all of them one GOP without reordering is asked. */
const ENCODERS: Readonly<Record<VideoConfig['codec'], { readonly name: string; readonly args: readonly string[] }>> = {
  avc: { name: 'libx264', args: ['-preset', 'medium', '-tune', 'stillimage', '-crf', '23', '-sc_threshold', '0'] },
  hevc: {
    name: 'libx265',
    args: ['-preset', 'fast', '-crf', '25', '-tag:v', 'hvc1', '-x265-params', 'log-level=error:open-gop=0:scenecut=0'],
  },
  av1: {
    name: 'libaom-av1',
    args: ['-usage', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-row-mt', '1', '-crf', '35', '-b:v', '0'],
  },
  vp9: {
    name: 'libvpx-vp9',
    args: [
      '-deadline',
      'realtime',
      '-cpu-used',
      '8',
      '-lag-in-frames',
      '0',
      '-auto-alt-ref',
      '0',
      '-crf',
      '35',
      '-b:v',
      '0',
    ],
  },
}

/** ffmpeg's name of what encodes a slate of this codec. */
export function slateEncoderName(codec: VideoConfig['codec']): string {
  return ENCODERS[codec].name
}

/** PNG, JPEG or WebP, by its first bytes; `undefined` for anything else, which ffmpeg is never shown. */
export function slateImageKind(bytes: Uint8Array): SlateImageKind | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, 12))
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (text.startsWith('\xff\xd8\xff')) return 'jpeg'
  return text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP' ? 'webp' : undefined
}

/** The arguments of the child that encodes a slate: fragmented MP4 on descriptor 3. */
export function buildSlateArguments({ size, codec, rate, frames, image }: SlatePlan): string[] {
  const { width, height } = size
  const { name, args } = ENCODERS[codec]
  const ground = `color=c=${GROUND}:s=${width}x${height}:r=${rate}`
  const picture = image === undefined ? [] : [...PIPES_ONLY, '-f', IMAGE_DEMUXERS[image], '-i', 'pipe:0']
  const fitted = `[1:v]scale=${width}:${height}:force_original_aspect_ratio=decrease,setsar=1[p]`
  const filter =
    image === undefined
      ? `[0:v]${bars(width, height)},format=yuv420p[v]`
      : `${fitted};[0:v][p]overlay=(W-w)/2:(H-h)/2:eof_action=repeat,format=yuv420p[v]`
  return [
    ...['-nostdin', '-hide_banner', '-loglevel', 'level+warning', '-nostats'],
    ...['-f', 'lavfi', '-i', ground, ...picture],
    ...['-filter_complex', filter, '-map', '[v]', '-frames:v', String(frames)],
    ...['-c:v', name, ...args, '-bf', '0', '-g', String(frames), '-keyint_min', String(frames)],
    ...PIPES_ONLY,
    ...['-f', 'mp4', '-movflags', '+frag_every_frame+empty_moov+delay_moov+default_base_moof+skip_sidx'],
    ...['-use_editlist', '0', `pipe:${OUTPUT_FD}`],
  ]
}

function bars(width: number, height: number): string {
  const [barWidth, barHeight] = [Math.max(2, Math.round(width / 32)), Math.max(2, Math.round(height / 5))]
  const box = (x: number) =>
    `drawbox=x=${x}:y=${Math.round((height - barHeight) / 2)}:w=${barWidth}:h=${barHeight}:color=${BARS}:t=fill`
  return [box(Math.round(width / 2 - barWidth * 1.5)), box(Math.round(width / 2 + barWidth * 0.5))].join(',')
}
