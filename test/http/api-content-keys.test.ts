import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandKeyProvider } from '../../src/keys/key-provider.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { playReadyContentKey } from '../../src/protection/content-key-derivation.ts'
import { type ApiAnswer, startApi, type TestApi } from './api-harness.ts'

const changed: string[] = []
let api: TestApi
let admin: string
let operator: string

beforeAll(async () => {
  process.env['CONTENT_KEYS_MASTER'] = randomBytes(32).toString('base64')
  api = await startApi({
    masterKeys: [{ id: 'one', environment: 'CONTENT_KEYS_MASTER' }],
    deps: { keyDoors: { changed: async (accountId) => void changed.push(accountId) } },
  })
  admin = await api.newKey('admin')
  operator = await api.newKey('operator')
})
afterAll(async () => {
  delete process.env['CONTENT_KEYS_MASTER']
  await api.stop()
})

const post = (path: string, body: object, key = admin): Promise<ApiAnswer> => api.call('POST', path, { key, body })
const patch = (path: string, body: object, key = admin): Promise<ApiAnswer> => api.call('PATCH', path, { key, body })
const remove = (path: string) => api.call('DELETE', path, { key: admin })
const newKey = (body: object = {}) => post('/v1/content-keys', { kind: 'cbcs', ...body })
const exported = async (id: string) => (await api.call('POST', `/v1/content-keys/${id}/export`, { key: admin })).json

describe('a content key', () => {
  it('is of a value and a KID that are given, or made, and is kept sealed', async () => {
    const value = randomBytes(16).toString('base64')
    const id = 'ABCDEF01-5a4e-4f60-8b1a-0c9d8e7f6a5b'
    const made = await newKey({ id, value, name: 'film' })
    expect(made).toMatchObject({ status: 201, json: { id: id.toLowerCase(), kind: 'cbcs', rotating: false } })
    expect(made.text).not.toContain(value)
    expect(made.headers.get('location')).toBe(`/v1/content-keys/${made.json.id}`)
    expect(await exported(made.json.id)).toEqual({ id: made.json.id, source: 'value', value })
    const stored = await api.repository.get('content-key', made.json.id, api.account.id)
    expect(stored).toMatchObject({ masterKeyId: 'one', source: 'value' })
    expect(stored.sealedValue).not.toContain(value)
    expect(await newKey({ id, value })).toMatchObject({ status: 409, json: { code: 'ENTITY_EXISTS' } })
    const drawn = [(await newKey()).json.id, (await newKey()).json.id]
    const values = await Promise.all(drawn.map(async (one) => (await exported(one)).value))
    expect(new Set(values.map((text) => Buffer.from(text, 'base64').byteLength))).toEqual(new Set([16]))
    expect(values[0]).not.toBe(values[1])
    expect(changed.at(-1)).toBe(api.account.id)
  })

  it('follows from a PlayReady key seed and its KID', async () => {
    const seed = 'XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I'
    const id = '339c45b5-fb6d-4bd9-994c-eabd9d41c95b'
    const made = await newKey({ id, seed })
    expect(made.json.source).toBe('playready-seed')
    expect(await exported(id)).toEqual({ id, source: 'playready-seed', value: seed })
    expect(Buffer.from(playReadyContentKey(Buffer.from(seed, 'base64'), id)).toString('base64')).toBe(
      'pTfNwMplhBQG1SXnvyLXVA==',
    )
  })

  it.each([
    [{ kind: 'storage' }, '/kind'],
    [{ value: randomBytes(15).toString('base64') }, '/value'],
    [{ seed: randomBytes(29).toString('base64') }, '/seed'],
    [{ value: randomBytes(16).toString('base64'), seed: randomBytes(30).toString('base64') }, '/seed'],
    [{ rotating: true, id: '339c45b5-fb6d-4bd9-994c-eabd9d41c95c' }, '/id'],
    [{ id: '339c45b5-fb6d-8bd9-994c-eabd9d41c95b' }, '/id'],
  ])('is not made of %j', async (body, pointer) => {
    expect(await newKey(body)).toMatchObject({ status: 400, json: { problems: [{ pointer }] } })
  })

  it('is audited when it is shown and deleted, and stays while an asset names it', async () => {
    const { id } = (await newKey()).json
    await exported(id)
    const asset = (await post('/v1/assets', { name: 'keeps', contentKeys: [{ contentKeyId: id }] })).json
    expect(asset.contentKeys).toEqual([{ contentKeyId: id }])
    const path = `/v1/content-keys/${id}`
    expect(await remove(path)).toMatchObject({ status: 409, json: { code: 'IN_USE' } })
    expect((await patch(`/v1/assets/${asset.id}`, { contentKeys: null })).json.contentKeys).toBeUndefined()
    expect((await remove(path)).status).toBe(204)
    const audit = await api.call('GET', `/v1/audit?subjectId=${id}`, { key: admin })
    const actions = audit.json.items.map((one: { action: string }) => one.action)
    expect(new Set(actions)).toEqual(new Set(['content-key.create', 'content-key.export', 'content-key.delete']))
    const events = await api.call('GET', '/v1/events?types=content-key.*', { key: admin })
    const types = events.json.items.flatMap((one: { type: string; subject: { id: string } }) =>
      one.subject.id === id ? [one.type] : [],
    )
    expect(types).toEqual(['content-key.created', 'content-key.exported', 'content-key.deleted'])
  })

  it('of storage is neither shown, changed nor deleted but with its asset', async () => {
    const { id: assetId } = (await post('/v1/assets', { name: 'sealed', storageEncryption: 'aes256' })).json
    const [key] = await api.repository.referring('content-key', api.account.id, { relation: 'asset', id: assetId })
    const path = `/v1/content-keys/${key?.id}`
    const protectedOne = { status: 409, json: { code: 'ENTITY_PROTECTED' } }
    expect(await api.call('POST', `${path}/export`, { key: admin })).toMatchObject(protectedOne)
    expect(await patch(path, { description: 'x' })).toMatchObject(protectedOne)
    expect(await remove(path)).toMatchObject(protectedOne)
  })

  it('needs a master key that it can be kept under', async () => {
    const bare = await startApi()
    const key = await bare.newKey('admin')
    const made = await bare.call('POST', '/v1/content-keys', { key, body: { kind: 'cbcs' } })
    expect(made).toMatchObject({ status: 409, json: { code: 'MASTER_KEY_MISSING' } })
    expect(made.json.detail).toContain('storage.masterKeys')
    await bare.stop()
  })
})

