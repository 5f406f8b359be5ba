import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ensureFirstCredentials } from '../../../src/api/auth/first-credentials.ts'
import { configSchema } from '../../../src/config/schema.ts'
import type { Account } from '../../../src/domain/account.ts'
import { ChangeSet } from '../../../src/domain/change-set.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { Repository } from '../../../src/domain/repository.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { applyBootstrap } from '../../../src/roles/bootstrap.ts'
import { openStore } from '../../../src/store/open-store.ts'

const LOCATOR = '6f1d2c3b-0000-4000-8000-000000000000'
const ports = { clock: systemClock, logger: silentLogger, random: randomBytes }

let folder: string
let store: Store
let repository: Repository
let account: Account

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-bootstrap-'))
  store = await openStore({ url: `sqlite:${join(folder, 'headend.db')}` }, ports)
  repository = new Repository(store)
  const keyFile = { read: async () => undefined, write: async () => undefined }
  account = (await ensureFirstCredentials({ ...ports, repository, keyFile })).account
})
afterEach(async () => {
  await store.stop()
  rmSync(folder, { recursive: true, force: true })
})

function declared(channel: object = {}, program: object = {}) {
  const bootstrap = {
    channels: [{ name: 'main', segmentDuration: '2s', ...channel }],
    programs: [{ name: 'main', channel: 'main', ...program }],
  }
  return configSchema.parse({ bootstrap }).bootstrap
}

function apply(bootstrap = declared(), demo = false) {
  return applyBootstrap(bootstrap, account, { ...ports, repository }, demo)
}

const channelNamed = (name: string) => repository.findByName('channel', name, account.id)

describe('the bootstrap section', () => {
  it('makes channel, program, asset and locator, meant to run', async () => {
    const channel = { streamKey: 'a-key-of-ones-own', latency: 'low', partDuration: '500ms', allowIp: ['192.0.2.0/24'] }
    const first = await apply(declared(channel, { locatorId: LOCATOR, rewindWindow: '10m' }))
    expect(first?.channel).toMatchObject({
      name: 'main',
      state: 'Starting',
      desiredState: 'Running',
      latency: 'low',
      encoding: { kind: 'none' },
      input: {
        keyFrameInterval: 'PT2S',
        takeover: 'refuse',
        reconnectGrace: 'PT10M',
        returnAfter: 'PT30S',
        allowIp: ['192.0.2.0/24'],
      },
      output: { segmentDuration: 'PT2S', partDuration: 'PT0.5S' },
      streamKeys: { primary: 'a-key-of-ones-own' },
    })
    expect(first?.program).toMatchObject({ state: 'Starting', desiredState: 'Running', rewindWindow: 'PT10M' })
    expect(first?.locator).toMatchObject({ id: LOCATOR, assetId: first?.program.assetId })
    expect(await repository.get('asset', first?.program.assetId ?? '', account.id)).toMatchObject({
      name: 'main',
      state: 'Empty',
    })
  })

  it('leaves what is there as it is, whatever it says', async () => {
    const before = await apply()
    const after = await apply(declared({ latency: 'low', streamKey: 'quite-another-key' }, { rewindWindow: '20m' }))
    expect(after).toEqual(before)
  })

  it('leaves a program with a time to its schedule', async () => {
    const first = await apply(declared({}, { startAt: '2030-01-01T01:00:00+01:00' }))
    expect(first?.program).toMatchObject({
      state: 'Stopped',
      desiredState: 'Stopped',
      startAt: '2030-01-01T00:00:00.000Z',
    })
  })

  it('makes a program again that was deleted, beside the asset that it left', async () => {
    const first = await apply(declared({}, { locatorId: LOCATOR }))
    if (!first) throw new Error('nothing was made')
    const changes = new ChangeSet()
    changes.delete('program', first.program)
    await repository.commit(changes)
    const second = await apply(declared({}, { locatorId: LOCATOR }))
    expect(second?.program.id).not.toBe(first.program.id)
    expect(second?.program.assetId).not.toBe(first.program.assetId)
    // Its address goes on leading to what was recorded under it.
    expect(await repository.findAnywhere('locator', LOCATOR)).toMatchObject({ assetId: first.program.assetId })
    expect(second?.locator).toBeUndefined()
  })

  it('makes the first program’s channel a ladder for as long as the demo is asked for', async () => {
    await apply()
    await apply(declared(), true)
    expect((await channelNamed('main'))?.encoding).toEqual({ kind: 'standard', preset: 'demo' })
    await apply()
    expect((await channelNamed('main'))?.encoding).toEqual({ kind: 'none', preset: '720p' })
  })

  it('says what is wrong with a declaration', async () => {
    const channels = [{ name: 'odd', keyFrameInterval: '30s' }]
    const odd = configSchema.parse({ bootstrap: { channels } }).bootstrap
    await expect(apply(odd)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^bootstrap: the channel odd can't be made: .*keyFrameInterval/),
    })
  })
})
