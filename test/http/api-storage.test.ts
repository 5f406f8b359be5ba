import { describe, expect, it } from 'vitest'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'

stopApisAfterEach()

async function admin(): Promise<{ api: TestApi; key: string }> {
  const api = await startApi()
  return { api, key: await api.newKey('admin') }
}

type Api = Awaited<ReturnType<typeof admin>>

async function storages({ api, key }: Api): Promise<{ id: string; name: string; isDefault: boolean }[]> {
  return (await api.call('GET', '/v1/storage-accounts', { key })).json.items
}

function create({ api, key }: Api, body: object) {
  return api.call('POST', '/v1/storage-accounts', { key, body })
}

describe('storage accounts', () => {
  it('are made, read, changed and deleted', async () => {
    const it = await admin()
    const { api, key } = it
    const made = await create(it, { name: 'archive', location: { directory: 'archive' }, tags: { tier: 'cold' } })
    expect(made).toMatchObject({
      status: 201,
      json: { name: 'archive', kind: 'filesystem', isDefault: false, location: { directory: 'archive' } },
    })
    const path = `/v1/storage-accounts/${made.json.id}`
    expect(made.headers.get('location')).toBe(path)
    expect((await api.call('GET', path, { key })).json).toEqual(made.json)
    const changed = await api.call('PATCH', path, { key, body: { description: 'Cold' } })
    expect(changed).toMatchObject({ status: 200, json: { description: 'Cold' } })
    const stale = { key, body: { name: 'x' }, headers: { 'If-Match': made.headers.get('etag') ?? '' } }
    expect(await api.call('PATCH', path, stale)).toMatchObject({ status: 412, json: { code: 'ETAG_MISMATCH' } })
    expect((await api.call('PATCH', path, { key, body: { kind: 's3' } })).status).toBe(400)
    expect((await api.call('GET', '/v1/storage-accounts?tag=tier%3Dcold', { key })).json.items.length).toBe(1)
    expect((await api.call('DELETE', path, { key })).status).toBe(204)
    expect((await api.call('GET', path, { key })).status).toBe(404)
  })

  it('have one default, which hands over to another and can’t be deleted', async () => {
    const it = await admin()
    const { api, key } = it
    const [first] = await storages(it)
    const path = (id = '') => `/v1/storage-accounts/${id}`
    expect(await api.call('DELETE', path(first?.id), { key })).toMatchObject({
      status: 409,
      json: { code: 'ENTITY_PROTECTED' },
    })
    const no = await api.call('PATCH', path(first?.id), { key, body: { isDefault: false } })
    expect(no).toMatchObject({ status: 409, json: { code: 'ENTITY_PROTECTED' } })
    const second = await create(it, { name: 'second', isDefault: true })
    const third = await create(it, { name: 'third' })
    await api.call('PATCH', path(third.json.id), { key, body: { isDefault: true } })
    const now = await storages(it)
    expect(now.map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ['default', false],
      ['second', false],
      ['third', true],
    ])
    const asset = await api.call('POST', '/v1/assets', { key, body: { name: 'film' } })
    expect(asset.json.storageAccountId).toBe(third.json.id)
    expect((await api.call('DELETE', path(second.json.id), { key })).status).toBe(204)
  })

  it('keep exactly one default and no shared folder, whatever comes at once', async () => {
    const it = await admin()
    const made = await Promise.all([
      create(it, { name: 'a', isDefault: true, location: { directory: 'Shared' } }),
      create(it, { name: 'b', isDefault: true, location: { directory: 'shared' } }),
      create(it, { name: 'c', isDefault: true }),
    ])
    expect(made.filter(({ status }) => status === 201).length).toBe(2)
    expect(made.find(({ status }) => status !== 201)).toMatchObject({
      status: 409,
      json: { code: 'NAME_TAKEN', problems: [{ pointer: '/location/directory' }] },
    })
    expect((await storages(it)).filter(({ isDefault }) => isDefault).length).toBe(1)
  })

  it('that hold assets stay', async () => {
    const it = await admin()
    const { api, key } = it
    const { json } = await create(it, { name: 'films' })
    const asset = await api.call('POST', '/v1/assets', { key, body: { name: 'film', storageAccountId: json.id } })
    expect(asset).toMatchObject({ status: 201, json: { storageAccountId: json.id, state: 'Empty' } })
    const path = `/v1/storage-accounts/${json.id}`
    expect(await api.call('DELETE', path, { key })).toMatchObject({ status: 409, json: { code: 'IN_USE' } })
    await api.call('DELETE', `/v1/assets/${asset.json.id}`, { key })
    expect((await api.call('DELETE', path, { key })).status).toBe(204)
  })

  it('of another account are not there', async () => {
    const it = await admin()
    const { api, key } = it
    const other = await api.newAccount('other')
    const theirs = await storages({ api, key: await api.newKey('admin', other.id) })
    const body = { name: 'film', storageAccountId: theirs[0]?.id }
    expect(await api.call('POST', '/v1/assets', { key, body })).toMatchObject({
      status: 409,
      json: { code: 'REFERENCE_MISSING', problems: [{ pointer: '/storageAccountId' }] },
    })
    expect((await api.call('GET', `/v1/storage-accounts/${theirs[0]?.id}`, { key })).status).toBe(404)
  })
})

describe('a streaming endpoint', () => {
  it('comes with the account, is renamed, started and stopped', async () => {
    const { api, key } = await admin()
    const { json } = await api.call('GET', '/v1/streaming-endpoints', { key })
    const [endpoint] = json.items
    expect(endpoint).toMatchObject({ name: 'default', isDefault: true, state: 'Stopped', desiredState: 'Running' })
    const path = `/v1/streaming-endpoints/${endpoint.id}`
    expect(await api.call('PATCH', path, { key, body: { name: 'europe' } })).toMatchObject({ json: { name: 'europe' } })
    expect((await api.call('PATCH', path, { key, body: { state: 'Running' } })).status).toBe(400)
    expect((await api.call('DELETE', path, { key })).status).toBe(405)
    const started = await api.call('POST', `${path}/start`, { key, headers: { 'Idempotency-Key': 'a' } })
    expect(started).toMatchObject({ status: 202, json: { action: 'streaming-endpoint.start', state: 'pending' } })
    const again = await api.call('POST', `${path}/start`, { key, headers: { 'Idempotency-Key': 'a' } })
    expect(again).toMatchObject({ status: 202, json: { id: started.json.id } })
    expect(await api.call('GET', path, { key })).toMatchObject({
      json: { state: 'Starting', operationId: started.json.id },
    })
    expect(await api.call('POST', `${path}/start`, { key })).toMatchObject({
      status: 409,
      json: { code: 'STATE_CONFLICT' },
    })
    const scale = (scaleUnits: number) => api.call('POST', `${path}/scale`, { key, body: { scaleUnits } })
    expect(await scale(2)).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    expect((await scale(65)).status).toBe(400)
    const stopped = await api.call('POST', `${path}/stop`, { key })
    expect(stopped).toMatchObject({ status: 202, json: { action: 'streaming-endpoint.stop' } })
    const given = await api.call('GET', `/v1/operations/${started.json.id}`, { key })
    expect(given).toMatchObject({ json: { state: 'failed', error: { code: 'STATE_CONFLICT' } } })
  })
})
