import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ClipMaker, type ClipMakerPorts } from '../../src/archive/clip/clip-maker.ts'
import type { ClipSource } from '../../src/archive/clip/make-clip.ts'
import type { Asset } from '../../src/domain/asset.ts'
import { ChangeSet } from '../../src/domain/change-set.ts'
import type { Operation } from '../../src/domain/operation.ts'
import { MasterKeys } from '../../src/keys/master-keys.ts'
import { StorageKeys } from '../../src/keys/storage-keys.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { recordedOf } from '../../src/roles/recorded.ts'
import { FilesystemStorage } from '../../src/storage/filesystem-storage.ts'
import { archived } from '../support/archived.ts'
import { encodeAudio, encodeVideo, Recording } from '../support/recording.ts'
import { until } from '../support/until.ts'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'api-clips-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
stopApisAfterEach()

let storage: FilesystemStorage
let source: ClipSource
beforeAll(async () => {
  storage = new FilesystemStorage(folder, [])
  const recording = new Recording([
    { rendition: 'video-1', media: encodeVideo(12), atSeconds: 0 },
    { rendition: 'audio-1', media: encodeAudio(12), atSeconds: 0 },
  ])
  recording.presentation.apply({ type: 'ended' })
  source = await archived(recording, storage, 'source', { spanSegments: 2, spooledSegments: 0 })
})

let api: TestApi
let key: string
let assetId: string
let maker: ClipMaker
let clock: VirtualClock
let nudged: Operation[]

beforeEach(async () => {
  nudged = []
  const clips = { nudge: (operation: Operation) => void nudged.push(operation) }
  const operations = { wait: async (operation: Operation) => operation }
  api = await startApi({ deps: { clips, operations } })
  key = await api.newKey('operator')
  assetId = (await api.call('POST', '/v1/assets', { key, body: { name: 'match' } })).json.id
  clock = new VirtualClock(Date.now())
  maker = makerWith({})
})

function makerWith(ports: Partial<ClipMakerPorts>): ClipMaker {
  return new ClipMaker({
    repository: api.repository,
    source: async () => source,
    target: async ({ id }) => ({
      storage,
      folder: id,
      identity: { id, epoch: 'e' },
      isSourceStorage: true,
    }),
    describe: recordedOf,
    encode: async () => {
      throw new Error('nothing is to be encoded')
    },
    clock,
    logger: silentLogger,
    ...ports,
  })
}

/** As a program that has recorded into it would. */
async function record(state: Asset['state'] = 'Ready'): Promise<void> {
  const asset = (await api.repository.findAnywhere('asset', assetId as Asset['id']))!
  const changes = new ChangeSet()
  changes.update('asset', { ...asset, state })
  await api.repository.commit(changes)
}

/** Lets time pass until nothing is under way. */
async function settle(): Promise<void> {
  let isIdle = false
  const idle = maker.idle().then(() => {
    isIdle = true
  })
  await until(
    () => isIdle,
    10_000,
    async () => {
      await clock.advance(100)
      await new Promise((resolve) => setTimeout(resolve, 1))
    },
  )
  await idle
}

const ask = (body: object, headers = {}) => api.call('POST', `/v1/assets/${assetId}/clips`, { key, body, headers })
const goal = { name: 'goal', from: 'PT2.5S', to: 'PT7.1S' }

async function outcome() {
  const operation = (await api.call('GET', `/v1/operations/${nudged[0]!.id}`, { key })).json
  const asset = (await api.call('GET', `/v1/assets/${nudged[0]!.subject.id}`, { key })).json
  return { operation, asset }
}

