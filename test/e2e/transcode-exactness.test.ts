import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { concatBytes } from '../../src/lib/bytes.ts'
import { buildFragment } from '../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../src/media/cmaf/init-segment.ts'
import type { CodecConfig, Sample } from '../../src/media/media.ts'
import { parseLadder } from '../../src/transcode/ladder.ts'
import {
  AAC,
  createTranscoder,
  EPOCH_SECONDS,
  H264,
  makeSource,
  play,
  ptsOf,
  RecordingSink,
  type Source,
  TEST_PATTERN,
  TONE,
} from './transcode-harness.ts'

const run = promisify(execFile)
const GRID_TICKS = 180_000

async function transcode(source: Source, options: Parameters<typeof createTranscoder>[1] = {}): Promise<RecordingSink> {
  const sink = new RecordingSink()
  const transcoder = createTranscoder(sink, options)
  await play(transcoder, source)
  await transcoder.inputEnded()
  await transcoder.stop()
  return sink
}

/** The first picture, and then the first picture of each cell of the epoch grid. */
function keysOnGrid(pts: readonly number[]): number[] {
  return pts.filter((time, i) => i === 0 || Math.floor(time / GRID_TICKS) > Math.floor((pts[i - 1] ?? 0) / GRID_TICKS))
}

function expectEveryPicture(sink: RecordingSink, source: Source, names: readonly string[]): void {
  const wanted = ptsOf(source, 'video')
  for (const name of names) {
    expect(sink.pts(name)).toEqual(wanted)
    expect(sink.keyPts(name)).toEqual(keysOnGrid(wanted))
    const dts = sink.of(name).map(({ sample }) => sample.dtsTicks)
    expect(dts).toEqual([...new Set(dts)].sort((a, b) => a - b))
    expect(Math.min(...sink.of(name).map(({ sample }) => sample.compositionTicks))).toBeGreaterThanOrEqual(0)
  }
  expect(sink.order).toEqual(['renditions', 'samples'])
  expect(sink.restarts).toEqual([])
}

/** What an independent decoder makes of samples: raw bytes of `format`. */
async function decode(config: CodecConfig, samples: readonly Sample[], format: readonly string[]): Promise<Buffer> {
  const fragments = samples.map((sample, index) => {
    const next = samples[index + 1]
    const durationTicks = next ? next.dtsTicks - sample.dtsTicks : 1024
    return buildFragment({
      trackId: 1,
      sequenceNumber: index + 1,
      baseDecodeTicks: sample.dtsTicks,
      kind: config.kind,
      samples: [{ durationTicks, ...sample }],
      opensSegment: false,
    }).bytes
  })
  const folder = await mkdtemp(join(tmpdir(), 'transcode-decode-'))
  try {
    const file = join(folder, 'in.mp4')
    await writeFile(file, concatBytes([buildInitSegment([{ trackId: 1, config }]), ...fragments]))
    const args = ['-v', 'error', '-nostdin', '-copyts', '-i', file, '-fps_mode', 'passthrough', ...format, 'pipe:1']
    return (await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 2 ** 27 })).stdout
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('every picture of H.264 with B-frames comes out once in each rendition, at its own time, with keys on the epoch grid', async () => {
  const source = await makeSource({ inputs: [...TEST_PATTERN, ...TONE], video: H264, audio: AAC })
  const sink = await transcode(source)
  expectEveryPicture(sink, source, ['video-1', 'video-2'])
  expect(sink.lists[0]?.map(({ name, bandwidth, averageBandwidth }) => [name, bandwidth, averageBandwidth])).toEqual([
    ['video-1', 360_000, 300_000],
    ['video-2', 144_000, 120_000],
    ['audio-1', 147_200, 128_000],
  ])
  const sizes = sink.lists[0]?.map(({ config }) => (config.kind === 'video' ? [config.width, config.height] : []))
  expect(sizes).toEqual([[320, 180], [192, 108], []])
  const audio = sink.pts('audio-1')
  expect(audio.slice(1).map((time, i) => time - (audio[i] ?? 0))).toEqual(new Array(audio.length - 1).fill(1024))
  expect(audio.at(-1)).toBe(ptsOf(source, 'audio').at(-1))
  expect([...sink.drops.keys()]).toEqual([])
})

test('HEVC and Opus go in as well', async () => {
  const hevc = [
    '-c:v',
    'libx265',
    '-preset',
    'ultrafast',
    '-x265-params',
    'log-level=error:bframes=2:keyint=50',
    '-tag:v',
    'hvc1',
  ]
  const source = await makeSource({
    inputs: [...TEST_PATTERN, ...TONE],
    video: hevc,
    audio: ['-c:a', 'libopus', '-b:a', '64k', '-ac', '2'],
  })
  expect(source.configs.map(({ codec }) => codec)).toEqual(['hevc', 'opus'])
  const sink = await transcode(source)
  expectEveryPicture(sink, source, ['video-1', 'video-2'])
  const audioSeconds = (sink.pts('audio-1').length * 1024) / 48_000
  expect(audioSeconds).toBeGreaterThan(5.9)
  expect(audioSeconds).toBeLessThan(6.1)
})

