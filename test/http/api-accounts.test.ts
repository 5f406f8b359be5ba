import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { ChangeSet } from '../../src/domain/change-set.ts'
import { newCredential, parseApiKey } from '../../src/domain/credential.ts'
import { newOperation } from '../../src/domain/operation.ts'
import { newStorageAccount, storageAccountCreateSchema } from '../../src/domain/storage-account.ts'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'
import { auditOf } from './api-logins.ts'

stopApisAfterEach()
vi.setConfig({ testTimeout: 30_000 })

// What was made in the same millisecond comes in no order that matters.
const names = (answer: { json: { items: { name: string }[] } }) =>
  answer.json.items.map(({ name }) => name).sort((a, b) => a.localeCompare(b))

describe('accounts', () => {
  it('are made by system with a place for media and a streaming endpoint, and can be used at once', async () => {
    const api = await startApi()
    const body = { name: 'studio', description: 'Studio A', tags: { floor: '2' }, quotas: { channels: 3 } }
    const made = await api.call('POST', '/v1/accounts', { key: api.systemKey, body })
    expect(made).toMatchObject({ status: 201, json: { ...body, quotas: { channels: 3, runningChannels: 20 } } })
    expect(made.headers.get('Location')).toBe(`/v1/accounts/${made.json.id}`)
    expect(made.headers.get('ETag')).toBe(`"${made.json.etag}"`)
    const { id } = made.json
    expect((await api.repository.list('streaming-endpoint', { accountId: id, limit: 5 })).items).toMatchObject([
      { name: 'default', isDefault: true, state: 'Stopped', desiredState: 'Running' },
    ])
    expect(await api.repository.count('storage-account', id)).toBe(1)
    const key = await api.newKey('operator', id)
    expect((await api.call('POST', '/v1/channels', { key, body: { name: 'main' } })).status).toBe(201)
    expect(await api.call('POST', '/v1/accounts', { key: api.systemKey, body })).toMatchObject({
      status: 409,
      json: { code: 'NAME_TAKEN' },
    })
  })

  it('are made once for one Idempotency-Key', async () => {
    const api = await startApi()
    const ask = () =>
      api.call('POST', '/v1/accounts', {
        key: api.systemKey,
        body: { name: 'studio' },
        headers: { 'Idempotency-Key': 'k1' },
      })
    const [first, again] = [await ask(), await ask()]
    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.json).toEqual(first.json)
  })

  it('are all seen by system, and one’s own alone by everybody else', async () => {
    const api = await startApi()
    const other = await api.newAccount('other')
    const viewer = await api.newKey('viewer')
    expect(names(await api.call('GET', '/v1/accounts', { key: api.systemKey }))).toEqual(['default', 'other'])
    expect(names(await api.call('GET', '/v1/accounts?name=other', { key: api.systemKey }))).toEqual(['other'])
    for (const [query, expected] of [
      ['', ['default']],
      ['?name=default', ['default']],
      ['?name=other', []],
      ['?namePrefix=de', ['default']],
      ['?namePrefix=o', []],
      ['?tag=a=b', []],
    ] as const) {
      expect([query, names(await api.call('GET', `/v1/accounts${query}`, { key: viewer }))]).toEqual([query, expected])
    }
    expect((await api.call('GET', `/v1/accounts/${api.account.id}`, { key: viewer })).json).toEqual(api.account)
    expect((await api.call('GET', `/v1/accounts/${other.id}`, { key: viewer })).status).toBe(404)
    const admin = await api.newKey('admin')
    expect((await api.call('PATCH', `/v1/accounts/${other.id}`, { key: admin, body: {} })).status).toBe(404)
  })

  it('are changed by their admins, but for the quotas, which are system’s', async () => {
    const api = await startApi()
    const path = `/v1/accounts/${api.account.id}`
    const admin = await api.newKey('admin')
    const change = (key: string, body: object, headers = {}) => api.call('PATCH', path, { key, body, headers })
    const first = await change(admin, { description: 'Ours', tags: { a: 'b' } })
    expect(first).toMatchObject({ status: 200, json: { description: 'Ours', tags: { a: 'b' } } })
    expect(await change(admin, { description: 'Ours' })).toMatchObject({ status: 200, json: { etag: first.json.etag } })
    const denied = await change(admin, { quotas: { channels: 9 } })
    expect(denied).toMatchObject({ status: 403, json: { problems: [{ pointer: '/quotas' }] } })
    expect(await change(api.systemKey, { quotas: { channels: 9 } })).toMatchObject({
      status: 200,
      json: { quotas: { channels: 9, assets: 100_000 }, description: 'Ours' },
    })
    expect((await change(admin, { description: null }, { 'If-Match': `"${first.json.etag}"` })).status).toBe(412)
    for (const body of [{ name: '' }, { name: null }, { id: 'x' }, { quotas: { channels: -1 } }]) {
      expect((await change(api.systemKey, body)).status).toBe(400)
    }
    const actions = (await auditOf(api)).map(({ action, outcome, fields }) => ({ action, outcome, fields }))
    expect(actions).toContainEqual({ action: 'account.update', outcome: 'done', fields: ['/tags/a', '/description'] })
    expect(actions).toContainEqual({ action: 'account.update', outcome: 'denied', fields: undefined })
  })
})

