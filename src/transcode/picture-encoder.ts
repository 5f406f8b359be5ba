import { concatBytes } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { buildFragment } from '../media/cmaf/fragment.ts'
import { buildInitSegment } from '../media/cmaf/init-segment.ts'
import { FragmentedMp4Reader } from '../media/isobmff/fragmented-reader.ts'
import type { Sample, VideoConfig } from '../media/media.ts'
import type { FfmpegBinary } from './ffmpeg-probe.ts'
import { OUTPUT_FD, runFfmpeg } from './ffmpeg-run.ts'
import type { SpawnPort } from './spawn-port.ts'

/** Coded pictures and how long each lasts, in ticks of their track. */
export type CodedPicture = Sample & { readonly durationTicks: number }

/** Pictures from a key frame on, of which those that are shown from `fromTicks` to before `toTicks` are to be encoded anew. */
export type PictureRun = {
  readonly track: { readonly config: VideoConfig; readonly bandwidth: number; readonly timescale: number }
  readonly samples: readonly CodedPicture[]
  readonly fromTicks: number
  readonly toTicks: number
}

/** What pictures are encoded with. */
export type PictureEncoderOptions = {
  readonly ffmpeg: FfmpegBinary
  readonly clock: Clock
  readonly spawn?: SpawnPort
}

const LIMIT_MS = 120_000
const MAX_BYTES = 256 * 2 ** 20
const PIPES_ONLY = ['-protocol_whitelist', 'pipe,fd']
/** ffmpeg reads pictures from here on, wherever on the time line they are: it takes no times before 0. */
const START_TICKS = 900_000

/** What encodes the codec in software; quality that is not told from the original, within the track's bitrate. */
const ENCODERS: Readonly<Record<VideoConfig['codec'], { readonly name: string; readonly args: readonly string[] }>> = {
  avc: { name: 'libx264', args: ['-preset', 'medium', '-crf', '17', '-sc_threshold', '0', '-flags', '+global_header'] },
  hevc: {
    name: 'libx265',
    args: ['-preset', 'fast', '-crf', '18', '-tag:v', 'hvc1', '-x265-params', 'log-level=error:open-gop=0:scenecut=0'],
  },
  av1: {
    name: 'libaom-av1',
    args: ['-cpu-used', '6', '-lag-in-frames', '0', '-row-mt', '1', '-crf', '20', '-b:v', '0'],
  },
  vp9: {
    name: 'libvpx-vp9',
    args: [
      '-deadline',
      'good',
      '-cpu-used',
      '4',
      '-lag-in-frames',
      '0',
      '-auto-alt-ref',
      '0',
      '-crf',
      '18',
      '-b:v',
      '0',
    ],
  },
}

/**
 * Encodes pictures anew with the same codec and size: the first is a key frame, none is reordered, and each is shown when it was.
 *
 * @throws AppError `MEDIA_UNSUPPORTED` where this ffmpeg can't encode the codec, `FFMPEG_MISSING`, `FFMPEG_CRASHED`; the signal's reason
 */
export async function encodePictures(
  run: PictureRun,
  options: PictureEncoderOptions,
  signal: AbortSignal,
): Promise<{ readonly config: VideoConfig; readonly samples: readonly CodedPicture[] }> {
  const { codec } = run.track.config
  const { name } = ENCODERS[codec]
  if (!options.ffmpeg.encoders.has(name)) throw new AppError('MEDIA_UNSUPPORTED', `This ffmpeg has no ${name}.`)
  const base = run.samples[0]?.dtsTicks ?? 0
  const times = timesOf(run)
  const [first = 0, last = 0] = [times[0]?.ptsTicks, times.at(-1)?.ptsTicks]
  const shifted = (ticks: number) => ticks - base + START_TICKS
  const args = argumentsOf(run, shifted(first), shifted(last) + 1)
  const limits = { limitMs: LIMIT_MS, maxBytes: MAX_BYTES }
  const bytes = await runFfmpeg({ ...options, ...limits, args, input: inputOf(run, base), signal })
  // As late after it is decoded as the pictures around: these follow without going back in decoding time.
  return read(bytes, times, run.samples[0]?.compositionTicks ?? 0)
}

