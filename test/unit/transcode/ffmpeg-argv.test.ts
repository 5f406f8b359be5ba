import { expect, test } from 'vitest'
import { buildFfmpegArguments, keyFrameExpression } from '../../../src/transcode/ffmpeg-argv.ts'
import { type Ladder, parseLadder } from '../../../src/transcode/ladder.ts'
import { planRenditions } from '../../../src/transcode/rendition-plan.ts'

function ladderOf(extra: Record<string, unknown>): Ladder {
  return parseLadder({ name: 'one', rungs: [{ width: 640, height: 360, bitrateKbps: 800 }], ...extra }, 'test')
}

function argumentsOf(ladder: Ladder): string[] {
  const renditions = planRenditions(ladder, { width: 1280, height: 720 }, { savings: 0, gridSeconds: 2 })
  return buildFfmpegArguments({ ladder, renditions, gridSeconds: 2, firstPtsTicks: 158_670_000_046_800 })
}

test('one rung of H.264 and its sound, word for word', () => {
  expect(argumentsOf(ladderOf({ preset: 'veryfast' })).join(' ')).toBe(
    [
      '-nostdin -hide_banner -loglevel level+warning -nostats -stats_period 1 -progress pipe:3',
      '-protocol_whitelist pipe,fd -copyts -probesize 32 -analyzeduration 0 -threads 1 -f mp4 -i pipe:0',
      '-map 0:v:0 -vf scale=640:360,setsar=1,format=yuv420p -c:v libx264 -preset veryfast -bf 2 -rc-lookahead 0',
      '-x264-params sync-lookahead=0:mbtree=0 -sc_threshold 0 -forced-idr 1 -b:v 800000 -maxrate 960000 -bufsize 480000',
      '-fps_mode passthrough -enc_time_base 1:90000 -g 9999',
      '-force_key_frames expr:if(isnan(prev_forced_t),1,gt(floor((t*90000+46800.5)/180000),floor((prev_forced_t*90000+46800.5)/180000)))',
      '-video_track_timescale 90000 -protocol_whitelist pipe,fd',
      '-f mp4 -movflags +frag_every_frame+empty_moov+default_base_moof+frag_discont+skip_sidx',
      '-use_editlist 0 -avoid_negative_ts disabled -flush_packets 1 pipe:4',
      '-map 0:a:0 -c:a aac -b:a 128000 -ar 48000 -ac 2 -protocol_whitelist pipe,fd',
      '-f mp4 -movflags +frag_every_frame+empty_moov+default_base_moof+frag_discont+skip_sidx',
      '-use_editlist 0 -avoid_negative_ts disabled -flush_packets 1 pipe:5',
    ].join(' '),
  )
})

test('nothing asks for the low-delay demuxing that loses the first GOP', () => {
  expect(argumentsOf(ladderOf({}))).not.toContain('-fflags')
})

test('devices: the picture is brought to them in the form they take', () => {
  const vaapi = argumentsOf(ladderOf({ videoEncoder: 'vaapi', device: '/dev/dri/renderD128' })).join(' ')
  expect(vaapi).toContain('-vaapi_device /dev/dri/renderD128 -protocol_whitelist')
  expect(vaapi).toContain('setsar=1,format=nv12,hwupload -c:v h264_vaapi')
  expect(vaapi).not.toContain('-sc_threshold')
  const nvenc = argumentsOf(ladderOf({ videoEncoder: 'nvenc', preset: 'p4', bFrames: 0 })).join(' ')
  expect(nvenc).toContain('-c:v h264_nvenc -preset p4 -bf 0')
  expect(nvenc).toContain('-forced-idr 1')
  const qsv = argumentsOf(ladderOf({ videoEncoder: 'qsv', videoCodec: 'hevc' })).join(' ')
  expect(qsv).toContain('format=nv12 -c:v hevc_qsv')
})

test('HEVC carries its parameter sets in the sample entry; AV1 waits for its first picture', () => {
  expect(argumentsOf(ladderOf({ videoCodec: 'hevc' })).join(' ')).toContain('-tag:v hvc1')
  const av1 = argumentsOf(ladderOf({ videoCodec: 'av1', preset: '8' })).join(' ')
  expect(av1).toContain('-c:v libaom-av1 -cpu-used 8 -usage realtime')
  expect(av1).toContain('+delay_moov+')
})

/** ffmpeg's expression, as JavaScript. */
function forces(expression: string, t: number, previous: number): boolean {
  const body = expression.slice('expr:if(isnan(prev_forced_t),1,'.length, -1)
  const gt = (a: number, b: number) => a > b
  return new Function('t', 'prev_forced_t', 'gt', 'floor', `return ${body}`)(t, previous, gt, Math.floor) as boolean
}

test.each([2, 1.92, 1.001, 6])(
  'keys of a grid of %d s fall on it for a day, wherever the child began',
  (gridSeconds) => {
    const gridTicks = Math.round(gridSeconds * 90_000)
    for (const offset of [0, 1, 3600, gridTicks - 1]) {
      const first = Math.round(1_763_000_000 / gridSeconds) * gridTicks + offset
      const expression = keyFrameExpression(first, gridSeconds)
      for (const cell of [1, 2, 43_200]) {
        const boundary = cell * gridTicks - offset
        const previous = Math.max(0, boundary - gridTicks) / 90_000
        expect(forces(expression, boundary / 90_000, previous)).toBe(true)
        expect(forces(expression, (boundary - 1) / 90_000, previous)).toBe(false)
      }
    }
  },
)