/** Puts credentials and operations into an account, more than one transaction holds. */
async function crowd(api: TestApi, accountId: typeof api.account.id): Promise<void> {
  for (let batch = 0; batch < 3; batch += 1) {
    const changes = new ChangeSet()
    for (let one = 0; one < 45; one += 1) {
      const given = { name: `c-${batch}-${one}`, tags: {}, role: 'viewer' } as const
      changes.create('credential', newCredential(given, accountId, 'hash', randomBytes))
      const subject = { kind: 'channel', id: 'ch_x' } as const
      changes.create('operation', newOperation('channel.start', subject, accountId, randomBytes))
    }
    await api.repository.commit(changes)
  }
}

describe('an account that is deleted', () => {
  it('takes along what it was made with, its credentials and its operations', async () => {
    const api = await startApi()
    const { id } = await api.newAccount('studio')
    const admin = await api.newKey('admin', id)
    await crowd(api, id as typeof api.account.id)
    expect((await api.call('DELETE', `/v1/accounts/${id}`, { key: api.systemKey })).status).toBe(204)
    for (const kind of ['credential', 'operation', 'storage-account', 'streaming-endpoint'] as const) {
      expect([kind, await api.repository.count(kind, id)]).toEqual([kind, 0])
    }
    expect((await api.call('GET', `/v1/accounts/${id}`, { key: api.systemKey })).status).toBe(404)
    expect((await api.call('GET', '/v1/channels', { key: admin })).status).toBe(401)
    expect((await api.call('GET', '/v1/channels', { key: api.systemKey, account: id })).status).toBe(404)
    expect(names(await api.call('GET', '/v1/accounts', { key: api.systemKey }))).toEqual(['default'])
    const [deleted] = (await auditOf(api, 'system')).filter(({ action }) => action === 'account.delete')
    expect(deleted).toMatchObject({ subject: { id, name: 'studio' }, actor: { role: 'system' } })
  })

  it('is not, while it owns anything else', async () => {
    const api = await startApi()
    const { id } = await api.newAccount('studio')
    const operator = await api.newKey('operator', id)
    const remove = () => api.call('DELETE', `/v1/accounts/${id}`, { key: api.systemKey })
    const channel = await api.call('POST', '/v1/channels', { key: operator, body: { name: 'main' } })
    const changes = new ChangeSet()
    const given = storageAccountCreateSchema.parse({ name: 'archive' })
    const place = changes.create('storage-account', newStorageAccount(given, id as never, randomBytes))
    const done = await api.repository.commit(changes)
    const refused = await remove()
    expect(refused).toMatchObject({ status: 409, json: { code: 'IN_USE' } })
    expect(refused.json.detail).toMatch(/1 channel, 1 storage account/)
    expect((await api.call('GET', '/v1/channels', { key: operator })).status).toBe(200)
    expect((await api.call('DELETE', `/v1/channels/${channel.json.id}`, { key: operator })).status).toBe(204)
    const cleared = new ChangeSet()
    cleared.delete('storage-account', done.get(place))
    await api.repository.commit(cleared)
    expect((await remove()).status).toBe(204)
    expect((await remove()).status).toBe(404)
  })

  it('is seen as its client has seen it', async () => {
    const api = await startApi()
    const { id } = await api.newAccount('studio')
    const path = `/v1/accounts/${id}`
    const stale = { key: api.systemKey, headers: { 'If-Match': '"0"' } }
    expect((await api.call('DELETE', path, stale)).status).toBe(412)
    const { etag } = (await api.call('GET', path, { key: api.systemKey })).json
    const fresh = { key: api.systemKey, headers: { 'If-Match': `"${etag}"` } }
    expect((await api.call('DELETE', path, fresh)).status).toBe(204)
  })
})

