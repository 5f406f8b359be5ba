import { describe, expect, it, vi } from 'vitest'
import { parseApiKey } from '../../src/domain/credential.ts'
import { startApi, stopApisAfterEach } from './api-harness.ts'
import { auditOf, clientOf, grant, login, strangerKey, tokenOf, tokenRequest, wrongKey } from './api-logins.ts'

stopApisAfterEach()
vi.setConfig({ testTimeout: 30_000 })

describe('failed logins', () => {
  const narrow = { failuresPerAddress: 6, failuresPerCredential: 3, lockOutMs: 600_000 }

  it('shut a credential out at that address, and nobody else', async () => {
    const api = await startApi({ auth: narrow })
    const [key, bystander] = [await api.newKey('admin'), await api.newKey('admin')]
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect((await api.call('GET', '/v1/channels', { key: wrongKey(key) })).status).toBe(401)
    }
    for (const answer of [
      await api.call('GET', '/v1/channels', { key }),
      await tokenRequest(api, { ...grant, ...clientOf(key) }),
      await api.call('POST', '/v1/session', { body: { apiKey: key } }),
    ]) {
      expect(answer).toMatchObject({ status: 429, json: { code: 'RATE_LIMITED' } })
      expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(590)
    }
    expect((await api.call('GET', '/v1/channels', { key: bystander })).status).toBe(200)
    // Its owner comes in from elsewhere.
    const { credentialId, secret } = parseApiKey(key)!
    await expect(api.auth.authenticator.bySecret({ credentialId, secret }, '198.51.100.7')).resolves.toMatchObject({
      id: credentialId,
    })
  })

  it('shut an address out, but for who came in from there before', async () => {
    const api = await startApi({ auth: narrow })
    const [known, fresh] = [await api.newKey('admin'), await api.newKey('admin')]
    const token = await tokenOf(api, known)
    for (let attempt = 0; attempt < 6; attempt += 1) {
      expect((await api.call('GET', '/v1/channels', { key: strangerKey() })).status).toBe(401)
    }
    for (const key of [fresh, strangerKey()]) {
      expect((await api.call('GET', '/v1/channels', { key })).status).toBe(429)
    }
    expect((await api.call('GET', '/v1/channels', { key: known })).status).toBe(200)
    expect((await api.call('GET', '/v1/channels', { key: token })).status).toBe(200)
  })

  it('are not what is signed, but by somebody else or long ago: nobody can guess it', async () => {
    const api = await startApi({ auth: { ...narrow, failuresPerAddress: 2 } })
    const key = await api.newKey('admin')
    const elsewhere = await startApi()
    const token = await tokenOf(elsewhere, await elsewhere.newKey('admin'))
    const Cookie = await login(elsewhere, await elsewhere.newKey('admin'))
    for (let attempt = 0; attempt < 4; attempt += 1) {
      expect((await api.call('GET', '/v1/channels', { key: token })).status).toBe(401)
      expect((await api.call('GET', '/v1/channels', { headers: { Cookie } })).status).toBe(401)
    }
    expect((await api.call('GET', '/v1/channels', { key })).status).toBe(200)
  })

  it('that come all at once are no more than that many guesses', async () => {
    const api = await startApi({ auth: narrow })
    const key = await api.newKey('admin')
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => api.call('GET', '/v1/channels', { key: wrongKey(key) })),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(3)
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
  })
})

describe('the limit of a credential', () => {
  it('holds for its key, its tokens and its sessions together', async () => {
    const api = await startApi({ auth: { requestsPerCredential: 6, requestWindowMs: 600_000 } })
    const key = await api.newKey('admin')
    const token = await tokenOf(api, key)
    const Cookie = await login(api, key)
    const ask = () =>
      Promise.all([
        api.call('GET', '/v1/channels', { key }),
        api.call('GET', '/v1/channels', { key: token }),
        api.call('GET', '/v1/channels', { headers: { Cookie } }),
      ])
    expect((await ask()).map(({ status }) => status)).toEqual([200, 200, 200])
    const answers = [...(await ask()), ...(await ask())]
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const refused = answers.find(({ status }) => status === 429)!
    expect(refused.json.code).toBe('RATE_LIMITED')
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(500)
    expect((await api.call('GET', '/v1/accounts', { key: api.systemKey })).status).toBe(200)
  })
})

describe('the audit log', () => {
  it('has who came in, who failed to, and what was denied; and no secret', async () => {
    const api = await startApi({ auth: { failuresPerCredential: 2 } })
    const key = await api.newKey('viewer')
    const { credentialId, secret } = parseApiKey(key)!
    await tokenOf(api, key)
    const Cookie = await login(api, key)
    await api.call('DELETE', '/v1/session', { headers: { Cookie, Origin: api.url } })
    await api.call('POST', '/v1/channels', { key, body: { name: 'main' } })
    await api.call('GET', '/v1/channels', { key: wrongKey(key) })
    await api.call('GET', '/v1/channels', { key: wrongKey(key) })
    const records = (await auditOf(api)).slice(1)
    const subject = { kind: 'credential', id: credentialId, name: 'viewer-1' }
    const viewer = { credentialId, role: 'viewer', address: '127.0.0.1' }
    const unknown = { role: 'unknown', address: '127.0.0.1' }
    expect(records).toMatchObject([
      { action: 'token.create', outcome: 'done', actor: viewer, subject },
      { action: 'session.create', outcome: 'done', actor: viewer, subject },
      { action: 'session.delete', outcome: 'done', actor: viewer, subject },
      { action: 'channel.create', outcome: 'denied', code: 'PERMISSION_DENIED', actor: viewer },
      { action: 'credential.authenticate', outcome: 'denied', code: 'UNAUTHENTICATED', actor: unknown, subject },
      { action: 'credential.authenticate', outcome: 'denied', code: 'RATE_LIMITED', actor: unknown, subject },
    ])
    expect(JSON.stringify(records)).not.toContain(secret)
  })

  it('can’t be filled by refusals', async () => {
    const api = await startApi()
    const key = await api.newKey('viewer')
    for (let attempt = 0; attempt < 130; attempt += 1) {
      expect((await api.call('POST', '/v1/channels', { key, body: {} })).status).toBe(403)
    }
    expect((await auditOf(api)).filter(({ outcome }) => outcome === 'denied')).toHaveLength(120)
  })
})