describe('policies', () => {
  const options = [{ delivery: 'clearkey', restriction: { kind: 'open' } }]

  it('of keys are there for the keys that name them, and stay as long', async () => {
    const policy = (await post('/v1/key-authorization-policies', { name: 'anybody', options })).json
    const { id } = (await newKey({ keyAuthorizationPolicyId: policy.id })).json
    const path = `/v1/key-authorization-policies/${policy.id}`
    expect(await remove(path)).toMatchObject({ status: 409, json: { code: 'IN_USE' } })
    const before = changed.length
    const token = { kind: 'token', issuer: 'x', audience: 'y' }
    const bad = await patch(path, { options: [{ delivery: 'aes128', restriction: token }] })
    expect(bad).toMatchObject({ status: 400, json: { problems: [{ pointer: '/options/0/restriction/primaryKey' }] } })
    expect((await patch(path, { description: 'for all' })).status).toBe(200)
    expect(changed.length).toBe(before + 1)
    await patch(`/v1/content-keys/${id}`, { keyAuthorizationPolicyId: null })
    expect((await remove(path)).status).toBe(204)
    const missing = await newKey({ keyAuthorizationPolicyId: policy.id })
    expect(missing).toMatchObject({ status: 409, json: { code: 'REFERENCE_MISSING' } })
    expect(await api.call('GET', '/v1/key-authorization-policies', { key: operator })).toMatchObject({ status: 403 })
  })

  it('of delivery are named by id, or by the names that Azure Media Services gave them', async () => {
    const policy = (await post('/v1/delivery-policies', { name: 'drm', protocols: { hls: ['cbcs'] } })).json
    expect(policy.protocols).toEqual({ hls: ['cbcs'], dash: 'blocked', smooth: 'blocked', progressive: 'blocked' })
    const asset = (await post('/v1/assets', { name: 'guarded', deliveryPolicyId: policy.id })).json
    const path = `/v1/delivery-policies/${policy.id}`
    expect(await remove(path)).toMatchObject({ status: 409, json: { code: 'IN_USE' } })
    const known = await patch(`/v1/assets/${asset.id}`, { deliveryPolicyId: 'Predefined_ClearKey' })
    expect(known).toMatchObject({ status: 200, json: { deliveryPolicyId: 'Predefined_ClearKey' } })
    expect((await remove(path)).status).toBe(204)
    const nobody = await patch(`/v1/assets/${asset.id}`, { deliveryPolicyId: policy.id })
    expect(nobody).toMatchObject({ status: 409, json: { problems: [{ pointer: '/deliveryPolicyId' }] } })
    expect((await patch(`/v1/assets/${asset.id}`, { deliveryPolicyId: 'Predefined_Nothing' })).status).toBe(400)
  })

  it('are not for operators to take away: neither from an asset, nor by a locator', async () => {
    const asset = (await post('/v1/assets', { name: 'secret', deliveryPolicyId: 'Predefined_ClearKey' })).json
    const denied = { status: 403, json: { code: 'PERMISSION_DENIED' } }
    expect(await patch(`/v1/assets/${asset.id}`, { deliveryPolicyId: null }, operator)).toMatchObject(denied)
    expect(await patch(`/v1/assets/${asset.id}`, { contentKeys: [] }, operator)).toMatchObject({ status: 200 })
    expect(await patch(`/v1/assets/${asset.id}`, { description: 'x' }, operator)).toMatchObject({ status: 200 })
    const clear = { assetId: asset.id, deliveryPolicyId: 'Predefined_ClearStreamingOnly' }
    expect(await post('/v1/locators', clear, operator)).toMatchObject(denied)
    expect(await post('/v1/locators', clear)).toMatchObject({ status: 201, json: clear })
    const open = (await post('/v1/assets', { name: 'open' }, operator)).json
    const download = { assetId: open.id, deliveryPolicyId: 'Predefined_DownloadOnly' }
    expect(await post('/v1/locators', download, operator)).toMatchObject(denied)
    expect(await post('/v1/locators', { assetId: open.id }, operator)).toMatchObject({ status: 201 })
  })
})

