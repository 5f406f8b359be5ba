import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { parseApiKey } from '../../src/domain/credential.ts'
import type { EntityStore } from '../../src/domain/entity-store.ts'
import { newId } from '../../src/domain/kinds.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { type ApiAnswer, startApi, stopApisAfterEach } from './api-harness.ts'
import { auditOf, clientOf, grant, login, strangerKey, tokenOf, tokenRequest, wrongKey } from './api-logins.ts'

stopApisAfterEach()
vi.setConfig({ testTimeout: 30_000 })

describe('an API key', () => {
  it('lets in whom it belongs to, in the account it belongs to', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    expect(await api.call('GET', '/v1/channels', { key })).toMatchObject({ status: 200, json: { items: [] } })
    expect(await api.call('GET', '/v1/session', { key })).toMatchObject({
      status: 200,
      json: {
        credential: { id: parseApiKey(key)!.credentialId, name: 'admin-1', role: 'admin' },
        accountId: api.account.id,
        via: 'api-key',
      },
    })
  })

  it('is asked for where there is none, with a challenge (RFC 6750 §3)', async () => {
    const api = await startApi()
    const answer = await api.call('GET', '/v1/channels')
    expect(answer).toMatchObject({ status: 401, json: { code: 'UNAUTHENTICATED', status: 401 } })
    expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer realm="headend"')
    expect(answer.headers.get('Content-Type')).toMatch(/^application\/problem\+json/)
  })

  it('that is wrong, of nobody, or none at all is refused in the same words', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    const answers = await Promise.all(
      [wrongKey(key), strangerKey()].map((wrong) => api.call('GET', '/v1/channels', { key: wrong })),
    )
    expect(answers.map(({ json }) => json)).toEqual([answers[0]?.json, answers[0]?.json])
    for (const answer of answers) {
      expect(answer.status).toBe(401)
      expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer realm="headend", error="invalid_token"')
    }
    for (const authorization of [
      '',
      'Bearer',
      'Bearer  ',
      `Basic ${key}`,
      key,
      `Bearer ${key} x`,
      'Bearer ha.lf.baked',
    ]) {
      const answer = await api.call('GET', '/v1/channels', { headers: { Authorization: authorization } })
      expect([authorization, answer.status]).toEqual([authorization, 401])
    }
  })

  it('ends at once when its credential is deleted, expires, or is given another secret', async () => {
    const clock = new VirtualClock()
    const api = await startApi({ clock })
    const admin = await api.newKey('admin')
    const ask = async (key: string) => (await api.call('GET', '/v1/channels', { key })).status
    const of = (key: string) => `/v1/credentials/${parseApiKey(key)!.credentialId}`
    const [deleted, expiring, rotated] = await Promise.all([1, 2, 3].map(() => api.newKey('viewer')))
    expect(await Promise.all([ask(deleted!), ask(expiring!), ask(rotated!)])).toEqual([200, 200, 200])
    expect((await api.call('DELETE', of(deleted!), { key: admin })).status).toBe(204)
    expect(await ask(deleted!)).toBe(401)
    const expiresAt = new Date(clock.now() + 60_000).toISOString()
    expect((await api.call('PATCH', of(expiring!), { key: admin, body: { expiresAt } })).status).toBe(200)
    expect(await ask(expiring!)).toBe(200)
    await clock.advance(60_000)
    expect(await ask(expiring!)).toBe(401)
    const made = await api.call('POST', `${of(rotated!)}/rotate-secret`, { key: admin })
    expect([await ask(rotated!), await ask(made.json.apiKey)]).toEqual([401, 200])
  })
})

