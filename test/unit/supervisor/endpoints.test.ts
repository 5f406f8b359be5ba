import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { Bench } from './bench.ts'

let bench: Bench
let id: string

beforeEach(async () => {
  bench = await Bench.open()
  await bench.start()
  id = await bench.createEndpoint()
  await bench.quiet()
})

afterEach(() => bench.close())

const down = new AppError('ORIGIN_THREAD_DOWN', 'An origin thread is down.')

describe('a streaming endpoint', () => {
  it('is opened when its account is made, closed and opened on request', async () => {
    expect((await bench.get('streaming-endpoint', id)).state).toBe('Running')
    expect(bench.node.open).toEqual(new Set([id]))
    const stopping = await bench.moveEndpoint(id, 'stop')
    await bench.quiet()
    expect(await bench.get('streaming-endpoint', id)).toMatchObject({ state: 'Stopped', desiredState: 'Stopped' })
    expect(bench.node.open.size).toBe(0)
    const starting = await bench.moveEndpoint(id, 'start')
    await bench.quiet()
    const started = await bench.get('streaming-endpoint', id)
    expect(started).toMatchObject({ state: 'Running', desiredState: 'Running' })
    expect(started).not.toHaveProperty('operationId')
    expect(bench.node.open).toEqual(new Set([id]))
    for (const operation of [stopping, starting]) {
      expect((await bench.get('operation', operation)).state).toBe('succeeded')
    }
    expect(await bench.events(id)).toEqual([
      'streaming-endpoint.state-changed Stopped>Starting requested',
      'streaming-endpoint.state-changed Starting>Running completed',
      'streaming-endpoint.state-changed Running>Stopping requested',
      'streaming-endpoint.state-changed Stopping>Stopped completed',
      'streaming-endpoint.state-changed Stopped>Starting requested',
      'streaming-endpoint.state-changed Starting>Running completed',
    ])
  })

  it('is open again after a crash, without a word; a stopped one stays closed', async () => {
    const events = await bench.events(id)
    await bench.crash()
    await bench.quiet()
    expect(bench.node.open).toEqual(new Set([id]))
    expect(await bench.events(id)).toEqual(events)
    bench.process.kill()
    const stopping = await bench.moveEndpoint(id, 'stop')
    await bench.crash()
    await bench.quiet()
    expect(bench.node.open.size).toBe(0)
    expect((await bench.get('operation', stopping)).state).toBe('succeeded')
    await bench.crash()
    await bench.quiet()
    expect(bench.node.open.size).toBe(0)
    expect((await bench.get('streaming-endpoint', id)).state).toBe('Stopped')
  })

  it('tells who asked for it that it could not be opened', async () => {
    await bench.moveEndpoint(id, 'stop')
    await bench.quiet()
    bench.node.plan('endpoint', down)
    const starting = await bench.moveEndpoint(id, 'start')
    await bench.quiet()
    expect(await bench.get('streaming-endpoint', id)).toMatchObject({
      state: 'Stopped',
      desiredState: 'Stopped',
      lastError: { code: 'ORIGIN_THREAD_DOWN' },
    })
    expect((await bench.get('operation', starting)).error).toMatchObject({ code: 'ORIGIN_THREAD_DOWN', status: 503 })
  })

  it('is tried again where it is meant to be open', async () => {
    await bench.crash()
    bench.node.plan('endpoint', down, 2)
    await bench.quiet()
    expect(await bench.get('streaming-endpoint', id)).toMatchObject({
      state: 'Starting',
      lastError: { code: 'ORIGIN_THREAD_DOWN' },
    })
    for (let second = 0; second < 5; second++) await bench.pass(1_000)
    expect(bench.node.open).toEqual(new Set([id]))
    const open = await bench.get('streaming-endpoint', id)
    expect(open.state).toBe('Running')
    expect(open).not.toHaveProperty('lastError')
  })

  it('is scaled while it runs, and runs on with what it has where that fails', async () => {
    const scaling = await bench.scaleEndpoint(id, 3)
    expect(await bench.get('streaming-endpoint', id)).toMatchObject({ state: 'Scaling', scaleUnits: 3 })
    await bench.quiet()
    const scaled = await bench.get('streaming-endpoint', id)
    expect(scaled).toMatchObject({ state: 'Running', desiredState: 'Running', scaleUnits: 3 })
    expect(scaled).not.toHaveProperty('operationId')
    expect((await bench.get('operation', scaling)).state).toBe('succeeded')
    expect(bench.node.notes.at(-1)).toBe('scale default to 3')
    bench.node.plan('endpoint', down)
    const failing = await bench.scaleEndpoint(id, 5)
    await bench.quiet()
    expect(await bench.get('streaming-endpoint', id)).toMatchObject({
      state: 'Running',
      lastError: { code: 'ORIGIN_THREAD_DOWN' },
    })
    expect((await bench.get('operation', failing)).error).toMatchObject({ code: 'ORIGIN_THREAD_DOWN' })
    expect(bench.node.open).toEqual(new Set([id]))
    expect(await bench.events(id)).toContain('streaming-endpoint.state-changed Scaling>Running failed')
  })

  it('is scaled after a crash in the middle of it, and stopped out of it', async () => {
    bench.process.kill()
    const scaling = await bench.scaleEndpoint(id, 2)
    await bench.crash()
    await bench.quiet()
    expect((await bench.get('operation', scaling)).state).toBe('succeeded')
    expect((await bench.get('streaming-endpoint', id)).state).toBe('Running')
    bench.process.kill()
    const given = await bench.scaleEndpoint(id, 4)
    const stopping = await bench.moveEndpoint(id, 'stop')
    await bench.crash()
    await bench.quiet()
    expect((await bench.get('operation', given)).state).toBe('failed')
    expect((await bench.get('operation', stopping)).state).toBe('succeeded')
    expect((await bench.get('streaming-endpoint', id)).state).toBe('Stopped')
  })

  it('is not said to be closed before it is, unless that fails again and again', async () => {
    bench.node.plan('endpoint', down, 2)
    const first = await bench.moveEndpoint(id, 'stop')
    await bench.quiet()
    expect((await bench.get('streaming-endpoint', id)).state).toBe('Stopping')
    for (let second = 0; second < 5; second++) await bench.pass(1_000)
    expect((await bench.get('streaming-endpoint', id)).state).toBe('Stopped')
    expect((await bench.get('operation', first)).state).toBe('succeeded')
    await bench.moveEndpoint(id, 'start')
    await bench.quiet()
    bench.node.plan('endpoint', down, 5)
    const second = await bench.moveEndpoint(id, 'stop')
    for (let passed = 0; passed < 10; passed++) await bench.pass(1_000)
    expect((await bench.get('operation', second)).state).toBe('failed')
    expect((await bench.get('streaming-endpoint', id)).lastError?.code).toBe('ORIGIN_THREAD_DOWN')
  })
})