test('a source of variable frame rate neither gains nor loses pictures', async () => {
  const vfr = ['-vf', "select='lt(mod(n,7),4)'", '-fps_mode', 'passthrough', '-enc_time_base', '1:90000']
  const source = await makeSource({ inputs: [...TEST_PATTERN, ...TONE], video: [...vfr, ...H264], audio: AAC })
  expect(ptsOf(source, 'video').length).toBeLessThan(100)
  expectEveryPicture(await transcode(source), source, ['video-1', 'video-2'])
})

for (const codec of ['hevc', 'av1'] as const) {
  test(`a ladder of ${codec} keeps times and grid`, async () => {
    const source = await makeSource({ inputs: [...TEST_PATTERN, ...TONE], video: H264, audio: AAC })
    const rungs = [
      { width: 192, height: 108, bitrateKbps: 150 },
      { width: 96, height: 54, bitrateKbps: 60 },
    ]
    const preset = codec === 'hevc' ? 'ultrafast' : '8'
    const ladder = parseLadder({ name: codec, videoCodec: codec, preset, rungs }, 'test')
    const sink = await transcode(source, { ladder })
    expectEveryPicture(sink, source, ['video-1', 'video-2'])
    expect(sink.lists[0]?.map(({ config }) => config.codec)).toEqual([codec, codec, 'aac'])
  })
}

test('a source without sound gets silence beside its pictures, and the same set of renditions', async () => {
  const source = await makeSource({ inputs: TEST_PATTERN, video: H264 })
  const sink = await transcode(source)
  expectEveryPicture(sink, source, ['video-1', 'video-2'])
  expect(sink.lists[0]?.map(({ name }) => name)).toEqual(['video-1', 'video-2', 'audio-1'])
  const audio = sink.pts('audio-1')
  const videoStart = ptsOf(source, 'video')[0] ?? 0
  expect(Math.abs((audio[0] ?? 0) / 48_000 - videoStart / 90_000)).toBeLessThan(0.03)
  expect(audio.length * 1024).toBeGreaterThan(5.9 * 48_000)
})

test('a source of sound alone gets a ladder of sound alone', async () => {
  const source = await makeSource({ inputs: TONE, audio: AAC })
  const sink = await transcode(source)
  expect(sink.lists.map((list) => list.map(({ name }) => name))).toEqual([['audio-1']])
  expect(sink.pts('audio-1').length).toBeGreaterThan(280)
})

test('a flash and a beep stay together within a millisecond', async () => {
  const flash = ['-f', 'lavfi', '-i', "color=black:s=320x180:r=25:d=5,drawbox=c=white:t=fill:enable='eq(n,60)'"]
  // Noise from a fixed seed, so that its place can be found to the sample; 44.1 kHz, so that it has to be resampled.
  const beep = [
    '-f',
    'lavfi',
    '-i',
    'anoisesrc=r=44100:d=5:seed=7:c=pink,volume=volume=0:enable=not(between(t\\,2.4\\,2.6))',
  ]
  const source = await makeSource({ inputs: [...flash, ...beep], video: H264, audio: AAC })
  const sink = await transcode(source)

  const video = sink.lists[0]?.find(({ name }) => name === 'video-1')
  const gray = ['-f', 'rawvideo', '-pix_fmt', 'gray', '-s', '16x9']
  const pictures = await decode(
    video!.config,
    sink.of('video-1').map(({ sample }) => sample),
    gray,
  )
  const brightness = Array.from({ length: pictures.length / 144 }, (_, i) => pictures[i * 144 + 70] ?? 0)
  const flashTicks = sink.pts('video-1')[brightness.indexOf(Math.max(...brightness))] ?? 0
  expect(flashTicks).toBe(ptsOf(source, 'video')[60])

  const pcm = ['-f', 'f32le', '-ac', '1', '-ar', '48000']
  const audio = sink.lists[0]?.find(({ name }) => name === 'audio-1')
  const outgoing = sink.of('audio-1').map(({ sample }) => sample)
  const incoming = source.items.filter(({ kind }) => kind === 'audio').map(({ sample }) => sample)
  const before = await decode(source.configs[1]!, incoming, pcm)
  const after = await decode(audio!.config, outgoing, pcm)
  const shiftSamples = bestShift(floats(before), floats(after))
  const startBefore = (incoming[0]?.dtsTicks ?? 0) / 44_100
  const startAfter = (outgoing[0]?.dtsTicks ?? 0) / 48_000
  const offsetMs = (startAfter - startBefore) * 1000 + (shiftSamples * 1000) / 48_000
  expect(Math.abs(offsetMs)).toBeLessThan(1)
  expect(startBefore).toBeCloseTo(EPOCH_SECONDS - 1024 / 44_100, 3)
})

function floats(bytes: Buffer): Float32Array {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.byteLength & ~3)))
}

/** By how many samples `b` is later than `a`, from the noise that both hold. */
function bestShift(a: Float32Array, b: Float32Array): number {
  let best = { shift: 0, sum: Number.NEGATIVE_INFINITY }
  for (let shift = -3000; shift <= 3000; shift++) {
    let sum = 0
    for (let i = 110_000; i < 130_000; i += 1) sum += (a[i] ?? 0) * (b[i + shift] ?? 0)
    if (sum > best.sum) best = { shift, sum }
  }
  return best.shift
}
