import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Bench } from './bench.ts'

let bench: Bench
const warn = vi.fn()
const error = vi.fn()

beforeEach(async () => {
  warn.mockClear()
  error.mockClear()
  const logger = { ...silentLogger, info: vi.fn(), warn, error, child: () => logger } as typeof silentLogger
  bench = await Bench.open(logger)
  await bench.start()
})

afterEach(async () => {
  expect(bench.node.breaches).toEqual([])
  await bench.close()
})

async function runningWithProgram(): Promise<{ channel: string; program: string }> {
  const channel = await bench.createChannel()
  await bench.startChannel(channel)
  await bench.quiet()
  const program = await bench.createProgram(channel)
  await bench.startProgram(program)
  await bench.quiet()
  return { channel, program }
}

describe('after a crash', () => {
  it('what ran runs again, programs after their channel', async () => {
    const { channel, program } = await runningWithProgram()
    const before = await bench.get('program', program)
    await bench.clock.advance(60_000)
    await bench.crash()
    await bench.quiet()
    expect(bench.node.notes.slice(0, 2)).toEqual(['start channel-1', 'start program program-2'])
    expect((await bench.get('channel', channel)).state).toBe('Running')
    expect(await bench.get('program', program)).toMatchObject({ state: 'Running', startedAt: before.startedAt })
    expect((await bench.events(channel)).slice(2)).toEqual([
      'channel.state-changed Running>Starting recovery',
      'channel.state-changed Starting>Running completed',
    ])
  })

  it('a start that was under way goes on, and its operation ends', async () => {
    const id = await bench.createChannel()
    bench.node.hold('start')
    const starting = await bench.startChannel(id)
    await bench.quiet()
    await bench.crash()
    await bench.quiet()
    expect((await bench.get('channel', id)).state).toBe('Running')
    expect((await bench.get('operation', starting)).state).toBe('succeeded')
  })

  it('a stop and a deletion that were under way end', async () => {
    const first = await runningWithProgram()
    const second = await bench.createChannel()
    await bench.startChannel(second)
    await bench.quiet()
    bench.node.hold('stop')
    const operations = [await bench.stopChannel(first.channel, true), await bench.deleteChannel(second)]
    await bench.quiet()
    await bench.crash()
    await bench.quiet()
    expect((await bench.get('channel', first.channel)).state).toBe('Stopped')
    expect(await bench.find('program', first.program)).toBeUndefined()
    expect(await bench.find('channel', second)).toBeUndefined()
    for (const id of operations) expect((await bench.get('operation', id)).state).toBe('succeeded')
    expect(bench.node.running.size).toBe(0)
  })

  it('a reset that was asked for is done by the new start', async () => {
    const { channel } = await runningWithProgram()
    bench.process.kill()
    const resetting = await bench.resetChannel(channel)
    await bench.crash()
    await bench.quiet()
    expect((await bench.get('operation', resetting)).state).toBe('succeeded')
    expect(await bench.events(channel)).toContain('channel.reset')
    expect((await bench.get('channel', channel)).state).toBe('Running')
  })

  it('a channel that can’t start any more is tried again and shows why', async () => {
    const { channel } = await runningWithProgram()
    bench.process.kill()
    await bench.crash()
    bench.node.plan('start', new AppError('FFMPEG_MISSING', 'There is no ffmpeg to run.'), 3)
    await bench.quiet()
    expect(await bench.get('channel', channel)).toMatchObject({
      state: 'Starting',
      desiredState: 'Running',
      lastError: { code: 'FFMPEG_MISSING' },
    })
    for (let second = 0; second < 8; second++) await bench.pass(1_000)
    expect((await bench.get('channel', channel)).state).toBe('Running')
  })

  it('a schedule that came due meanwhile is kept', async () => {
    const { channel } = await runningWithProgram()
    const at = (afterMs: number) => new Date(bench.clock.now() + afterMs).toISOString()
    const starts = await bench.createProgram(channel, { startAt: at(60_000) })
    const stops = await bench.createProgram(channel, { startAt: at(1_000), stopAt: at(60_000) })
    await bench.pass(1_000)
    expect((await bench.get('program', stops)).state).toBe('Running')
    bench.process.kill()
    await bench.clock.advance(120_000)
    await bench.crash()
    await bench.quiet()
    expect((await bench.get('program', starts)).state).toBe('Running')
    expect((await bench.get('program', stops)).state).toBe('Stopped')
  })

  it('knows every channel, also those that are stopped', async () => {
    const ids = [await bench.createChannel(), await bench.createChannel()]
    await bench.crash()
    await bench.quiet()
    expect([...bench.node.index.keys()].sort()).toEqual([...ids].sort())
    expect(bench.process.states).toEqual(new Map([['Stopped', 2]]))
  })

  it('misses nothing that is written while it looks around', async () => {
    const [started, deleted] = [await bench.createChannel(), await bench.createChannel()]
    const lists: { read: Promise<void>; release: () => void }[] = []
    await bench.crash(({ store }) => void lists.push(store.holdList('channel')))
    await lists[0]?.read
    await bench.startChannel(started)
    await bench.write(async (changes) => changes.delete('channel', await bench.get('channel', deleted)))
    const made = await bench.createChannel()
    lists[0]?.release()
    await bench.quiet()
    expect((await bench.get('channel', started)).state).toBe('Running')
    expect(new Set(bench.node.index.keys())).toEqual(new Set([started, made]))
  })

  it('brings a thousand channels back, a few at a time', async () => {
    for (let from = 0; from < 1_000; from += 50) {
      await Promise.all(
        Array.from({ length: 50 }, () => bench.createChannel({}, { state: 'Running', desiredState: 'Running' })),
      )
    }
    await bench.crash(({ node }) => node.hold('start'))
    await bench.quiet()
    expect(bench.node.starting).toBe(8)
    bench.node.release()
    await bench.quiet()
    expect(bench.node.running.size).toBe(1_000)
    expect(bench.node.mostStarting).toBe(8)
    expect(bench.process.states.get('Running')).toBe(1_000)
  }, 60_000)
})

