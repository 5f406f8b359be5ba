import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type S3Server, startS3 } from '../support/s3-server.ts'
import { type ApiOverrides, startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'
import { auditOf } from './api-logins.ts'
import { announce, put } from './asset-bench.ts'

// An HTTP request is a while in coming on a machine that is busy.
vi.setConfig({ testTimeout: 20_000 })

stopApisAfterEach()

let server: S3Server
beforeAll(async () => {
  server = await startS3()
})
beforeEach(() => {
  server.fault = undefined
  server.secret = credentials.secretAccessKey
  server.requests.length = 0
})
afterAll(() => server.close())

const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
let count = 0

async function admin(media: ApiOverrides['media'] = { allowPrivateEndpoints: true }) {
  const api = await startApi({ media })
  return { api, key: await api.newKey('admin') }
}

function create({ api, key }: { api: TestApi; key: string }, location: object = {}, rest: object = { credentials }) {
  count += 1
  const where = { endpoint: server.url, bucket: server.bucket, prefix: `place-${count}`, ...location }
  return api.call('POST', '/v1/storage-accounts', {
    key,
    body: { name: `bucket-${count}`, kind: 's3', location: where, ...rest },
  })
}

describe('a bucket as a storage account', () => {
  it('is tried, kept, and shown without its secret, here and in the audit log', async () => {
    const it = await admin()
    const { api, key } = it
    const secretAccessKey = randomBytes(20).toString('hex')
    const made = await create(it)
    expect(made, made.text).toMatchObject({
      status: 201,
      json: { kind: 's3', isDefault: false, location: { region: 'us-east-1', forcePathStyle: true } },
    })
    expect(made.json.credentials).toEqual({ accessKeyId: 'S3RVER' })
    expect(server.requests.map(({ method }) => method)).toEqual(['PUT', 'GET', 'GET', 'DELETE'])
    const path = `/v1/storage-accounts/${made.json.id}`
    const read = await api.call('GET', path, { key })
    expect(read.json).toEqual(made.json)
    const stored = await api.repository.get('storage-account', made.json.id, api.account.id)
    expect(stored.credentials).toEqual(credentials)
    const wrong = await api.call('PATCH', path, { key, body: { credentials: { secretAccessKey } } })
    expect(wrong).toMatchObject({
      status: 409,
      json: { code: 'STORAGE_REFUSED', problems: [{ pointer: '/credentials/secretAccessKey' }] },
    })
    expect((await api.call('PATCH', path, { key, body: { credentials: null } })).json).toMatchObject({
      code: 'STORAGE_REFUSED',
      problems: [{ pointer: '/credentials' }],
    })
    server.requests.length = 0
    const renamed = await api.call('PATCH', path, { key, body: { name: 'renamed' } })
    expect(renamed).toMatchObject({ status: 200, json: { name: 'renamed', credentials: { accessKeyId: 'S3RVER' } } })
    expect(server.requests).toEqual([])
    const rotated = await api.call('PATCH', path, { key, body: { credentials } })
    expect(rotated.status).toBe(200)
    expect((await api.call('PATCH', path, { key, body: { location: { bucket: 'other' } } })).status).toBe(400)
    const listed = await api.call('GET', '/v1/storage-accounts', { key })
    const audit = JSON.stringify(await auditOf(api))
    for (const text of [made.text, read.text, wrong.text, renamed.text, listed.text, audit]) {
      expect(text).not.toContain('secretAccessKey":')
      expect(text).not.toContain(secretAccessKey)
    }
    expect((await api.call('DELETE', path, { key })).status).toBe(204)
  })

  it('that can’t be used is refused, with what is at fault', async () => {
    const it = await admin()
    const refused = async (pointer: string, location: object, rest?: object) => {
      const answer = await create(it, location, rest)
      expect(answer, answer.text).toMatchObject({
        status: 409,
        json: { code: 'STORAGE_REFUSED', problems: [{ pointer }] },
      })
      return answer.json.problems[0].detail as string
    }
    expect(await refused('/location/bucket', { bucket: 'none-of-ours' })).toContain('no such bucket')
    await refused('/credentials/accessKeyId', {}, { credentials: { ...credentials, accessKeyId: 'UNKNOWN' } })
    await refused('/credentials/secretAccessKey', {}, { credentials: { ...credentials, secretAccessKey: 'wrong' } })
    expect(await refused('/location', { endpoint: 'http://127.0.0.1:1' })).toContain('ECONNREFUSED')
    expect(await refused('/credentials', {}, {})).toContain('storage.allowServerCredentials')
    server.fault = ({ method }) => (method === 'DELETE' ? { status: 403, code: 'AccessDenied' } : undefined)
    expect(await refused('/credentials', {})).toContain('deleting')
    const { json } = await it.api.call('GET', '/v1/storage-accounts', { key: it.key })
    expect(json.items.length).toBe(1)
  })

  it('at a private address is for the operator of the server to allow', async () => {
    const it = await admin({})
    for (const endpoint of [server.url, server.url.replace('127.0.0.1', 'localhost'), 'http://169.254.169.254']) {
      const answer = await create(it, { endpoint })
      expect(answer).toMatchObject({ status: 409, json: { problems: [{ pointer: '/location/endpoint' }] } })
    }
    expect(server.requests).toEqual([])
  })

  it('lies apart from the account’s others', async () => {
    const it = await admin()
    expect((await create(it, { prefix: 'shared/a' })).status).toBe(201)
    for (const prefix of ['shared', 'shared/a', 'shared/a/b']) {
      expect(await create(it, { prefix })).toMatchObject({
        status: 409,
        json: { code: 'NAME_TAKEN', problems: [{ pointer: '/location/prefix' }] },
      })
    }
    expect((await create(it, { prefix: 'shared/ab' })).status).toBe(201)
  })

  it('has no credentials where it is a folder', async () => {
    const { api, key } = await admin()
    const body = { name: 'folder', credentials }
    expect((await api.call('POST', '/v1/storage-accounts', { key, body })).status).toBe(400)
    const made = await api.call('POST', '/v1/storage-accounts', { key, body: { name: 'folder' } })
    const path = `/v1/storage-accounts/${made.json.id}`
    expect(await api.call('PATCH', path, { key, body: { credentials } })).toMatchObject({
      status: 400,
      json: { problems: [{ pointer: '/credentials' }] },
    })
  })
})

it('files are uploaded to a bucket, read, counted and removed there', async () => {
  const { api, key } = await admin()
  const bucket = (await create({ api, key })).json
  const asset = await api.call('POST', '/v1/assets', { key, body: { name: 'film', storageAccountId: bucket.id } })
  const bench = { api, key, asset: asset.json.id as string }
  const file = await announce(bench)
  const content = randomBytes(300_000)
  expect((await put(bench, file, content)).status).toBeLessThan(300)
  const headers = { Authorization: `Bearer ${key}`, Range: 'bytes=1000-1999' }
  const response = await fetch(`${api.url}${file.path}/content`, { headers })
  expect(response.status).toBe(206)
  expect(Buffer.from(await response.arrayBuffer()).equals(content.subarray(1_000, 2_000))).toBe(true)
  const usage = { bytes: 300_000, objects: 1, isPartial: false }
  expect((await api.call('GET', `/v1/assets/${bench.asset}/usage`, { key })).json).toMatchObject(usage)
  expect((await api.call('GET', `/v1/storage-accounts/${bucket.id}/usage`, { key })).json).toMatchObject(usage)
  expect((await api.call('GET', `/v1/accounts/${api.account.id}/usage`, { key })).json).toMatchObject({
    ...usage,
    storageAccounts: [{ bytes: 0 }, { storageAccountId: bucket.id, bytes: 300_000 }],
  })
  // The key is made anew at the bucket before it is here: what was to be removed meanwhile is removed with the new one.
  server.secret = 'another-secret'
  expect((await api.call('DELETE', `/v1/assets/${bench.asset}`, { key })).status).toBe(204)
  await api.janitor.idle()
  expect(await api.repository.count('storage-task', 'system')).toBe(1)
  const body = { credentials: { secretAccessKey: server.secret } }
  expect((await api.call('PATCH', `/v1/storage-accounts/${bucket.id}`, { key, body })).status).toBe(200)
  api.janitor.nudge()
  await api.janitor.idle()
  expect(await api.repository.count('storage-task', 'system')).toBe(0)
  const removed = server.requests.filter(({ method, key: name }) => method === 'DELETE' && name.includes(bench.asset))
  expect(removed.length).toBeGreaterThan(0)
})

it('a bucket that can’t be reached hides nothing else of the account’s usage', async () => {
  const { api, key } = await admin()
  const bucket = (await create({ api, key })).json
  server.fault = () => ({ status: 403, code: 'AccessDenied' })
  expect((await api.call('GET', `/v1/accounts/${api.account.id}/usage`, { key })).json).toMatchObject({
    isPartial: true,
    storageAccounts: [{ bytes: 0 }],
  })
  expect(await api.call('GET', `/v1/storage-accounts/${bucket.id}/usage`, { key })).toMatchObject({
    status: 503,
    json: { code: 'STORAGE_DOWN' },
  })
})
