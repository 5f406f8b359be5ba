import { expect, test } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { parseLadder } from '../../../src/transcode/ladder.ts'
import { LadderTranscoder } from '../../../src/transcode/ladder-transcoder.ts'
import type { LadderTranscoderOptions } from '../../../src/transcode/transcoder-options.ts'
import { RecordingSink } from '../../e2e/transcode-harness.ts'
import { type FakeBehaviour, FakeSpawner, settle } from './fake-ffmpeg.ts'
import { audioConfig, picture, START_TICKS, sound, soundsBefore, videoConfig } from './sample-source.ts'

const ladder = parseLadder(
  {
    name: 'two',
    preset: 'superfast',
    rungs: [
      { width: 320, height: 180, bitrateKbps: 300 },
      { width: 160, height: 90, bitrateKbps: 100 },
    ],
  },
  'test',
)

const options: LadderTranscoderOptions = {
  ladder,
  ffmpegPath: 'ffmpeg',
  segmentGridSeconds: 2,
  stallMs: 4000,
  lagBudgetMs: 2000,
  startAudioWaitMs: 1000,
  maxQueuedBytes: 1_000_000,
  stopGraceMs: 1000,
  restart: { promptRestarts: 2, backoffMs: 1000, maxBackoffMs: 10_000, windowMs: 60_000 },
}