describe('changes that are gone', () => {
  it('are made good by looking at everything', async () => {
    const { channel, program } = await runningWithProgram()
    const [started, deleted] = [await bench.createChannel(), await bench.createChannel()]
    const endpoint = await bench.createEndpoint()
    await bench.quiet()
    bench.process.isDeaf = true
    await bench.stopProgram(program)
    await bench.startChannel(started)
    await bench.write(async (changes) => changes.delete('channel', await bench.get('channel', deleted)))
    await bench.moveEndpoint(endpoint, 'stop')
    await bench.quiet()
    expect([...bench.node.running.keys()]).toEqual([channel])
    bench.process.isDeaf = false
    const made = await bench.createChannel()
    await bench.pass(250)
    expect(new Set(bench.node.running.keys())).toEqual(new Set([channel, started]))
    expect((await bench.get('program', program)).state).toBe('Stopped')
    expect(new Set(bench.node.index.keys())).toEqual(new Set([channel, started, made]))
    expect(bench.node.open.size).toBe(0)
  })
})

describe('a graceful stop', () => {
  it('ends what runs here and leaves it Running in the store', async () => {
    const { channel, program } = await runningWithProgram()
    await bench.process.stop()
    expect(bench.node.running.size).toBe(0)
    expect((await bench.get('channel', channel)).state).toBe('Running')
    expect((await bench.get('program', program)).state).toBe('Running')
    await bench.crash()
    await bench.quiet()
    expect(bench.node.running.size).toBe(1)
  })

  it('gives up a start that is under way', async () => {
    const id = await bench.createChannel()
    bench.node.hold('start')
    await bench.startChannel(id)
    await bench.quiet()
    await bench.process.stop()
    expect(bench.node.starting).toBe(0)
    expect((await bench.get('channel', id)).state).toBe('Starting')
  })

  it('says which channels did not stop in time', async () => {
    const { channel } = await runningWithProgram()
    const release = bench.node.hold('stop')
    const stopping = bench.process.supervisor.stop()
    const outcome = expect(stopping).rejects.toMatchObject({
      code: 'PART_UNRESPONSIVE',
      details: { channels: [channel] },
    })
    await bench.quiet()
    await bench.clock.advance(8_000)
    await outcome
    release()
    await bench.crash()
  })
})

