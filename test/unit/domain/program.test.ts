import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { accountCreateSchema, accountSchema, newAccount } from '../../../src/domain/account.ts'
import { newId } from '../../../src/domain/kinds.ts'
import { patched } from '../../../src/domain/merge-patch.ts'
import {
  assertProgramChange,
  dueOperation,
  newProgram,
  type Program,
  programCreateSchema,
  programPatchSchema,
  programSchema,
  startProgram,
} from '../../../src/domain/program.ts'

const channelId = newId('channel', randomBytes)
const accountId = newId('account', randomBytes)
const times = { created: '2026-11-02T20:15:00Z', lastModified: '2026-11-02T20:15:00Z', etag: '1' }

function program(change: object = {}): Program {
  const { assetId: _, ...given } = programCreateSchema.parse({ name: 'news', channelId })
  return programSchema.parse({
    ...newProgram(given, newId('asset', randomBytes), accountId, randomBytes),
    ...times,
    ...change,
  })
}
const create = (value: object) => programCreateSchema.safeParse({ name: 'news', channelId, ...value })
const pointers = (value: object) => create(value).error?.issues.map(({ path }) => path.join('/'))
const refused = (code: string, details: object = {}) =>
  expect.objectContaining({ code, details: expect.objectContaining(details) })

describe('a program', () => {
  it('is made Stopped, with defaults', () => {
    expect(program()).toMatchObject({
      state: 'Stopped',
      desiredState: 'Stopped',
      manifestName: 'manifest',
      archiveWindow: 'PT25H',
      rewindWindow: 'PT5M',
    })
  })

  it.each([
    [{ archiveWindow: 'PT1M', rewindWindow: 'PT1M' }, undefined],
    [{ archiveWindow: 'PT25H', rewindWindow: 'PT25H' }, undefined],
    [{ archiveWindow: 'unlimited', rewindWindow: 'PT25H' }, undefined],
    [{ archiveWindow: 'PT59.999S', rewindWindow: 'PT1M' }, ['archiveWindow']],
    [{ archiveWindow: 'PT25H0.001S' }, ['archiveWindow']],
    [{ archiveWindow: 'forever' }, ['archiveWindow']],
    [{ rewindWindow: 'PT59S' }, ['rewindWindow']],
    [{ archiveWindow: 'PT4M' }, ['rewindWindow']],
    [{ startAt: '2026-11-02T20:00:00Z', stopAt: '2026-11-02T20:00:00Z' }, ['stopAt']],
    [{ startAt: '2026-11-02T20:00:00Z', stopAt: '2026-11-02T20:00:01Z' }, undefined],
    [{ manifestName: '../x' }, ['manifestName']],
    [{ channelId: newId('program', randomBytes) }, ['channelId']],
  ])('%j', (value, expected) => expect(pointers(value)).toEqual(expected))

  it('keeps its windows checked against each other when patched', () => {
    expect(() => patched(programSchema, programPatchSchema, program(), { archiveWindow: 'PT2M' })).toThrow(
      refused('ENTITY_INVALID', { problems: [expect.objectContaining({ pointer: '/rewindWindow' })] }),
    )
    expect(() => patched(programSchema, programPatchSchema, program(), { channelId })).toThrow(
      refused('ENTITY_INVALID'),
    )
  })

  it('changes its manifest name and archive window only while Stopped', () => {
    const running = program({ state: 'Running' })
    for (const patch of [{ manifestName: 'other' }, { archiveWindow: 'PT1H' }]) {
      const [pointer] = Object.keys(patch).map((key) => `/${key}`)
      expect(() => assertProgramChange(running, { ...running, ...patch })).toThrow(
        refused('STATE_CONFLICT', { problems: [expect.objectContaining({ pointer })] }),
      )
      const stopped = program()
      expect(() => assertProgramChange(stopped, { ...stopped, ...patch })).not.toThrow()
    }
    expect(() => assertProgramChange(running, { ...running, rewindWindow: 'PT1M' })).not.toThrow()
    const deleting = program({ state: 'Deleting' })
    expect(() => assertProgramChange(deleting, deleting)).toThrow(refused('STATE_CONFLICT'))
  })
})

describe('starting a program', () => {
  const account = accountSchema.parse({
    ...newAccount(accountCreateSchema.parse({ name: 'a' }), randomBytes),
    ...times,
  })
  const channel = { name: 'main', state: 'Running' } as const

  it('is for a Running channel', () => {
    expect(startProgram(program(), channel, 0, account)).toBe('Starting')
    for (const state of ['Stopped', 'Starting', 'Stopping', 'Deleting'] as const) {
      expect(() => startProgram(program(), { ...channel, state }, 0, account)).toThrow(
        refused('STATE_CONFLICT', { kind: 'channel', state }),
      )
    }
    expect(() => startProgram(program({ state: 'Running' }), channel, 0, account)).toThrow(
      refused('STATE_CONFLICT', { state: 'Running' }),
    )
  })

  it('is allowed for at least three at once, up to the quota', () => {
    expect(startProgram(program(), channel, 2, account)).toBe('Starting')
    expect(accountCreateSchema.safeParse({ name: 'a', quotas: { programsPerChannel: 2 } }).success).toBe(false)
    const small = { ...account, quotas: { ...account.quotas, programsPerChannel: 3 } }
    expect(startProgram(program(), channel, 2, small)).toBe('Starting')
    expect(() => startProgram(program(), channel, 3, small)).toThrow(refused('QUOTA_EXCEEDED', { limit: 3, used: 3 }))
  })
})

describe('a program’s schedule', () => {
  const at = (minute: number) => `2026-11-02T20:${String(minute).padStart(2, '0')}:00Z`
  const due = (change: object, minute: number) => dueOperation(program(change), Date.parse(at(minute)))
  const plan = { startAt: at(10), stopAt: at(20) }

  it('starts and stops once each', () => {
    expect(due(plan, 9)).toBeUndefined()
    expect(due(plan, 10)).toBe('start')
    expect(due({ ...plan, state: 'Starting', startedAt: at(10) }, 11)).toBeUndefined()
    expect(due({ ...plan, state: 'Running', startedAt: at(10) }, 19)).toBeUndefined()
    expect(due({ ...plan, state: 'Running', startedAt: at(10) }, 20)).toBe('stop')
    expect(due({ ...plan, state: 'Stopped', startedAt: at(10) }, 21)).toBeUndefined()
  })

  it('leaves alone what was done by hand', () => {
    expect(due({ ...plan, startedAt: at(12) }, 13), 'stopped by hand').toBeUndefined()
    expect(due({ ...plan, startedAt: at(5) }, 10), 'run and stopped before its time').toBe('start')
    expect(due({ ...plan, state: 'Running', startedAt: at(25) }, 26), 'started by hand after its end').toBeUndefined()
    expect(due({ state: 'Running', startedAt: at(5) }, 26)).toBeUndefined()
    expect(due({}, 26)).toBeUndefined()
  })

  it('starts late, but not after its end', () => {
    expect(due({ startAt: at(10) }, 59)).toBe('start')
    expect(due(plan, 20)).toBeUndefined()
    expect(due({ stopAt: at(20), state: 'Running', startedAt: at(1) }, 30)).toBe('stop')
    for (const state of ['Stopping', 'Deleting']) expect(due({ ...plan, state, startedAt: at(1) }, 30)).toBeUndefined()
  })
})