/** A transcoder on virtual time; `play` writes pictures (and sound) at their own pace. */
function start(behave: (index: number) => FakeBehaviour = () => ({}), changed: Partial<LadderTranscoderOptions> = {}) {
  const clock = new VirtualClock()
  const spawner = new FakeSpawner()
  spawner.behave = behave
  const sink = new RecordingSink()
  const deps = { clock, logger: silentLogger, spawn: spawner.spawn }
  const transcoder = new LadderTranscoder({ ...options, ...changed }, deps, sink)
  const play = async (from: number, to: number, tracks: { audio?: boolean; video?: boolean } = {}) => {
    for (let n = from; n < to; n++) {
      if (tracks.video !== false) void transcoder.write('video', picture(n))
      if (tracks.audio !== false)
        for (let s = soundsBefore(n); s < soundsBefore(n + 1); s++) void transcoder.write('audio', sound(s))
      await settle()
      await clock.advance(40)
    }
    await settle()
  }
  const configure = () => {
    transcoder.configure(videoConfig)
    transcoder.configure(audioConfig)
  }
  const seen = (rendition: string) => sink.pts(rendition).map((pts) => (pts - START_TICKS) / 3600)
  return { clock, spawner, sink, transcoder, play, configure, seen }
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

test('everything from the first IDR on comes out, in every rendition, after the set is known', async () => {
  const { transcoder, play, configure, seen, sink, spawner } = start()
  configure()
  await play(0, 60)
  await transcoder.inputEnded()
  expect(seen('video-1')).toEqual(upTo(60))
  expect(seen('video-2')).toEqual(upTo(60))
  expect(sink.order).toEqual(['renditions', 'samples'])
  expect(spawner.children.length).toBe(1)
  await transcoder.stop()
})

test('a sample without a configuration is counted, not encoded', async () => {
  const { transcoder, play, sink } = start()
  await play(0, 10, { audio: false })
  await transcoder.stop()
  expect([...sink.drops]).toEqual([['no-config', 10]])
})

test('a crash: the next child begins with the next IDR, and nothing of the old one follows it', async () => {
  const { transcoder, play, configure, seen, sink, spawner } = start()
  configure()
  await play(0, 60)
  spawner.newest.stderr.write('[fatal] out of memory\n')
  await settle()
  spawner.newest.exit({ code: 139, signal: null })
  await settle()
  await play(60, 100)
  await transcoder.stop()
  expect(seen('video-1')).toEqual([...upTo(60), ...upTo(100).slice(75)])
  expect(sink.order).toEqual(['renditions', 'samples', 'restarted:crashed', 'renditions', 'samples'])
  expect(sink.restarts[0]).toMatchObject({
    restarts: 1,
    savings: 0,
    preset: 'superfast',
    exit: { code: 139, stderrTail: ['[fatal] out of memory'] },
  })
  expect(sink.drops.get('child-restart')).toBe(15)
  expect(sink.lists[1]?.map(({ name }) => name)).toEqual(['video-1', 'video-2', 'audio-1'])
})

test('a child that is alive and silent while input is written is killed', async () => {
  const { transcoder, play, configure, sink, spawner } = start((index) => (index === 0 ? { silent: true } : {}))
  configure()
  await play(0, 150)
  expect(spawner.children[0]?.signals).toEqual(['SIGKILL'])
  expect(spawner.children.length).toBe(2)
  expect(sink.restarts).toMatchObject([{ reason: 'stalled' }])
  await transcoder.stop()
})

test('children that keep dying are given pauses that grow, and the reason is told', async () => {
  const { transcoder, play, configure, sink, spawner } = start(() => ({ failToStart: true }))
  configure()
  await play(0, 400)
  expect(sink.failures.map(({ retryMs, deaths, reason }) => [retryMs, deaths, reason])).toEqual([
    [1000, 3, 'spawn-failed'],
    [2000, 4, 'spawn-failed'],
    [4000, 5, 'spawn-failed'],
    [8000, 6, 'spawn-failed'],
  ])
  expect(spawner.children.length).toBe(6)
  expect(sink.drops.get('backing-off')).toBeGreaterThan(200)
  expect(sink.restarts).toEqual([])
  await transcoder.stop()
})

test('it tries again after the pause, and announces one restart when output begins', async () => {
  const { transcoder, play, configure, sink, seen } = start((index) => (index < 3 ? { failToStart: true } : {}))
  configure()
  await play(0, 200)
  await transcoder.stop()
  expect(sink.order).toEqual(['failing', 'restarted:spawn-failed', 'renditions', 'samples'])
  expect(seen('video-1').at(-1)).toBe(199)
})

test('output that is not fragmented MP4 ends the child', async () => {
  const { transcoder, play, configure, sink } = start((index) => (index === 0 ? { garbage: true } : {}))
  configure()
  await play(0, 60)
  expect(sink.restarts).toMatchObject([{ reason: 'output-invalid' }])
  await transcoder.stop()
})

test('a source without sound is given silence after a second, and loses no picture by the wait', async () => {
  const { transcoder, play, seen, sink } = start()
  transcoder.configure(videoConfig)
  await play(0, 50, { audio: false })
  await transcoder.stop()
  expect(seen('video-1')).toEqual(upTo(50))
  expect(sink.lists[0]?.map(({ name }) => name)).toEqual(['video-1', 'video-2', 'audio-1'])
  expect(sink.of('audio-1').length).toBeGreaterThan(90)
})

test('sound that comes later replaces the silence at the next IDR, sound that goes is replaced by silence', async () => {
  const { transcoder, play, configure, seen, sink } = start()
  configure()
  await play(0, 40, { audio: false })
  await play(40, 120)
  await play(120, 240, { audio: false })
  await transcoder.stop()
  expect(sink.restarts.map(({ reason, exit }) => [reason, exit.outcome])).toEqual([
    ['audio-arrived', 'stopped'],
    ['audio-lost', 'stopped'],
  ])
  expect(seen('video-1')).toEqual(upTo(240))
})

test('sound that can’t be decoded is muted, and pictures go on with silence', async () => {
  const { transcoder, play, configure, sink, spawner } = start((index) => (index === 0 ? { only: 'video' } : {}))
  configure()
  await play(0, 160)
  expect(sink.restarts).toMatchObject([{ reason: 'audio-lost' }])
  expect(spawner.children.length).toBe(2)
  expect(sink.of('video-1').length).toBeGreaterThan(20)
  await transcoder.stop()
})

test('sound alone is encoded alone, until a picture arrives', async () => {
  const { transcoder, play, sink } = start()
  transcoder.configure(audioConfig)
  await play(0, 60, { video: false })
  expect(sink.lists.map((list) => list.map(({ name }) => name))).toEqual([['audio-1']])
  transcoder.configure(videoConfig)
  await play(60, 110)
  await transcoder.stop()
  expect(sink.restarts).toMatchObject([{ reason: 'video-arrived' }])
  expect(sink.lists[1]?.length).toBe(3)
})

test('a child that does not take its input holds the writer up, and is left behind after the lag budget', async () => {
  const { transcoder, configure, clock, sink, spawner } = start((index) => (index === 0 ? { deaf: true } : {}), {
    stallMs: 60_000,
  })
  configure()
  void transcoder.write('audio', sound(0))
  let held: Promise<void> | undefined
  for (let n = 0; n < 25 && !held; n++) held = transcoder.write('video', picture(n, 100_000))
  expect(held).toBeInstanceOf(Promise)
  let released = false
  void held?.then(() => {
    released = true
  })
  await settle()
  await clock.advance(1900)
  expect(released).toBe(false)
  await clock.advance(200)
  await settle()
  expect(released).toBe(true)
  expect(transcoder.write('video', picture(25, 100_000))).toBeUndefined()
  spawner.newest.listen()
  await settle()
  await clock.advance(500)
  for (let n = 30; n < 60; n++) {
    void transcoder.write('video', picture(n, 1000))
    await settle()
  }
  await transcoder.stop()
  const passed = sink.pts('video-1').map((pts) => (pts - START_TICKS) / 3600)
  expect(passed.filter((n) => n >= 25)).toEqual(upTo(60).slice(50))
  expect(sink.drops.get('congested')).toBe(21)
})

test('a writer who does not wait can’t pile up more than the budget', async () => {
  const { transcoder, configure, clock, spawner, sink } = start(() => ({ deaf: true }), { maxQueuedBytes: 500_000 })
  configure()
  void transcoder.write('audio', sound(0))
  for (let n = 0; n < 200; n++) void transcoder.write('video', picture(n, 10_000))
  expect(spawner.newest.stdin.writableLength + spawner.newest.stdin.readableLength).toBeLessThan(550_000)
  const stopped = transcoder.stop()
  await settle()
  await clock.advance(3000)
  await stopped
  expect(sink.drops.get('congested')).toBeGreaterThan(100)
})

test('falling behind: a cheaper preset, then fewer rungs, then skipping; all forgotten with the input', async () => {
  const { transcoder, configure, clock, spawner, sink } = start(() => ({ held: true }))
  const shape = () => {
    const { args } = spawner.newest
    return `${args[args.indexOf('-preset') + 1]} x${args.filter((word) => word === '-vf').length}`
  }
  const shapes: string[] = []
  configure()
  void transcoder.write('audio', sound(0))
  // One picture comes out for each five that go in.
  for (let n = 0; n < 600; n++) {
    void transcoder.write('video', picture(n))
    void transcoder.write('audio', sound(soundsBefore(n)))
    await settle()
    if (n % 5 === 0) spawner.newest.release(2)
    await settle()
    if (shapes.at(-1) !== shape()) shapes.push(shape())
    await clock.advance(40)
  }
  expect(shapes).toEqual(['superfast x2', 'ultrafast x2', 'ultrafast x1'])
  expect(sink.restarts.map(({ reason, savings, preset }) => [reason, savings, preset])).toEqual([
    ['fell-behind', 1, 'ultrafast'],
    ['fell-behind', 2, 'ultrafast'],
  ])
  expect(sink.lists.at(-1)?.map(({ name }) => name)).toEqual(['video-2', 'audio-1'])
  expect(sink.drops.get('fell-behind')).toBeGreaterThan(50)
  expect(sink.failures).toEqual([])
  await transcoder.inputEnded()
  void transcoder.write('video', picture(1000))
  void transcoder.write('audio', sound(soundsBefore(1000)))
  expect(shape()).toBe('superfast x2')
  await transcoder.stop()
})

test('stop is repeatable, and later calls do nothing', async () => {
  const { transcoder, play, configure, spawner } = start()
  configure()
  await play(0, 30)
  const first = transcoder.stop()
  expect(transcoder.stop()).toBe(first)
  await first
  expect(transcoder.write('video', picture(50))).toBeUndefined()
  await transcoder.inputEnded()
  expect(spawner.children.length).toBe(1)
})

test('the queue of a second input begins with the child of its own', async () => {
  const { transcoder, play, configure, seen, sink, spawner } = start()
  configure()
  await play(0, 10)
  const ended = transcoder.inputEnded()
  await play(100, 140)
  await ended
  await transcoder.stop()
  expect(seen('video-1')).toEqual([...upTo(10), ...upTo(140).slice(100)])
  expect(spawner.children.length).toBe(2)
  expect(sink.restarts).toEqual([])
})

test('figures come once a second while a child runs', async () => {
  const { transcoder, play, configure, sink, spawner } = start()
  configure()
  await play(0, 5)
  spawner.newest.pipes[0]?.write('fps=25.0\nspeed=0.99x\nprogress=continue\n')
  await play(5, 80)
  await transcoder.stop()
  expect(sink.allStats.length).toBe(3)
  expect(sink.allStats.at(-1)).toMatchObject({ speed: 0.99, fps: 25, restarts: 0, savings: 0, queuedBytes: 0 })
})
