import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { Bench } from './bench.ts'

let bench: Bench

beforeEach(async () => {
  bench = await Bench.open()
  await bench.start()
})

afterEach(async () => {
  expect(bench.node.breaches).toEqual([])
  await bench.close()
})

const noFfmpeg = new AppError('FFMPEG_MISSING', 'There is no ffmpeg to run.')

async function running(): Promise<string> {
  const id = await bench.createChannel()
  await bench.startChannel(id)
  await bench.quiet()
  expect((await bench.get('channel', id)).state).toBe('Running')
  return id
}

describe('a channel', () => {
  it('starts and stops, and says so', async () => {
    const id = await bench.createChannel()
    const starting = await bench.startChannel(id)
    await bench.quiet()
    const started = await bench.get('channel', id)
    expect(started).toMatchObject({ state: 'Running', desiredState: 'Running' })
    expect(started).not.toHaveProperty('operationId')
    expect(bench.node.running.has(id)).toBe(true)
    expect(await bench.get('operation', starting)).toMatchObject({ state: 'succeeded' })
    const stopping = await bench.stopChannel(id)
    await bench.quiet()
    expect(await bench.get('channel', id)).toMatchObject({ state: 'Stopped', desiredState: 'Stopped' })
    expect(bench.node.running.has(id)).toBe(false)
    expect(await bench.get('operation', stopping)).toMatchObject({ state: 'succeeded' })
    expect(await bench.events(id)).toEqual([
      'channel.state-changed Stopped>Starting requested',
      'channel.state-changed Starting>Running completed',
      'channel.state-changed Running>Stopping requested',
      'channel.state-changed Stopping>Stopped completed',
    ])
    expect(bench.process.states).toEqual(
      new Map([
        ['Stopped', 1],
        ['Starting', 0],
        ['Running', 0],
        ['Stopping', 0],
      ]),
    )
  })

  it('tells who asked for the start why it failed, and stays stopped', async () => {
    const id = await bench.createChannel()
    bench.node.plan('start', noFfmpeg)
    const starting = await bench.startChannel(id)
    await bench.quiet()
    expect(await bench.get('channel', id)).toMatchObject({
      state: 'Stopped',
      desiredState: 'Stopped',
      lastError: { code: 'FFMPEG_MISSING', detail: 'There is no ffmpeg to run.' },
    })
    expect(await bench.get('operation', starting)).toMatchObject({
      state: 'failed',
      error: { type: 'urn:headend:problem:ffmpeg-missing', status: 503, code: 'FFMPEG_MISSING' },
    })
    await bench.pass(3_600_000)
    expect(bench.node.notes.filter((note) => note.startsWith('start'))).toHaveLength(1)
    await bench.startChannel(id)
    await bench.quiet()
    const started = await bench.get('channel', id)
    expect(started.state).toBe('Running')
    expect(started).not.toHaveProperty('lastError')
  })

  it('says nothing of the inside of an unexpected failure', async () => {
    const id = await bench.createChannel()
    bench.node.plan('start', new TypeError('secret of the inside'))
    const starting = await bench.startChannel(id)
    await bench.quiet()
    const operation = await bench.get('operation', starting)
    expect(operation.error).toMatchObject({ status: 500, code: 'INTERNAL' })
    expect(JSON.stringify([operation, await bench.get('channel', id)])).not.toContain('secret')
  })

  it('is stopped in the middle of its start', async () => {
    const id = await bench.createChannel()
    const release = bench.node.hold('start')
    const starting = await bench.startChannel(id)
    await bench.quiet()
    expect(bench.node.starting).toBe(1)
    const stopping = await bench.stopChannel(id)
    await bench.quiet()
    // The start has been aborted: nobody has to let it go on.
    expect(bench.node.starting).toBe(0)
    expect((await bench.get('channel', id)).state).toBe('Stopped')
    expect(await bench.get('operation', starting)).toMatchObject({ state: 'failed', error: { status: 409 } })
    expect(await bench.get('operation', stopping)).toMatchObject({ state: 'succeeded' })
    release()
    await bench.quiet()
    expect(bench.node.running.size).toBe(0)
  })

  it('is one channel, however often it is started at once', async () => {
    const id = await bench.createChannel()
    const starts = await Promise.allSettled(Array.from({ length: 5 }, () => bench.startChannel(id)))
    await bench.quiet()
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(bench.node.notes).toEqual(['start channel-1'])
    expect((await bench.get('channel', id)).state).toBe('Running')
  })

  it('does not wait for ever for a start', async () => {
    const id = await bench.createChannel()
    bench.node.hold('start')
    const starting = await bench.startChannel(id)
    await bench.pass(60_000)
    expect(await bench.get('operation', starting)).toMatchObject({
      state: 'failed',
      error: { code: 'PART_UNRESPONSIVE' },
    })
    expect((await bench.get('channel', id)).state).toBe('Stopped')
  })

  it('is started again, later and later, when it fails by itself', async () => {
    const id = await running()
    bench.node.plan('start', noFfmpeg, 2)
    bench.node.running.get(id)?.fail(new AppError('FFMPEG_CRASHED', 'ffmpeg died.'))
    await bench.quiet()
    expect(await bench.get('channel', id)).toMatchObject({
      state: 'Starting',
      desiredState: 'Running',
      lastError: { code: 'FFMPEG_CRASHED' },
    })
    const starts = () => bench.node.notes.filter((note) => note.startsWith('start')).length
    expect(starts()).toBe(1)
    await bench.pass(1_000)
    expect(starts()).toBe(2)
    expect((await bench.get('channel', id)).lastError?.code).toBe('FFMPEG_MISSING')
    await bench.pass(1_999)
    expect(starts()).toBe(2)
    await bench.pass(1)
    expect(starts()).toBe(3)
    await bench.pass(4_000)
    const again = await bench.get('channel', id)
    expect(again.state).toBe('Running')
    expect(again).not.toHaveProperty('lastError')
    expect((await bench.events(id)).slice(2)).toEqual([
      'channel.state-changed Running>Starting failed',
      'channel.state-changed Starting>Running completed',
    ])
  })

  it('can be stopped while it waits to be started again', async () => {
    const id = await running()
    bench.node.plan('start', noFfmpeg, 100)
    bench.node.running.get(id)?.fail(new Error('fell over'))
    await bench.pass(1_000)
    const stopping = await bench.stopChannel(id)
    await bench.quiet()
    expect((await bench.get('channel', id)).state).toBe('Stopped')
    expect((await bench.get('operation', stopping)).state).toBe('succeeded')
    const starts = bench.node.notes.length
    await bench.pass(600_000)
    expect(bench.node.notes).toHaveLength(starts)
  })

  it('is told what changes while it runs', async () => {
    const id = await running()
    await bench.renameChannel(id, 'another')
    await bench.quiet()
    expect(bench.node.running.get(id)?.channel.name).toBe('another')
    expect(bench.node.index.get(id)?.name).toBe('another')
  })

  it('is reset', async () => {
    const id = await running()
    const resetting = await bench.resetChannel(id)
    await bench.quiet()
    expect(bench.node.notes.filter((note) => note.startsWith('reset'))).toHaveLength(1)
    expect(await bench.get('operation', resetting)).toMatchObject({ state: 'succeeded' })
    expect(await bench.events(id)).toContain('channel.reset')
    bench.node.plan('reset', new AppError('PART_UNRESPONSIVE', 'It hangs.'))
    const failing = await bench.resetChannel(id)
    await bench.quiet()
    expect(await bench.get('operation', failing)).toMatchObject({
      state: 'failed',
      error: { code: 'PART_UNRESPONSIVE' },
    })
    expect(await bench.get('channel', id)).toMatchObject({ state: 'Running' })
  })

  it('is deleted with all that runs on it', async () => {
    const id = await running()
    const programs = [await bench.createProgram(id), await bench.createProgram(id)]
    await bench.startProgram(programs[0] ?? '')
    await bench.quiet()
    const { assetId } = await bench.get('program', programs[0] ?? '')
    const deleting = await bench.deleteChannel(id)
    await bench.quiet()
    expect(await bench.find('channel', id)).toBeUndefined()
    expect(await bench.all('program')).toEqual([])
    expect(await bench.get('asset', assetId)).toMatchObject({ state: 'Ready', duration: 'PT1M30S' })
    expect((await bench.get('operation', deleting)).state).toBe('succeeded')
    expect((await bench.events(id)).at(-1)).toBe('channel.deleted')
    for (const program of programs) expect((await bench.events(program)).at(-1)).toBe('program.deleted')
    expect(bench.node.running.size).toBe(0)
    expect(bench.node.index.has(id)).toBe(false)
  })

  it('is deleted in the middle of its start', async () => {
    const id = await bench.createChannel()
    bench.node.hold('start')
    await bench.startChannel(id)
    await bench.quiet()
    await bench.deleteChannel(id)
    await bench.quiet()
    expect(await bench.find('channel', id)).toBeUndefined()
    expect(bench.node.running.size).toBe(0)
  })

  it('says that a stop went wrong, and is stopped', async () => {
    const id = await running()
    bench.node.plan('stop', new AppError('STATE_UNWRITABLE', 'The disk is full.'))
    const stopping = await bench.stopChannel(id)
    await bench.quiet()
    expect(await bench.get('channel', id)).toMatchObject({ state: 'Stopped', lastError: { code: 'STATE_UNWRITABLE' } })
    expect(await bench.get('operation', stopping)).toMatchObject({ state: 'failed' })
  })

  it('runs because it was made to, without an operation', async () => {
    const id = await bench.createChannel({}, { desiredState: 'Running' })
    await bench.quiet()
    expect((await bench.get('channel', id)).state).toBe('Running')
  })

  it('is stopped when nobody publishes, unless a program records', async () => {
    const id = await bench.createChannel({ idleStopAfter: 'PT1H' })
    await bench.startChannel(id)
    await bench.quiet()
    const program = await bench.createProgram(id)
    await bench.startProgram(program)
    await bench.quiet()
    bench.node.running.get(id)?.onIdle()
    await bench.quiet()
    expect((await bench.get('channel', id)).state).toBe('Running')
    await bench.stopProgram(program)
    await bench.quiet()
    bench.node.running.get(id)?.onIdle()
    await bench.quiet()
    expect(await bench.get('channel', id)).toMatchObject({ state: 'Stopped', desiredState: 'Stopped' })
    expect(await bench.events(id)).toContain('channel.state-changed Running>Stopping idle')
  })
})