describe('the keys of an asset', () => {
  it('are by kind of tracks, each kind once', async () => {
    const [sd, hd, cenc] = [
      (await newKey()).json.id,
      (await newKey()).json.id,
      (await newKey({ kind: 'cenc' })).json.id,
    ]
    const { id } = (await post('/v1/assets', { name: 'multi' })).json
    const give = (...contentKeys: object[]) => patch(`/v1/assets/${id}`, { contentKeys })
    const keys = [
      { contentKeyId: sd, tracks: ['video-sd', 'audio'] },
      { contentKeyId: hd, tracks: ['video-hd'] },
      { contentKeyId: cenc },
    ]
    expect(await give(...keys)).toMatchObject({ status: 200, json: { contentKeys: keys } })
    const twice = await give({ contentKeyId: sd, tracks: ['audio'] }, { contentKeyId: hd, tracks: ['audio'] })
    expect(twice).toMatchObject({ status: 400, json: { problems: [{ pointer: '/contentKeys/1' }] } })
    const both = await give({ contentKeyId: sd }, { contentKeyId: hd })
    expect(both).toMatchObject({ status: 400, json: { problems: [{ pointer: '/contentKeys/1' }] } })
    const [storage] = await Array.fromAsync(api.repository.each('content-key', { accountId: api.account.id }))
    if (storage?.kind === 'storage') expect((await give({ contentKeyId: storage.id })).status).toBe(400)
  })

  it('of kind cenc are its own: of two assets that take one at once, one does', async () => {
    const key = (await newKey({ kind: 'cenc' })).json.id
    const assets = await Promise.all(['a', 'b'].map(async (name) => (await post('/v1/assets', { name })).json.id))
    const contentKeys = [{ contentKeyId: key }]
    const answers = await Promise.all(assets.map((id) => patch(`/v1/assets/${id}`, { contentKeys })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    const refused = answers.find(({ status }) => status === 409)
    expect(refused?.json).toMatchObject({ code: 'IN_USE', problems: [{ pointer: '/contentKeys/0/contentKeyId' }] })
    const shared = (await newKey({ kind: 'cbcs' })).json.id
    for (const id of assets)
      expect((await patch(`/v1/assets/${id}`, { contentKeys: [{ contentKeyId: shared }] })).status).toBe(200)
  })
})

describe('keys that rotate', () => {
  const protocols = { hls: ['cbcs'], dash: ['clear'] }
  const lacking = (pointer: string) => ({
    status: 400,
    json: { problems: [{ pointer, detail: expect.stringContaining('keyRotationPeriod') }] },
  })

  it('need a policy that says how often, wherever one is named', async () => {
    const { id } = (await newKey({ rotating: true })).json
    const contentKeys = [{ contentKeyId: id }]
    const policy = (await post('/v1/delivery-policies', { name: 'without', protocols })).json
    const keyless = (await post('/v1/delivery-policies', { name: 'no-cbcs', protocols: { dash: ['cenc'] } })).json
    const bad = await post('/v1/assets', { name: 'turning', contentKeys, deliveryPolicyId: policy.id })
    expect(bad).toMatchObject(lacking('/deliveryPolicyId'))
    const asset = (await post('/v1/assets', { name: 'turning', contentKeys, deliveryPolicyId: keyless.id })).json
    expect(asset.contentKeys).toEqual(contentKeys)
    expect(await patch(`/v1/assets/${asset.id}`, { deliveryPolicyId: policy.id })).toMatchObject(
      lacking('/deliveryPolicyId'),
    )
    const given = await patch(`/v1/assets/${asset.id}`, { deliveryPolicyId: 'Predefined_MultiDrmStreaming' })
    expect(given).toMatchObject(lacking('/deliveryPolicyId'))
    const locator = { assetId: asset.id, deliveryPolicyId: policy.id }
    expect(await post('/v1/locators', locator)).toMatchObject(lacking('/deliveryPolicyId'))
    await patch(`/v1/delivery-policies/${policy.id}`, { keyRotationPeriod: 'PT1M' })
    expect((await post('/v1/locators', locator)).status).toBe(201)
    const taken = await patch(`/v1/delivery-policies/${policy.id}`, { keyRotationPeriod: null })
    expect(taken).toMatchObject(lacking('/keyRotationPeriod'))
    const other = await patch(`/v1/delivery-policies/${keyless.id}`, { protocols: { hls: ['cbcs'] } })
    expect(other).toMatchObject(lacking('/keyRotationPeriod'))
    expect((await patch(`/v1/delivery-policies/${policy.id}`, { keyRotationPeriod: 'PT2M' })).status).toBe(200)
  })

  it('need one of the policies of locators that are there already, too', async () => {
    const { id } = (await newKey({ rotating: true })).json
    const contentKeys = [{ contentKeyId: id }]
    const policy = (await post('/v1/delivery-policies', { name: 'by-locator', protocols })).json
    const asset = (await post('/v1/assets', { name: 'published' })).json
    const locator = { assetId: asset.id, deliveryPolicyId: policy.id }
    expect((await post('/v1/locators', locator)).status).toBe(201)
    expect(await patch(`/v1/assets/${asset.id}`, { contentKeys })).toMatchObject(lacking('/contentKeys'))
    await patch(`/v1/delivery-policies/${policy.id}`, { keyRotationPeriod: 'PT1M' })
    expect((await patch(`/v1/assets/${asset.id}`, { contentKeys })).status).toBe(200)
  })
})

describe('an asset with keys and without a policy', () => {
  it('is not for operators to publish, which would be in the clear', async () => {
    const { id: contentKeyId } = (await newKey()).json
    const asset = (await post('/v1/assets', { name: 'unguarded', contentKeys: [{ contentKeyId }] })).json
    const refused = await post('/v1/locators', { assetId: asset.id }, operator)
    expect(refused).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    expect(refused.json.detail).toContain('an admin has to give it a delivery policy')
    expect((await post('/v1/locators', { assetId: asset.id })).status).toBe(201)
    await patch(`/v1/assets/${asset.id}`, { deliveryPolicyId: 'Predefined_MultiDrmStreaming' })
    expect((await post('/v1/locators', { assetId: asset.id }, operator)).status).toBe(201)
  })
})

describe('a key provider by command', () => {
  const wish = { keyId: '339c45b5-fb6d-4bd9-994c-eabd9d41c95b', kind: 'cenc', accountId: 'ac_1' }
  const ask = (script: string) =>
    commandKeyProvider([process.execPath, '-e', script], systemClock).keyOf(wish, new AbortController().signal)

  it('prints a key for the KID, kind and account that it is told', async () => {
    const key = await ask(
      `console.log(require('crypto').createHash('md5').update(process.argv.slice(1).join(' ')).digest('hex'))`,
    )
    const text = `${wish.keyId} cenc ac_1`
    expect(Buffer.from(key.value).toString('hex')).toBe(createHash('md5').update(text).digest('hex'))
  })

  it('that prints something else, or fails, is down, and what it printed is not told', async () => {
    await expect(ask(`console.log('hunter2')`)).rejects.toMatchObject({ code: 'KEY_PROVIDER_DOWN' })
    await expect(ask(`console.log('hunter2')`)).rejects.not.toThrow('hunter2')
    await expect(ask('process.exit(3)')).rejects.toThrow('ended with 3')
  })
})