describe('a store that is down', () => {
  it('stops nothing, and is told once in the log', async () => {
    const { channel } = await runningWithProgram()
    const other = await bench.createChannel()
    bench.process.store.fault = 'all'
    // Another node's write: this one hears of it and can't read what it is.
    await bench.startChannel(other)
    await bench.renameChannel(channel, 'another')
    for (let second = 0; second < 30; second++) await bench.pass(1_000)
    expect([...bench.node.running.keys()]).toEqual([channel])
    expect(warn).toHaveBeenCalledTimes(1)
    expect(error).not.toHaveBeenCalled()
    bench.process.store.fault = 'none'
    await bench.pass(10_000)
    expect(bench.node.running.size).toBe(2)
    expect(bench.node.running.get(channel)?.channel.name).toBe('another')
  })

  it('pauses after a write that went through and was said to have not, though that very write wakes it', async () => {
    await bench.createChannel({}, { state: 'Starting', desiredState: 'Running' })
    await bench.crash((process) => {
      process.node.plan('start', new AppError('PART_UNRESPONSIVE', 'as planned'), 1)
      process.store.fault = 'writes-after'
    })
    await bench.quiet()
    const { calls } = bench.process.store
    await bench.pass(1_000)
    expect(bench.process.store.calls - calls).toBeLessThan(50)
    bench.process.store.fault = 'none'
    await bench.pass(10_000)
    expect(bench.node.running.size).toBe(1)
  })

  it.each(['writes', 'writes-after'] as const)('keeps an outcome until it is written (%s)', async (fault) => {
    const { channel, program } = await runningWithProgram()
    const { assetId } = await bench.get('program', program)
    const failing = await bench.createChannel()
    const operations = [await bench.stopProgram(program)]
    bench.process.store.fault = fault
    await bench.quiet()
    operations.push(await bench.startChannel(failing))
    for (let second = 0; second < 20; second++) await bench.pass(1_000)
    expect(warn).toHaveBeenCalledTimes(1)
    bench.process.store.fault = 'none'
    await bench.pass(10_000)
    expect(await bench.get('program', program)).toMatchObject({ state: 'Stopped' })
    expect(await bench.get('asset', assetId)).toMatchObject({ state: 'Ready', duration: 'PT1M30S' })
    expect((await bench.get('channel', failing)).state).toBe('Running')
    for (const id of operations) expect((await bench.get('operation', id)).state).toBe('succeeded')
    expect(bench.node.running.has(channel)).toBe(true)
  })

  it('keeps the reason of a failed start', async () => {
    const id = await bench.createChannel()
    const release = bench.node.hold('start')
    bench.node.plan('start', new AppError('FFMPEG_MISSING', 'There is no ffmpeg to run.'))
    const starting = await bench.startChannel(id)
    await bench.quiet()
    bench.process.store.fault = 'all'
    release()
    await bench.pass(30_000)
    expect(bench.node.notes).toEqual(['start channel-1'])
    bench.process.store.fault = 'none'
    await bench.pass(10_000)
    expect(await bench.get('operation', starting)).toMatchObject({ state: 'failed', error: { code: 'FFMPEG_MISSING' } })
    expect((await bench.get('channel', id)).state).toBe('Stopped')
  })

  it('has no failure of the past answer who asks again', async () => {
    const channel = await bench.createChannel()
    await bench.startChannel(channel)
    await bench.quiet()
    const [other, program] = [await bench.createChannel(), await bench.createProgram(channel)]
    const again: string[] = []
    for (const [step, ask] of [
      ['start', () => bench.startChannel(other)],
      ['program', () => bench.startProgram(program)],
    ] as const) {
      const release = bench.node.hold(step)
      bench.node.plan(step, new AppError('PART_UNRESPONSIVE', 'as planned'))
      const failing = await ask()
      await bench.quiet()
      bench.process.store.fault = 'last-write'
      release()
      await bench.quiet()
      // That it failed is written, and the worker doesn't know.
      expect((await bench.get('operation', failing)).state).toBe('failed')
      again.push(await ask())
      bench.process.store.fault = 'none'
      await bench.pass(10_000)
    }
    for (const id of again) expect((await bench.get('operation', id)).state).toBe('succeeded')
  })

  it('is waited for at the start', async () => {
    const { channel } = await runningWithProgram()
    await bench.crash()
    bench.process.store.fault = 'all'
    await bench.pass(5_000)
    expect(bench.node.running.size).toBe(0)
    bench.process.store.fault = 'none'
    await bench.pass(10_000)
    expect([...bench.node.running.keys()]).toEqual([channel])
  })
})