describe('a store that is down', () => {
  it('is never taken for a wrong key', async () => {
    let isDown = false
    const seeStore = (store: EntityStore): EntityStore =>
      new Proxy(store, {
        get(target, name) {
          const value = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          return (...given: unknown[]) => {
            if (isDown) return Promise.reject(new AppError('STORE_DOWN', 'the store is away'))
            return value.apply(target, given)
          }
        },
      })
    const api = await startApi({ seeStore })
    const key = await api.newKey('admin')
    const token = await tokenOf(api, key)
    const cookie = await login(api, key)
    isDown = true
    const answers = [
      await api.call('GET', '/v1/channels', { key }),
      await api.call('GET', '/v1/channels', { key: token }),
      await api.call('GET', '/v1/channels', { headers: { Cookie: cookie } }),
      await tokenRequest(api, { ...grant, ...clientOf(key) }),
      await api.call('POST', '/v1/session', { body: { apiKey: key } }),
    ]
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 503, json: { code: 'STORE_DOWN' } })
      expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0)
    }
    isDown = false
    expect((await api.call('GET', '/v1/channels', { key })).status).toBe(200)
  })
})

describe('POST /v1/oauth/token', () => {
  it('gives a short token for client id and secret, in the form or by HTTP Basic (RFC 6749 §4.4)', async () => {
    const api = await startApi()
    const client = clientOf(await api.newKey('operator'))
    const basic = `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`
    for (const answer of [
      await tokenRequest(api, { ...grant, ...client }),
      await tokenRequest(api, grant, { Authorization: basic }),
    ]) {
      expect(answer).toMatchObject({ status: 200, json: { token_type: 'Bearer', expires_in: 900 } })
      expect(answer.headers.get('Cache-Control')).toBe('no-store')
      expect(answer.headers.get('Pragma')).toBe('no-cache')
      const whoAmI = await api.call('GET', '/v1/session', { key: answer.json.access_token })
      expect(whoAmI.json).toMatchObject({ credential: { id: client.client_id, role: 'operator' }, via: 'token' })
    }
  })

  it('answers errors in OAuth’s words (RFC 6749 §5.2)', async () => {
    const api = await startApi()
    const key = await api.newKey('operator')
    const client = clientOf(key)
    const wrong = clientOf(wrongKey(key))
    const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
    const expectError = (answer: ApiAnswer, status: number, error: string) => {
      expect(answer).toMatchObject({ status, json: { error, error_description: expect.any(String) } })
      expect(answer.headers.get('Content-Type')).toMatch(/^application\/json/)
      expect(answer.headers.get('Cache-Control')).toBe('no-store')
    }
    expectError(await tokenRequest(api, { ...grant, ...wrong }), 401, 'invalid_client')
    const refused = await tokenRequest(api, grant, { Authorization: basic(wrong.client_id, wrong.client_secret) })
    expectError(refused, 401, 'invalid_client')
    expect(refused.headers.get('WWW-Authenticate')).toMatch(/^Basic realm="headend"/)
    expectError(await tokenRequest(api, { ...grant, client_id: 'a b', client_secret: 'x' }), 401, 'invalid_client')
    expectError(await tokenRequest(api, { grant_type: 'password', ...client }), 400, 'unsupported_grant_type')
    expectError(await tokenRequest(api, { ...client }), 400, 'invalid_request')
    expectError(await tokenRequest(api, { ...grant, ...client, scope: 'all' }), 400, 'invalid_scope')
    expectError(await api.call('POST', '/v1/oauth/token'), 400, 'invalid_request')
    const twice = `grant_type=client_credentials&client_id=${client.client_id}&client_id=x&client_secret=y`
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    expectError(await api.call('POST', '/v1/oauth/token', { body: twice, headers }), 400, 'invalid_request')
  })

  it('gives tokens that end with their time, their credential and its secret', async () => {
    const clock = new VirtualClock()
    const api = await startApi({ clock, auth: { tokenLifetimeMs: 60_000 } })
    const admin = await api.newKey('admin')
    const ask = async (key: string) => (await api.call('GET', '/v1/channels', { key })).status
    const of = (key: string) => `/v1/credentials/${parseApiKey(key)!.credentialId}`
    const [aging, deleted, rotated] = await Promise.all([1, 2, 3].map(() => api.newKey('viewer')))
    const tokens = await Promise.all([aging!, deleted!, rotated!].map((key) => tokenOf(api, key)))
    expect(await Promise.all(tokens.map(ask))).toEqual([200, 200, 200])
    await api.call('DELETE', of(deleted!), { key: admin })
    await api.call('POST', `${of(rotated!)}/rotate-secret`, { key: admin })
    expect(await Promise.all(tokens.map(ask))).toEqual([200, 401, 401])
    await clock.advance(60_000)
    expect(await ask(tokens[0]!)).toBe(401)
    // A token that has grown old is no failed login.
    expect((await auditOf(api)).some(({ outcome }) => outcome === 'denied')).toBe(false)
  })
})

