import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { Bench } from './bench.ts'

let bench: Bench
let channelId: string

beforeEach(async () => {
  bench = await Bench.open()
  await bench.start()
  channelId = await bench.createChannel()
  await bench.startChannel(channelId)
  await bench.quiet()
})

afterEach(async () => {
  expect(bench.node.breaches).toEqual([])
  await bench.close()
})

const at = (afterMs: number) => new Date(bench.clock.now() + afterMs).toISOString()
const live = (id: string) => bench.node.running.get(channelId)?.programs.has(id)

async function running(): Promise<string> {
  const id = await bench.createProgram(channelId)
  await bench.startProgram(id)
  await bench.quiet()
  return id
}

describe('a program', () => {
  it('starts and stops, and its asset has what was recorded', async () => {
    const id = await bench.createProgram(channelId)
    const starting = await bench.startProgram(id)
    await bench.quiet()
    const started = await bench.get('program', id)
    expect(started).toMatchObject({ state: 'Running', startedAt: at(0) })
    expect(started).not.toHaveProperty('operationId')
    expect((await bench.get('asset', started.assetId)).state).toBe('Recording')
    expect((await bench.get('operation', starting)).state).toBe('succeeded')
    await bench.pass(90_000)
    const stopping = await bench.stopProgram(id)
    await bench.quiet()
    expect(await bench.get('program', id)).toMatchObject({
      state: 'Stopped',
      desiredState: 'Stopped',
      stoppedAt: at(0),
    })
    expect(await bench.get('asset', started.assetId)).toMatchObject({
      state: 'Ready',
      duration: 'PT1M30S',
      tracks: [{ name: 'video', codec: 'avc1.64001f' }],
    })
    expect((await bench.get('operation', stopping)).state).toBe('succeeded')
    expect(await bench.events(id)).toEqual([
      'program.state-changed Stopped>Starting requested',
      'program.state-changed Starting>Running completed',
      'program.state-changed Running>Stopping requested',
      'program.state-changed Stopping>Stopped completed',
    ])
    expect(await bench.events(started.assetId)).toEqual([
      'asset.state-changed Empty>Recording completed',
      'asset.state-changed Recording>Ready completed',
    ])
  })

  it('is stopped in the middle of its start', async () => {
    const id = await bench.createProgram(channelId)
    const release = bench.node.hold('program')
    const starting = await bench.startProgram(id)
    await bench.quiet()
    const stopping = await bench.stopProgram(id)
    await bench.quiet()
    release()
    await bench.quiet()
    expect((await bench.get('program', id)).state).toBe('Stopped')
    expect((await bench.get('operation', starting)).state).toBe('failed')
    expect((await bench.get('operation', stopping)).state).toBe('succeeded')
    expect(live(id)).toBe(false)
  })

  it('tells who asked for the start why it failed', async () => {
    const id = await bench.createProgram(channelId)
    bench.node.plan('program', new AppError('LIMIT_EXCEEDED', 'There is no memory for another log.'))
    const starting = await bench.startProgram(id)
    await bench.quiet()
    const program = await bench.get('program', id)
    expect(program).toMatchObject({ state: 'Stopped', desiredState: 'Stopped', lastError: { code: 'LIMIT_EXCEEDED' } })
    expect((await bench.get('operation', starting)).error).toMatchObject({ code: 'LIMIT_EXCEEDED', status: 413 })
    expect((await bench.get('asset', program.assetId)).state).toBe('Empty')
    await bench.startProgram(id)
    await bench.quiet()
    expect((await bench.get('program', id)).state).toBe('Running')
  })

  it('leaves an asset that says what went wrong with the recording', async () => {
    const id = await running()
    bench.node.plan('stop-program', new AppError('STATE_UNWRITABLE', 'The disk is full.'))
    const stopping = await bench.stopProgram(id)
    await bench.quiet()
    const program = await bench.get('program', id)
    expect(program).toMatchObject({ state: 'Stopped', lastError: { code: 'STATE_UNWRITABLE' } })
    expect(await bench.get('asset', program.assetId)).toMatchObject({
      state: 'Failed',
      lastError: { code: 'STATE_UNWRITABLE' },
    })
    expect((await bench.get('operation', stopping)).state).toBe('failed')
  })

  it('is deleted while it runs; its asset stays', async () => {
    const id = await running()
    const { assetId } = await bench.get('program', id)
    const deleting = await bench.deleteProgram(id)
    await bench.quiet()
    expect(await bench.find('program', id)).toBeUndefined()
    expect((await bench.get('asset', assetId)).state).toBe('Ready')
    expect((await bench.get('operation', deleting)).state).toBe('succeeded')
    expect((await bench.events(id)).at(-1)).toBe('program.deleted')
    expect(live(id)).toBe(false)
  })

  it('goes with its channel where that is asked for', async () => {
    const ids = [await running(), await running(), await bench.createProgram(channelId)]
    const assets = await Promise.all(ids.map(async (id) => (await bench.get('program', id)).assetId))
    const stopping = await bench.stopChannel(channelId, true)
    await bench.quiet()
    expect((await bench.get('channel', channelId)).state).toBe('Stopped')
    expect((await bench.get('operation', stopping)).state).toBe('succeeded')
    expect(await bench.all('program')).toEqual([])
    const kept = await Promise.all(assets.map(async (id) => bench.get('asset', id)))
    expect(kept.map(({ state, duration }) => [state, duration])).toEqual([
      ['Ready', 'PT1M30S'],
      ['Ready', 'PT1M30S'],
      ['Empty', undefined],
    ])
  })

  it('ends, and says so, when it is started on a channel that is being stopped', async () => {
    const id = await bench.createProgram(channelId)
    const release = bench.node.hold('stop')
    const before = await bench.get('channel', channelId)
    await bench.stopChannel(channelId)
    await bench.quiet()
    // A start that had read the channel while it ran.
    const starting = await bench.startProgramOf(id, before)
    release()
    await bench.quiet()
    expect((await bench.get('channel', channelId)).state).toBe('Stopped')
    expect(await bench.get('program', id)).toMatchObject({ state: 'Stopped', desiredState: 'Stopped' })
    expect(await bench.get('operation', starting)).toMatchObject({ state: 'failed', error: { status: 409 } })
  })

  it('goes on when its channel has failed and runs again', async () => {
    const id = await running()
    const { startedAt } = await bench.get('program', id)
    bench.node.running.get(channelId)?.fail(new Error('fell over'))
    await bench.pass(1_000)
    expect(live(id)).toBe(true)
    expect(await bench.get('program', id)).toMatchObject({ state: 'Running', startedAt })
    expect((await bench.events(id)).slice(2)).toEqual([
      'program.state-changed Running>Starting recovery',
      'program.state-changed Starting>Running completed',
    ])
  })

  it('starts and stops by its schedule', async () => {
    const id = await bench.createProgram(channelId, { startAt: at(3_600_000), stopAt: at(7_200_000) })
    await bench.pass(3_599_000)
    expect((await bench.get('program', id)).state).toBe('Stopped')
    await bench.pass(1_000)
    expect(await bench.get('program', id)).toMatchObject({ state: 'Running', desiredState: 'Running' })
    expect(live(id)).toBe(true)
    await bench.pass(3_599_000)
    expect((await bench.get('program', id)).state).toBe('Running')
    await bench.pass(1_000)
    const { assetId, ...program } = await bench.get('program', id)
    expect(program).toMatchObject({ state: 'Stopped', desiredState: 'Stopped' })
    expect((await bench.get('asset', assetId)).state).toBe('Ready')
    expect(await bench.events(id)).toEqual([
      'program.state-changed Stopped>Starting schedule',
      'program.state-changed Starting>Running completed',
      'program.state-changed Running>Stopping schedule',
      'program.state-changed Stopping>Stopped completed',
    ])
    await bench.pass(86_400_000)
    expect((await bench.get('program', id)).state).toBe('Stopped')
  })

  it('stays as somebody has put it after its time', async () => {
    const id = await bench.createProgram(channelId, { startAt: at(60_000), stopAt: at(600_000) })
    await bench.pass(60_000)
    await bench.stopProgram(id)
    await bench.pass(120_000)
    expect((await bench.get('program', id)).state).toBe('Stopped')
    await bench.pass(600_000)
    await bench.startProgram(id)
    await bench.pass(600_000)
    expect((await bench.get('program', id)).state).toBe('Running')
  })

  it('waits past its time for a channel that does not run yet', async () => {
    await bench.stopChannel(channelId)
    await bench.quiet()
    const id = await bench.createProgram(channelId, { startAt: at(60_000) })
    await bench.pass(120_000)
    expect((await bench.get('program', id)).state).toBe('Stopped')
    await bench.startChannel(channelId)
    await bench.quiet()
    expect((await bench.get('program', id)).state).toBe('Running')
  })

  it('says when its schedule meets a quota, and starts when there is room', async () => {
    const others: string[] = []
    for (let count = 0; count < bench.account.quotas.programsPerChannel; count++) others.push(await running())
    const id = await bench.createProgram(channelId, { startAt: at(1_000) })
    await bench.pass(1_000)
    expect(await bench.get('program', id)).toMatchObject({ state: 'Stopped', lastError: { code: 'QUOTA_EXCEEDED' } })
    await bench.stopProgram(others[0] ?? '')
    await bench.pass(60_000)
    const program = await bench.get('program', id)
    expect(program.state).toBe('Running')
    expect(program).not.toHaveProperty('lastError')
  })

  it('is told what changes while it runs', async () => {
    const id = await running()
    await bench.write(async (changes) => {
      changes.update('program', { ...(await bench.get('program', id)), rewindWindow: 'PT10M' })
    })
    await bench.quiet()
    expect(bench.node.notes.filter((note) => note.startsWith('update program')).length).toBeGreaterThan(0)
  })
})
