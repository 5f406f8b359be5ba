import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { FfmpegChild, type FfmpegChildListener } from '../../../src/transcode/ffmpeg-child.ts'
import { spawnProcess } from '../../../src/transcode/spawn-port.ts'
import { type FakeBehaviour, FakeSpawner, settle } from './fake-ffmpeg.ts'

const quiet: FfmpegChildListener = { output: () => undefined, progress: () => undefined, drained: () => undefined }

function start(behaviour: FakeBehaviour = {}) {
  const spawner = new FakeSpawner()
  spawner.behave = () => behaviour
  const clock = new VirtualClock()
  const child = new FfmpegChild({ path: 'ffmpeg', args: [], outputCount: 2 }, { clock, spawn: spawner.spawn }, quiet)
  return { child, fake: spawner.newest, clock }
}

test('asked to stop, it is let go by itself, and both calls give one report', async () => {
  const { child, fake } = start()
  const first = child.stop(1000)
  expect(child.stop(1)).toBe(first)
  expect(await first).toEqual({ outcome: 'stopped', code: 0, signal: null, stderrTail: [] })
  expect(fake.signals).toEqual([])
})

test('one that does not go is asked, and then killed', async () => {
  const { child, fake, clock } = start({ stubborn: true })
  const stopped = child.stop(1000)
  await clock.advance(1000)
  expect(fake.signals).toEqual(['SIGTERM'])
  await clock.advance(1000)
  expect(fake.signals).toEqual(['SIGTERM', 'SIGKILL'])
  expect(await stopped).toMatchObject({ outcome: 'crashed', signal: 'SIGKILL' })
})

test('a death is a crash with the last words', async () => {
  const { child, fake } = start()
  fake.stderr.write('[error] the end is near\n')
  await settle()
  fake.exit({ code: 1, signal: null })
  expect(await child.exited).toEqual({
    outcome: 'crashed',
    code: 1,
    signal: null,
    stderrTail: ['[error] the end is near'],
  })
})

test('a failed start is not a crash', async () => {
  const { child } = start({ failToStart: true })
  expect(await child.exited).toMatchObject({ outcome: 'spawn-failed', stderrTail: ['spawn ENOENT'] })
})

test('pipes that a grandchild holds open do not hold the report', async () => {
  const { child, fake, clock } = start()
  for (const pipe of fake.pipes) pipe.end = () => pipe
  fake.exit({ code: 1, signal: null })
  await settle()
  await clock.advance(2000)
  expect(await child.exited).toMatchObject({ outcome: 'crashed' })
})

test('what waits on its input is counted', async () => {
  const { child } = start({ deaf: true })
  child.write(new Uint8Array(100_000))
  child.write(new Uint8Array(50_000))
  expect(child.queuedBytes).toBeGreaterThanOrEqual(50_000)
})

test('a real process leads its own group, and the whole group is killed', async () => {
  const script = 'sleep 60 & echo $! >&2; wait'
  const process = spawnProcess('/bin/sh', ['-c', script], 0)
  const grandchild = await new Promise<number>((resolve) =>
    process.stderr.once('data', (text) => resolve(Number(text))),
  )
  process.signalGroup('SIGKILL')
  expect(await process.ended).toEqual({ code: null, signal: 'SIGKILL' })
  process.signalGroup('SIGKILL')
  const endMs = performance.now() + 5000
  while (isRunning(grandchild) && performance.now() < endMs) await settle()
  expect(isRunning(grandchild)).toBe(false)
})

/** A zombie that its new parent hasn't reaped yet no longer runs. */
function isRunning(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text[text.lastIndexOf(')') + 2] !== 'Z'
  } catch {
    return false
  }
}

test('a program that is not there is told by the end, not by a throw', async () => {
  const { error } = await spawnProcess('/nonexistent/ffmpeg', [], 3).ended
  expect(error?.message).toContain('ENOENT')
})
