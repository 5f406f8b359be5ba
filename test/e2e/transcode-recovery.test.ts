import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { parseLadder } from '../../src/transcode/ladder.ts'
import {
  AAC,
  childProcesses,
  createTranscoder,
  EPOCH_SECONDS,
  H264,
  makeSource,
  play,
  ptsOf,
  RecordingSink,
  TEST_PATTERN,
  TONE,
} from './transcode-harness.ts'

const SHORT_GOPS = [...H264, '-g', '25']

/** Every pid that `sink` was told of, and those seen by the test. */
async function eventually(condition: () => boolean, timeoutMs = 20_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!condition() && performance.now() < endMs) await systemClock.sleep(20)
  expect(condition()).toBe(true)
}

function pidOf(sink: RecordingSink): number | undefined {
  return sink.allStats.at(-1)?.pid
}

test('a killed child is replaced from the next IDR, with one discontinuity and no zombie', async () => {
  const source = await makeSource({ inputs: [...TEST_PATTERN, ...TONE], video: SHORT_GOPS, audio: AAC })
  const sink = new RecordingSink()
  const transcoder = createTranscoder(sink)
  const startMs = source.items[0]?.atMs ?? 0
  const killed: number[] = []
  await play(transcoder, source, {
    speed: 1,
    before: ({ atMs }) => {
      const pid = pidOf(sink)
      if (killed.length === 0 && pid !== undefined && atMs - startMs > 2600) {
        process.kill(pid, 'SIGKILL')
        killed.push(pid)
      }
    },
  })
  await transcoder.inputEnded()
  await transcoder.stop()

  expect(killed.length).toBe(1)
  expect(sink.restarts).toMatchObject([
    { reason: 'crashed', restarts: 1, exit: { outcome: 'crashed', signal: 'SIGKILL' } },
  ])
  expect(sink.order).toEqual(['renditions', 'samples', 'restarted:crashed', 'renditions', 'samples'])
  expect(sink.lists[1]?.map(({ name }) => name)).toEqual(sink.lists[0]?.map(({ name }) => name))
  expect(sink.failures).toEqual([])
  for (const name of ['video-1', 'video-2', 'audio-1']) {
    const pts = sink.pts(name)
    expect(new Set(pts).size).toBe(pts.length)
    const dts = sink.of(name).map(({ sample }) => sample.dtsTicks)
    expect(dts).toEqual([...dts].sort((a, b) => a - b))
  }
  // At most the pictures in the child and those up to the next IDR are missing.
  const wanted = ptsOf(source, 'video')
  const got = sink.pts('video-1')
  expect(got.at(-1)).toBe(wanted.at(-1))
  expect(wanted.length - got.length).toBeLessThan(60)
  expect(got.every((time) => wanted.includes(time))).toBe(true)
  expect(sink.keyPts('video-2').slice(0, 2)).toEqual(sink.keyPts('video-1').slice(0, 2))
  expect(childProcesses(killed)).toEqual([])
})

test('a stopped child is noticed while input is written, and killed', async () => {
  const source = await makeSource({ inputs: [...TEST_PATTERN, ...TONE], video: SHORT_GOPS, audio: AAC })
  const sink = new RecordingSink()
  const transcoder = createTranscoder(sink, { stallMs: 1500 })
  const startMs = source.items[0]?.atMs ?? 0
  const stopped: number[] = []
  await play(transcoder, source, {
    speed: 1,
    before: ({ atMs }) => {
      const pid = pidOf(sink)
      if (stopped.length === 0 && pid !== undefined && atMs - startMs > 1500) {
        process.kill(pid, 'SIGSTOP')
        stopped.push(pid)
      }
    },
  })
  await transcoder.inputEnded()
  await transcoder.stop()
  expect(stopped.length).toBe(1)
  expect(sink.restarts).toMatchObject([{ reason: 'stalled', exit: { outcome: 'crashed', signal: 'SIGKILL' } }])
  expect(sink.pts('video-1').at(-1)).toBe(ptsOf(source, 'video').at(-1))
  expect(childProcesses(stopped)).toEqual([])
})