describe('credentials', () => {
  it('are made with a secret that is shown once and kept as a hash', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    const body = { name: 'bot', role: 'operator', tags: { a: 'b' }, description: 'For scripts' }
    const made = await api.call('POST', '/v1/credentials', { key, body })
    expect(made).toMatchObject({ status: 201, json: { ...body, accountId: api.account.id } })
    const { id, apiKey, clientId, clientSecret } = made.json
    expect(parseApiKey(apiKey)).toEqual({ credentialId: id, secret: clientSecret })
    expect(clientId).toBe(id)
    expect(made.headers.get('Location')).toBe(`/v1/credentials/${id}`)
    expect((await api.call('GET', '/v1/channels', { key: apiKey })).status).toBe(200)
    const stored = await api.store.get('credential', id)
    expect(JSON.stringify(stored)).not.toContain(clientSecret)
    const shown = [
      await api.call('GET', `/v1/credentials/${id}`, { key }),
      await api.call('GET', '/v1/credentials', { key }),
      await api.call('PATCH', `/v1/credentials/${id}`, { key, body: { description: 'x' } }),
    ]
    for (const { status, text } of shown) {
      expect(status).toBe(200)
      expect(text).toContain('"bot"')
      for (const secret of [clientSecret, 'secretHash', 'apiKey', 'clientSecret']) expect(text).not.toContain(secret)
    }
  })

  it('are made once for one Idempotency-Key; the repetition does not tell the secret', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    const options = { key, body: { name: 'bot', role: 'viewer' }, headers: { 'Idempotency-Key': 'k' } }
    const [made, again] = [
      await api.call('POST', '/v1/credentials', options),
      await api.call('POST', '/v1/credentials', options),
    ]
    expect([made.status, again.status]).toEqual([201, 200])
    expect(again.json).toMatchObject({ id: made.json.id, name: 'bot' })
    expect(again.text).not.toContain(made.json.clientSecret)
    expect(again.json.apiKey).toBeUndefined()
  })

  it('are not made for system, for the past, or past the quota', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    const create = (body: object) => api.call('POST', '/v1/credentials', { key, body })
    expect((await create({ name: 'x', role: 'system' })).status).toBe(400)
    expect(await create({ name: 'x', role: 'viewer', expiresAt: '2020-01-01T00:00:00Z' })).toMatchObject({
      status: 400,
      json: { problems: [{ pointer: '/expiresAt', detail: 'must lie in the future' }] },
    })
    const path = `/v1/accounts/${api.account.id}`
    await api.call('PATCH', path, { key: api.systemKey, body: { quotas: { credentials: 2 } } })
    expect((await create({ name: 'second', role: 'viewer' })).status).toBe(201)
    expect(await create({ name: 'third', role: 'viewer' })).toMatchObject({
      status: 403,
      json: { code: 'QUOTA_EXCEEDED' },
    })
  })

  it('keep their role; name, tags and expiry change', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    const { credentialId } = parseApiKey(await api.newKey('viewer'))!
    const change = (body: object) => api.call('PATCH', `/v1/credentials/${credentialId}`, { key, body })
    expect((await change({ role: 'admin' })).status).toBe(400)
    expect((await change({ secretHash: 'x' })).status).toBe(400)
    const expiresAt = '2099-01-01T00:00:00Z'
    expect(await change({ name: 'renamed', expiresAt })).toMatchObject({ json: { name: 'renamed', expiresAt } })
    expect((await change({ expiresAt: null })).json.expiresAt).toBeUndefined()
  })

  it('get another secret, and what was made of the old one ends', async () => {
    const api = await startApi()
    const admin = await api.newKey('admin')
    const key = await api.newKey('viewer')
    const { credentialId, secret } = parseApiKey(key)!
    const path = `/v1/credentials/${credentialId}/rotate-secret`
    const rotated = await api.call('POST', path, { key: admin })
    expect(rotated).toMatchObject({ status: 200, json: { id: credentialId, role: 'viewer', clientId: credentialId } })
    expect(rotated.json.clientSecret).not.toBe(secret)
    expect((await api.call('GET', '/v1/channels', { key })).status).toBe(401)
    expect((await api.call('GET', '/v1/channels', { key: rotated.json.apiKey })).status).toBe(200)
    const records = await auditOf(api)
    expect(records.at(-1)).toMatchObject({ action: 'credential.authenticate', outcome: 'denied' })
    expect(records.at(-2)).toMatchObject({ action: 'credential.rotate-secret', fields: ['/secret'] })
    expect(JSON.stringify(records)).not.toContain(rotated.json.clientSecret)
  })
})