type Shown = { readonly ptsTicks: number; readonly durationTicks: number }

/** When each of the wanted pictures is shown, and until when, in that order. */
function timesOf({ samples, fromTicks, toTicks }: PictureRun): Shown[] {
  const shown = samples
    .map(({ dtsTicks, compositionTicks, durationTicks }) => ({ ptsTicks: dtsTicks + compositionTicks, durationTicks }))
    .sort((a, b) => a.ptsTicks - b.ptsTicks)
  return shown
    .map((picture, index) => {
      const next = shown[index + 1]
      return { ...picture, durationTicks: next ? next.ptsTicks - picture.ptsTicks : picture.durationTicks }
    })
    .filter(({ ptsTicks }) => ptsTicks >= fromTicks && ptsTicks < toTicks)
}

function inputOf({ track, samples }: PictureRun, base: number): Uint8Array {
  const init = buildInitSegment([{ trackId: 1, config: track.config }])
  const { bytes } = buildFragment({
    trackId: 1,
    sequenceNumber: 1,
    baseDecodeTicks: START_TICKS,
    kind: 'video',
    // One fragment has no holes: each lasts until the next is decoded.
    samples: samples.map((sample, index) => {
      const next = samples[index + 1]
      return { ...sample, durationTicks: next ? next.dtsTicks - sample.dtsTicks : sample.durationTicks }
    }),
    opensSegment: base >= 0,
  })
  return concatBytes([init, bytes])
}

function argumentsOf({ track }: PictureRun, firstTicks: number, endTicks: number): string[] {
  const { name, args } = ENCODERS[track.config.codec]
  const kilobits = Math.max(200, Math.round(track.bandwidth / 1_000))
  const rate =
    track.config.codec === 'avc' || track.config.codec === 'hevc'
      ? ['-maxrate', `${2 * kilobits}k`, '-bufsize', `${4 * kilobits}k`]
      : []
  return [
    ...['-nostdin', '-hide_banner', '-loglevel', 'level+warning', '-nostats', '-copyts', ...PIPES_ONLY],
    ...['-f', 'mp4', '-i', 'pipe:0', '-map', '0:v:0'],
    ...[
      '-vf',
      `trim=start_pts=${firstTicks}:end_pts=${endTicks}`,
      '-fps_mode',
      'passthrough',
      '-enc_time_base',
      '1:90000',
    ],
    ...['-c:v', name, ...args, ...rate, '-bf', '0', '-g', '100000', ...PIPES_ONLY],
    ...['-f', 'mp4', '-movflags', '+frag_every_frame+empty_moov+delay_moov+default_base_moof+skip_sidx'],
    ...['-use_editlist', '0', '-video_track_timescale', '90000', `pipe:${OUTPUT_FD}`],
  ]
}

/** As many pictures as were wanted, each at its time: an encoder's own times are no better than its container's rounding. */
function read(bytes: Uint8Array, times: readonly Shown[], compositionTicks: number) {
  let config: VideoConfig | undefined
  const samples: CodedPicture[] = []
  for (const event of new FragmentedMp4Reader({ maxBoxBytes: MAX_BYTES }).push(bytes)) {
    if (event.type === 'init') {
      const track = event.tracks.find((each) => each.config.kind === 'video')
      config = track?.config.kind === 'video' ? track.config : undefined
      continue
    }
    const { independent, data } = event.sample
    const { ptsTicks = 0, durationTicks = 1 } = times[samples.length] ?? {}
    const dtsTicks = ptsTicks - compositionTicks
    samples.push({ dtsTicks, compositionTicks, independent, durationTicks, data: Uint8Array.from(data) })
  }
  if (!config || samples.length !== times.length || !samples[0]?.independent) {
    throw new AppError('FFMPEG_CRASHED', `ffmpeg made ${samples.length} pictures instead of ${times.length}.`)
  }
  return { config, samples }
}
