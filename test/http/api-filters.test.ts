import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApi, type TestApi } from './api-harness.ts'

let api: TestApi
let key: string
let assetId: string

beforeAll(async () => {
  api = await startApi()
  key = await api.newKey('operator')
  assetId = (await api.call('POST', '/v1/assets', { key, body: { name: 'film' } })).json.id
})
afterAll(() => api.stop())

const create = (body: object) => api.call('POST', '/v1/filters', { key, body })

describe('a filter', () => {
  it('is of the account or of an asset, each with a name of its own', async () => {
    const tracks = [[{ property: 'bitrate', value: '0-1500000' }]]
    const made = await create({ name: 'mobile', tracks, timeRange: { start: 'PT10S' } })
    expect(made).toMatchObject({
      status: 201,
      json: { name: 'mobile', timeRange: { start: 'PT10S', forceEnd: false } },
    })
    expect(made.json.tracks).toEqual([[{ property: 'bitrate', operation: 'equal', value: '0-1500000' }]])
    expect(made.headers.get('location')).toBe(`/v1/filters/${made.json.id}`)
    expect(await create({ name: 'mobile' })).toMatchObject({ status: 409, json: { code: 'NAME_TAKEN' } })
    const own = await create({ name: 'mobile', assetId })
    expect(own).toMatchObject({ status: 201, json: { assetId } })
    const { json } = await api.call('GET', `/v1/filters?assetId=${assetId}`, { key })
    expect(json.items.map(({ id }: { id: string }) => id)).toEqual([own.json.id])
    expect((await api.call('GET', '/v1/filters?limit=1', { key })).json.nextCursor).toBeDefined()
    const stranger = { name: 'x', assetId: 'as_4fZ0mTq2LrX8bNcVdKs1Ye' }
    expect(await create(stranger)).toMatchObject({ status: 409, json: { code: 'REFERENCE_MISSING' } })
  })

  it('is changed, and deleted, alone or with its asset', async () => {
    const { json } = await create({ name: 'late', timeRange: { liveBackoff: 'PT30S' } })
    const path = `/v1/filters/${json.id}`
    const body = { timeRange: { liveBackoff: null, end: 'PT1M', forceEnd: true }, firstQuality: 800_000 }
    const changed = await api.call('PATCH', path, { key, body })
    expect(changed.json).toMatchObject({ timeRange: { end: 'PT1M', forceEnd: true }, firstQuality: 800_000 })
    expect(changed.json.timeRange.liveBackoff).toBeUndefined()
    const refused = await api.call('PATCH', path, { key, body: { timeRange: { end: null } } })
    expect(refused).toMatchObject({ status: 400, json: { code: 'ENTITY_INVALID' } })
    expect((await api.call('DELETE', path, { key })).status).toBe(204)
    expect((await api.call('GET', path, { key })).status).toBe(404)
    const other = (await api.call('POST', '/v1/assets', { key, body: { name: 'other' } })).json.id
    const own = await create({ name: 'own', assetId: other })
    expect((await api.call('DELETE', `/v1/assets/${other}`, { key })).status).toBe(204)
    expect((await api.call('GET', `/v1/filters/${own.json.id}`, { key })).status).toBe(404)
  })

  it('has to be there for a locator that is to keep to it', async () => {
    await create({ name: 'tablet' })
    await create({ name: 'own', assetId })
    const publish = (filters: string[]) => api.call('POST', '/v1/locators', { key, body: { assetId, filters } })
    expect(await publish(['own', 'tablet'])).toMatchObject({ status: 201, json: { filters: ['own', 'tablet'] } })
    expect(await publish(['tablet', 'none'])).toMatchObject({
      status: 409,
      json: { code: 'REFERENCE_MISSING', problems: [{ pointer: '/filters/1' }] },
    })
    expect((await publish(['a', 'b', 'c', 'd'])).status).toBe(400)
  })

  it('counts against the quota', async () => {
    const used = await api.repository.count('filter', api.account.id)
    const body = { quotas: { filters: used + 1 } }
    await api.call('PATCH', `/v1/accounts/${api.account.id}`, { key: api.systemKey, body })
    expect((await create({ name: 'a' })).status).toBe(201)
    expect(await create({ name: 'b' })).toMatchObject({ status: 403, json: { code: 'QUOTA_EXCEEDED' } })
  })
})

describe('the settings of a streaming endpoint', () => {
  it('are changed by an administrator, and never tell a secret', async () => {
    const admin = await api.newKey('admin')
    const [{ id }] = (await api.call('GET', '/v1/streaming-endpoints', { key: admin })).json.items
    const patch = (body: object) => api.call('PATCH', `/v1/streaming-endpoints/${id}`, { key: admin, body })
    const secrets = ['c2VjcmV0IG9mIHRoZSBvcGVyYXRvcg', 'YW5vdGhlciBzZWNyZXQgZW50aXJlbHk']
    const made = await patch({
      hostNames: ['TV.example.com'],
      maxCacheAge: 'PT10M',
      allowIp: ['192.0.2.0/24'],
      cors: { allowedOrigins: ['https://www.Example.com'] },
      signedUrlKeys: [{ name: 'k1', secret: secrets[0] }],
    })
    expect(made).toMatchObject({
      status: 200,
      json: {
        hostNames: ['tv.example.com'],
        maxCacheAge: 'PT10M',
        cors: { allowedOrigins: ['https://www.example.com'] },
        signedUrlKeys: [{ name: 'k1' }],
      },
    })
    const rotated = await patch({ signedUrlKeys: [{ name: 'k2', secret: secrets[1] }, { name: 'k1' }] })
    expect(rotated.json.signedUrlKeys).toEqual([{ name: 'k2' }, { name: 'k1' }])
    const stored = await api.repository.findAnywhere('streaming-endpoint', id)
    expect(stored?.signedUrlKeys.map(({ secret }) => secret)).toEqual([secrets[1], secrets[0]])
    const listed = await api.call('GET', '/v1/streaming-endpoints', { key })
    for (const { text } of [made, rotated, listed]) for (const secret of secrets) expect(text).not.toContain(secret)
    expect((await patch({ signedUrlKeys: null, cors: null })).json).toMatchObject({ signedUrlKeys: [] })
    for (const body of [
      { signedUrlKeys: [{ name: 'k3' }] },
      { signedUrlKeys: [{ name: 'k3', secret: 'short' }] },
      {
        signedUrlKeys: [
          { name: 'k', secret: secrets[0] },
          { name: 'k', secret: secrets[1] },
        ],
      },
      { hostNames: ['https://tv.example.com'] },
      { maxCacheAge: 'P3Y' },
      { cors: { allowedOrigins: ['https://www.example.com/page'] } },
    ]) {
      expect((await patch(body)).status, JSON.stringify(body)).toBe(400)
    }
  })
})
