import { VIDEO_TIMESCALE } from '../media/media.ts'
import { encoderArguments, type LadderCodec } from './encoders.ts'
import type { Ladder } from './ladder.ts'
import type { AudioRendition, RenditionPlan, VideoRendition } from './rendition-plan.ts'

/** The child's pipes: 0 is the input, 2 its words; renditions begin at the fourth, in the plan's order, audio last. */
const PROGRESS_FD = 3
const FIRST_RENDITION_FD = 4

/** `fd` is what ffmpeg 6 and later call some pipes; 5.1 knows `pipe` alone and skips names it doesn't know. */
const PIPES_ONLY = ['-protocol_whitelist', 'pipe,fd']

/** One child's work, as `buildFfmpegArguments` needs it. */
export type ChildPlan = {
  readonly ladder: Pick<
    Ladder,
    'videoCodec' | 'videoEncoder' | 'device' | 'bFrames' | 'lookaheadFrames' | 'zeroLatency'
  >
  readonly renditions: RenditionPlan
  /** Distance of the epoch grid that key frames are forced on. */
  readonly gridSeconds: number
  /** PTS of the first picture in 90 kHz ticks of the epoch timeline. */
  readonly firstPtsTicks: number
  /** Threads of each software encoder; ffmpeg's own choice where it is left out. */
  readonly encoderThreads?: number
}

/**
 * Forces a key frame on the first picture and then on each first picture of a cell of the epoch grid. ffmpeg counts `t`
 * (seconds) from the first encoded frame even with `-copyts`, hence the offset; only its place within its cell is given,
 * and in ticks, so that it stays exact for days. The half tick keeps rounding from moving a picture that stands on the
 * grid into the cell before.
 */
export function keyFrameExpression(firstPtsTicks: number, gridSeconds: number): string {
  const gridTicks = Math.round(gridSeconds * VIDEO_TIMESCALE)
  const offset = (firstPtsTicks % gridTicks) + 0.5
  const cell = (time: string) => `floor((${time}*${VIDEO_TIMESCALE}+${offset})/${gridTicks})`
  return `expr:if(isnan(prev_forced_t),1,gt(${cell('t')},${cell('prev_forced_t')}))`
}

/**
 * Per-frame fragmented MP4 with exact times: without `frag_discont` and `-use_editlist 0` the times would be shifted. AV1's
 * `av1C` is made from the first picture, so that its moov has to wait for it.
 */
function pipeOutput(fd: number, codec: LadderCodec | 'aac'): string[] {
  const moov = codec === 'av1' ? 'delay_moov' : 'empty_moov'
  return [
    ...PIPES_ONLY,
    ...['-f', 'mp4', '-movflags', `+frag_every_frame+${moov}+default_base_moof+frag_discont+skip_sidx`],
    ...['-use_editlist', '0', '-avoid_negative_ts', 'disabled', '-flush_packets', '1', `pipe:${fd}`],
  ]
}

function filterOf(rendition: VideoRendition, encoder: Ladder['videoEncoder']): string {
  const scale = `scale=${rendition.size.width}:${rendition.size.height},setsar=1`
  switch (encoder) {
    case 'software':
    case 'nvenc':
      return `${scale},format=yuv420p`
    case 'qsv':
      return `${scale},format=nv12`
    case 'vaapi':
      return `${scale},format=nv12,hwupload`
  }
}

function videoArguments(plan: ChildPlan, rendition: VideoRendition, fd: number): string[] {
  const { ladder, renditions, gridSeconds, firstPtsTicks, encoderThreads } = plan
  const tuning = { ...ladder, preset: renditions.preset }
  return [
    ...['-map', '0:v:0', '-vf', filterOf(rendition, ladder.videoEncoder)],
    ...encoderArguments(ladder.videoCodec, ladder.videoEncoder, tuning),
    ...(encoderThreads === undefined ? [] : ['-threads', String(encoderThreads)]),
    ...[
      '-b:v',
      String(rendition.bitrate),
      '-maxrate',
      String(rendition.maxrate),
      '-bufsize',
      String(rendition.bufsize),
    ],
    // Passthrough: a source of variable frame rate would gain frames otherwise.
    ...['-fps_mode', 'passthrough', '-enc_time_base', `1:${VIDEO_TIMESCALE}`, '-g', '9999'],
    ...['-force_key_frames', keyFrameExpression(firstPtsTicks, gridSeconds)],
    ...(ladder.videoCodec === 'hevc' ? ['-tag:v', 'hvc1'] : []),
    ...['-video_track_timescale', String(VIDEO_TIMESCALE)],
    ...pipeOutput(fd, ladder.videoCodec),
  ]
}

function audioArguments(audio: AudioRendition, fd: number): string[] {
  return [
    ...['-map', '0:a:0', '-c:a', 'aac', '-b:a', String(audio.bitrate)],
    ...['-ar', String(audio.sampleRateHz), '-ac', String(audio.channels)],
    ...pipeOutput(fd, 'aac'),
  ]
}

function deviceArguments(ladder: ChildPlan['ladder']): string[] {
  if (ladder.device === undefined) return []
  if (ladder.videoEncoder === 'vaapi') return ['-vaapi_device', ladder.device]
  return ladder.videoEncoder === 'qsv' ? ['-qsv_device', ladder.device] : []
}

/** The arguments of one child: fragmented MP4 in on standard input, one fragmented MP4 out on each rendition's pipe. */
export function buildFfmpegArguments(plan: ChildPlan): string[] {
  const { video, audio } = plan.renditions
  return [
    ...['-nostdin', '-hide_banner', '-loglevel', 'level+warning', '-nostats'],
    ...['-stats_period', '1', '-progress', `pipe:${PROGRESS_FD}`],
    ...deviceArguments(plan.ladder),
    ...PIPES_ONLY,
    ...['-copyts', '-probesize', '32', '-analyzeduration', '0', '-threads', '1', '-f', 'mp4', '-i', 'pipe:0'],
    ...video.flatMap((rendition, index) => videoArguments(plan, rendition, FIRST_RENDITION_FD + index)),
    ...audioArguments(audio, FIRST_RENDITION_FD + video.length),
  ]
}