describe('/v1/session', () => {
  it('logs a browser in, says who it is, and logs it out everywhere', async () => {
    const clock = new VirtualClock()
    const api = await startApi({ clock })
    const key = await api.newKey('operator')
    const made = await api.call('POST', '/v1/session', { body: { apiKey: key } })
    expect(made).toMatchObject({ status: 201, json: { credential: { role: 'operator' }, via: 'session' } })
    expect(made.headers.get('Location')).toBe('/v1/session')
    const setCookie = made.headers.get('Set-Cookie')!
    expect(setCookie).toMatch(/; HttpOnly; SameSite=Strict; Max-Age=43200$/)
    expect(made.text).not.toContain(setCookie.split(/[=;]/)[1])
    const Cookie = setCookie.split(';')[0]!
    const expiresAt = new Date(Math.floor(clock.now() / 1_000) * 1_000 + 43_200_000).toISOString()
    expect(await api.call('GET', '/v1/session', { headers: { Cookie } })).toMatchObject({
      status: 200,
      json: { credential: { name: 'operator-1' }, accountId: api.account.id, via: 'session', expiresAt },
    })
    const page = { Cookie, Origin: api.url }
    const out = await api.call('DELETE', '/v1/session', { headers: page })
    expect(out.status).toBe(204)
    expect(out.headers.get('Set-Cookie')).toMatch(/^headend-session=;.*Max-Age=0/)
    // A copy of the cookie is worth nothing either.
    expect((await api.call('GET', '/v1/session', { headers: { Cookie } })).status).toBe(401)
    expect((await api.call('DELETE', '/v1/session', { headers: page })).status).toBe(204)
    expect((await api.call('DELETE', '/v1/session')).status).toBe(204)
  })

  it('takes the key by header too, and nothing else for one', async () => {
    const api = await startApi()
    const key = await api.newKey('viewer')
    expect((await api.call('POST', '/v1/session', { key })).status).toBe(201)
    expect((await api.call('POST', '/v1/session')).status).toBe(401)
    expect((await api.call('POST', '/v1/session', { body: { apiKey: 'x' } })).status).toBe(401)
    expect((await api.call('POST', '/v1/session', { body: { apiKey: wrongKey(key) } })).status).toBe(401)
    expect((await api.call('POST', '/v1/session', { key: await tokenOf(api, key) })).status).toBe(401)
    const cookie = (await login(api, key)).split('=')[1]!
    // A session is no token.
    expect((await api.call('GET', '/v1/channels', { key: cookie })).status).toBe(401)
  })

  it('changes something only for a page of this address', async () => {
    const api = await startApi()
    const Cookie = await login(api, await api.newKey('admin'))
    const create = (name: string, headers: Record<string, string>) =>
      api.call('POST', '/v1/channels', { body: { name }, headers: { Cookie, ...headers } })
    expect((await create('one', { Origin: api.url })).status).toBe(201)
    expect((await create('two', { 'Sec-Fetch-Site': 'same-origin' })).status).toBe(201)
    for (const headers of [
      {},
      { Origin: 'http://evil.example' },
      { Origin: 'null' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site', Origin: api.url },
    ]) {
      expect(await create('three', headers)).toMatchObject({ status: 403, json: { code: 'PAGE_FOREIGN' } })
    }
    const list = await api.call('GET', '/v1/channels', { headers: { Cookie, 'Sec-Fetch-Site': 'cross-site' } })
    expect(new Set(list.json.items.map((item: { name: string }) => item.name))).toEqual(new Set(['one', 'two']))
    const foreign = await api.call('DELETE', '/v1/session', { headers: { Cookie, Origin: 'http://evil.example' } })
    expect(foreign.status).toBe(403)
    expect((await auditOf(api)).filter(({ code }) => code === 'PAGE_FOREIGN')).toHaveLength(5)
  })

  it('is not begun by another site', async () => {
    const api = await startApi()
    const key = await api.newKey('admin')
    const headers = { Origin: 'http://evil.example' }
    expect((await api.call('POST', '/v1/session', { body: { apiKey: key }, headers })).status).toBe(403)
  })

  it('opens a WebSocket, as a GET that changes something, only for a page of this address', async () => {
    const api = await startApi()
    const Cookie = await login(api, await api.newKey('admin'))
    const approach = (headers: Record<string, string>) => {
      const all = new Map(
        Object.entries({ cookie: Cookie, upgrade: 'websocket', host: new URL(api.url).host, ...headers }),
      )
      return { method: 'GET', address: '::1', secure: false, header: (name: string) => all.get(name.toLowerCase()) }
    }
    await expect(api.auth.callers.identify(approach({ origin: api.url }))).resolves.toMatchObject({ via: 'session' })
    await expect(api.auth.callers.identify(approach({}))).rejects.toMatchObject({ code: 'PAGE_FOREIGN' })
    await expect(api.auth.callers.identify(approach({ origin: 'http://x' }))).rejects.toMatchObject({
      code: 'PAGE_FOREIGN',
    })
  })

  it('ends with its time, its credential and its secret', async () => {
    const clock = new VirtualClock()
    const api = await startApi({ clock, auth: { sessionLifetimeMs: 3_600_000 } })
    const admin = await api.newKey('admin')
    const of = (key: string) => `/v1/credentials/${parseApiKey(key)!.credentialId}`
    const ask = async (Cookie: string) => (await api.call('GET', '/v1/session', { headers: { Cookie } })).status
    const [aging, deleted, rotated] = await Promise.all([1, 2, 3].map(() => api.newKey('viewer')))
    const cookies = await Promise.all([aging!, deleted!, rotated!].map((key) => login(api, key)))
    await api.call('DELETE', of(deleted!), { key: admin })
    await api.call('POST', `${of(rotated!)}/rotate-secret`, { key: admin })
    expect(await Promise.all(cookies.map(ask))).toEqual([200, 401, 401])
    await clock.advance(3_600_000)
    expect(await ask(cookies[0]!)).toBe(401)
  })
})

describe('the header Headend-Account', () => {
  it('picks an account for system, as its admin, and is nobody else’s to use', async () => {
    const api = await startApi()
    const other = await api.newAccount('other')
    const key = await api.newKey('admin')
    expect((await api.call('GET', '/v1/channels', { key: api.systemKey, account: other.id })).status).toBe(200)
    expect((await api.call('GET', '/v1/channels', { key, account: api.account.id })).status).toBe(200)
    const unknown = newId('account', randomBytes)
    for (const [by, account] of [
      [key, other.id],
      [key, unknown],
      [key, 'system'],
      [api.systemKey, unknown],
      [api.systemKey, 'other'],
      [api.systemKey, 'x'.repeat(300)],
    ] as const) {
      const answer = await api.call('GET', '/v1/channels', { key: by, account })
      expect(answer).toMatchObject({
        status: 404,
        json: { code: 'ENTITY_NOT_FOUND', detail: 'There is no such account.' },
      })
    }
  })
})