describe('the last admin credential of an account', () => {
  const protectedAnswer = { status: 409, json: { code: 'ENTITY_PROTECTED' } }
  const of = (key: string) => `/v1/credentials/${parseApiKey(key)!.credentialId}`
  const past = { expiresAt: '2020-01-01T00:00:00Z' }

  it('is not ended by the account’s own people', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    await api.newKey('operator')
    expect(await api.call('DELETE', of(key), { key })).toMatchObject(protectedAnswer)
    expect(await api.call('PATCH', of(key), { key, body: past })).toMatchObject(protectedAnswer)
    const second = await api.newKey('admin')
    expect((await api.call('PATCH', of(second), { key, body: past })).status).toBe(200)
    // One that has expired is nobody who could make another.
    expect(await api.call('DELETE', of(key), { key })).toMatchObject(protectedAnswer)
    expect((await api.call('DELETE', of(second), { key })).status).toBe(204)
    const third = await api.newKey('admin')
    expect((await api.call('DELETE', of(key), { key })).status).toBe(204)
    expect((await api.call('GET', '/v1/credentials', { key: third })).status).toBe(200)
  })

  it('may be ended by system, which can make another', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    const system = { key: api.systemKey, account: api.account.id }
    expect((await api.call('DELETE', of(key), system)).status).toBe(204)
    expect(await api.repository.count('credential', api.account.id)).toBe(0)
  })

  it('stays when two end each other at the same time', async () => {
    const api = await startApi()
    for (let round = 0; round < 5; round += 1) {
      const [one, two] = [await api.newKey('admin'), await api.newKey('admin')]
      const ends = await Promise.all([
        api.call('DELETE', of(two), { key: one }),
        api.call('DELETE', of(one), { key: two }),
      ])
      const left = (await api.repository.list('credential', { accountId: api.account.id, limit: 10 })).items
      expect(left.filter(({ role }) => role === 'admin')).toHaveLength(1)
      expect(ends.filter(({ status }) => status === 204)).toHaveLength(1)
      await api.call('DELETE', `/v1/credentials/${left[0]!.id}`, { key: api.systemKey, account: api.account.id })
    }
  })
})