describe('a clip', () => {
  it('is an operation on a new asset, which is Ready when it is done', async () => {
    await record()
    const begun = await ask(goal)
    expect(begun.status).toBe(202)
    expect(begun.headers.get('location')).toBe(`/v1/operations/${begun.json.id}`)
    expect(nudged.map(({ id }) => id)).toEqual([begun.json.id])
    const before = await outcome()
    expect(before.asset).toMatchObject({
      name: 'goal',
      state: 'Recording',
      clip: { assetId, from: 'PT2.5S', exact: 'gop' },
    })
    const busy = await api.call('DELETE', `/v1/assets/${before.asset.id}`, { key })
    expect(busy).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    maker.nudge(nudged[0]!)
    maker.nudge(nudged[0]!)
    await settle()
    const { operation, asset } = await outcome()
    expect(operation.state).toBe('succeeded')
    expect(asset).toMatchObject({ state: 'Ready', duration: 'PT6S' })
    expect(asset.tracks.map(({ name }: { name: string }) => name)).toEqual(['video-1', 'audio-1'])
    const blobs = await Array.fromAsync(storage.list(asset.id))
    expect(blobs.length).toBeGreaterThan(5)
  })

  it('of an encrypted recording has its key, sealed anew', async () => {
    const file = join(folder, 'master')
    writeFileSync(file, randomBytes(32).toString('base64'))
    const given = [{ id: 'one', file }]
    const clips = { nudge: (operation: Operation) => void nudged.push(operation) }
    api = await startApi({ masterKeys: given, deps: { clips } })
    key = await api.newKey('operator')
    const body = { name: 'secret', storageEncryption: 'aes256' }
    assetId = (await api.call('POST', '/v1/assets', { key, body })).json.id
    await record()
    expect((await ask(goal)).status).toBe(202)
    const masterKeys = new MasterKeys(given, { clock, environment: {} })
    const keys = new StorageKeys({ repository: api.repository, masterKeys, random: randomBytes })
    const assetOf = async (id: string) => (await api.repository.findAnywhere('asset', id as Asset['id']))!
    const [original, clip] = [await assetOf(assetId), await assetOf(nudged[0]!.subject.id)]
    expect(clip.storageEncryption).toBe('aes256')
    expect(await keys.of(clip)).toEqual(await keys.of(original))
    const entities = await Promise.all(
      [original, clip].map(({ id, accountId }) =>
        api.repository.referring('content-key', accountId, { relation: 'asset', id }),
      ),
    )
    const [one, two] = entities.map(([entity]) => entity)
    expect(one!.id).not.toBe(two!.id)
    expect(one!.sealedValue).not.toBe(two!.sealedValue)
    await masterKeys.stop()
  })

  it('is protected as its recording is, also where only locators say how', async () => {
    await record()
    const admin = await api.newKey('admin')
    const publish = (deliveryPolicyId: string) =>
      api.call('POST', '/v1/locators', { key: admin, body: { assetId, deliveryPolicyId } })
    const policyOfClip = async (name: string) => {
      const { subject } = (await ask({ ...goal, name })).json
      return (await api.call('GET', `/v1/assets/${subject.id}`, { key })).json.deliveryPolicyId
    }
    expect(await policyOfClip('open')).toBeUndefined()
    await publish('Predefined_DownloadOnly')
    expect(await policyOfClip('download')).toBe('Predefined_DownloadOnly')
    await publish('Predefined_MultiDrmCencStreaming')
    expect(await policyOfClip('guarded')).toBe('Predefined_MultiDrmCencStreaming')
    const body = { deliveryPolicyId: 'Predefined_ClearKey' }
    await api.call('PATCH', `/v1/assets/${assetId}`, { key: admin, body })
    expect(await policyOfClip('own')).toBe('Predefined_ClearKey')
  })

  it('is made once by one Idempotency-Key', async () => {
    await record()
    const headers = { 'Idempotency-Key': 'k1' }
    const [first, again] = [await ask(goal, headers), await ask(goal, headers)]
    expect(again.json.id).toBe(first.json.id)
    expect(nudged).toHaveLength(1)
  })

  it('of an asset without a recording, a range that ends first, or under a name that is taken is refused', async () => {
    expect(await ask(goal)).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    await record()
    expect(await ask({ ...goal, to: 'PT1S' })).toMatchObject({ status: 400, json: { problems: [{ pointer: '/to' }] } })
    const times = { from: '2026-11-02T20:15:00Z', to: '2026-11-02T20:14:00Z' }
    expect((await ask({ ...goal, ...times })).status).toBe(400)
    expect((await ask({ ...goal, from: 'soon' })).status).toBe(400)
    expect(await ask({ ...goal, name: 'match' })).toMatchObject({ status: 409, json: { code: 'NAME_TAKEN' } })
    expect(nudged).toEqual([])
  })

  it('that can not be made is Failed, and says why', async () => {
    await record()
    await ask({ name: 'after', from: 'PT40S' })
    maker.nudge(nudged[0]!)
    await settle()
    const { operation, asset } = await outcome()
    expect(operation).toMatchObject({ state: 'failed', error: { code: 'CLIP_EMPTY', status: 409 } })
    expect(asset).toMatchObject({ state: 'Failed', lastError: { code: 'CLIP_EMPTY' } })
  })

  it('waits for a storage that is away, and begins again where a run was cut short', async () => {
    await record()
    await ask(goal)
    let calls = 0
    const reached = Promise.withResolvers<void>()
    maker = makerWith({
      source: async () => {
        calls++
        if (calls === 2) reached.resolve()
        if (calls < 2) throw new AppError('STORAGE_DOWN', 'The disk is away.')
        return new Promise<never>((_, reject) => {
          // As a storage whose call is ended with the process.
          void stopped.promise.then(() => reject(new AppError('STOPPED', 'ended')))
        })
      },
    })
    const stopped = Promise.withResolvers<void>()
    maker.nudge(nudged[0]!)
    while (calls < 2) {
      await clock.advance(1_000)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await reached.promise
    const ending = maker.stop()
    stopped.resolve()
    await ending
    expect((await outcome()).operation.state).toBe('pending')
    maker = makerWith({})
    maker.start()
    await settle()
    expect((await outcome()).asset.state).toBe('Ready')
    await maker.stop()
  })
})