test('a change of the picture replaces the child without losing a picture', async () => {
  const first = await makeSource({ inputs: [...TEST_PATTERN, ...TONE], video: H264, audio: AAC })
  const bigger = ['-f', 'lavfi', '-i', 'testsrc2=s=384x216:r=25:d=3']
  const second = await makeSource(
    { inputs: [...bigger, ...TONE], video: H264, audio: [...AAC, '-t', '3'] },
    EPOCH_SECONDS + 6,
  )
  const sink = new RecordingSink()
  const transcoder = createTranscoder(sink)
  await play(transcoder, first)
  await play(transcoder, second)
  await transcoder.inputEnded()
  await transcoder.stop()
  expect(sink.order).toEqual(['renditions', 'samples', 'restarted:config-changed', 'renditions', 'samples'])
  expect(sink.restarts).toMatchObject([{ exit: { outcome: 'stopped', code: 0 } }])
  const wanted = [...ptsOf(first, 'video'), ...ptsOf(second, 'video')]
  for (const name of ['video-1', 'video-2']) {
    expect(sink.pts(name)).toEqual(wanted)
    const dts = sink.of(name).map(({ sample }) => sample.dtsTicks)
    expect(dts).toEqual([...new Set(dts)].sort((a, b) => a - b))
  }
})

test('sound that comes late replaces the silence, and the set of renditions stays', async () => {
  const source = await makeSource({ inputs: [...TEST_PATTERN, ...TONE], video: SHORT_GOPS, audio: AAC })
  const lateMs = (source.items[0]?.atMs ?? 0) + 3000
  const late = { ...source, items: source.items.filter(({ kind, atMs }) => kind === 'video' || atMs > lateMs) }
  const sink = new RecordingSink()
  const transcoder = createTranscoder(sink)
  await play(transcoder, late, { speed: 2 })
  await transcoder.inputEnded()
  await transcoder.stop()
  expect(sink.order).toEqual(['renditions', 'samples', 'restarted:audio-arrived', 'renditions', 'samples'])
  expect(sink.lists[1]).toEqual(sink.lists[0])
  expect(sink.pts('video-1')).toEqual(ptsOf(source, 'video'))
})

test('the next input gets a child of its own, with the same names and no restart announced', async () => {
  const ladder = parseLadder(
    { name: 'one', preset: 'ultrafast', rungs: [{ width: 192, height: 108, bitrateKbps: 150 }] },
    'test',
  )
  const short = { inputs: [...TEST_PATTERN, ...TONE], video: [...H264, '-t', '0.6'], audio: [...AAC, '-t', '0.6'] }
  const first = await makeSource(short)
  const second = await makeSource(short, EPOCH_SECONDS + 60)
  const sink = new RecordingSink()
  const transcoder = createTranscoder(sink, { ladder })
  await play(transcoder, first)
  const ended = transcoder.inputEnded()
  await play(transcoder, second)
  await ended
  await transcoder.inputEnded()
  await transcoder.stop()
  expect(sink.order).toEqual(['renditions', 'samples', 'renditions', 'samples'])
  expect(sink.pts('video-1')).toEqual([...ptsOf(first, 'video'), ...ptsOf(second, 'video')])
})

test('an ffmpeg that is not there is tried again with growing pauses, and says why', async () => {
  const source = await makeSource({
    inputs: [...TEST_PATTERN, ...TONE],
    video: [...H264, '-g', '5', '-t', '2'],
    audio: AAC,
  })
  const sink = new RecordingSink()
  const restart = { promptRestarts: 1, backoffMs: 150, maxBackoffMs: 1000, windowMs: 60_000 }
  const transcoder = createTranscoder(sink, { ffmpegPath: '/nonexistent/ffmpeg', restart })
  await play(transcoder, source, { speed: 1 })
  await eventually(() => sink.failures.length >= 2)
  await transcoder.stop()
  expect(sink.failures.map(({ retryMs, deaths }) => [retryMs, deaths]).slice(0, 2)).toEqual([
    [150, 2],
    [300, 3],
  ])
  expect(sink.failures[0]).toMatchObject({ reason: 'spawn-failed', exit: { outcome: 'spawn-failed' } })
  expect(sink.failures[0]?.exit.stderrTail.join()).toContain('ENOENT')
})
