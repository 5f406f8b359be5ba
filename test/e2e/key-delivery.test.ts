import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, importPKCS8, importSPKI, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONTENT_KEY_CLAIM } from '../../src/domain/key-id.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { opensslPair } from '../support/openssl-keys.ts'
import { until } from '../support/playlist.ts'

const rsa = opensslPair('rsa')
const secret = randomBytes(32)
const issuer = 'https://issuer.example'
const values = { film: randomBytes(16), drm: randomBytes(16) }
const tokensMade: string[] = []
const jwks = createServer()
const masterKey = randomBytes(32).toString('base64')
let node: Headend
let streaming: string
let jwksUrl: string
let systemKey: string
let accountId: string

beforeAll(async () => {
  const jwk = { ...(await exportJWK(await importSPKI(rsa.publicKey, 'RS256'))), kid: 'one', alg: 'RS256' }
  jwks.on('request', (_request, response) => response.end(JSON.stringify({ keys: [jwk] })))
  await new Promise<void>((resolve) => jwks.listen(0, '127.0.0.1', resolve))
  jwksUrl = `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/keys`
  node = await startHeadend({
    config: {
      storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] },
      keys: { allowPrivateIssuers: true, requests: { perAddress: 60, window: '1h' } },
      logLevel: 'trace',
    },
    env: { MASTER_KEY_OF_THE_TEST: masterKey },
  })
  streaming = node.quickstart.streamingUrl
  systemKey = node.quickstart.apiKey
  accountId = (await jsonOf(await api('GET', '/v1/accounts'))).items[0].id
}, 30_000)

afterAll(async () => {
  await node?.stop()
  jwks.closeAllConnections()
  jwks.close()
})

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
const jsonOf = (answer: Response): Promise<any> => answer.json() as Promise<any>

function api(method: string, path: string, body?: object): Promise<Response> {
  return fetch(`${node.quickstart.controlUrl}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${systemKey}`,
      ...(accountId && { 'Headend-Account': accountId }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
}

async function made(path: string, body: object): Promise<string> {
  const answer = await api('POST', path, body)
  const text = await answer.text()
  expect(answer.status, text).toBe(201)
  return JSON.parse(text).id
}

const symmetric = { kind: 'symmetric', value: secret.toString('base64') }

function tokenPolicy(name: string, delivery: string, more: object): Promise<string> {
  const restriction = { kind: 'token', issuer, audience: 'player', ...more }
  return made('/v1/key-authorization-policies', { name, options: [{ delivery, restriction }] })
}

async function token(kid: string, key: Uint8Array | CryptoKey, alg: string, header = {}): Promise<string> {
  const claims = { [CONTENT_KEY_CLAIM]: kid }
  const jwt = new SignJWT(claims).setIssuer(issuer).setAudience('player').setExpirationTime('10m')
  const signed = await jwt.setProtectedHeader({ alg, ...header }).sign(key)
  tokensMade.push(signed)
  return signed
}

const get = (path: string, headers = {}) => fetch(`${streaming}${path}`, { headers })
const reason = async (answer: Response) => `${answer.status} ${(await jsonOf(answer)).reason}`

async function metric(outcome: string): Promise<number> {
  const line = (await node.metrics()).split('\n').find((text) => text.includes(`outcome="${outcome}"`))
  return Number(line?.split(' ').at(-1) ?? 0)
}

describe('key delivery, from outside', () => {
  it('gives AES-128 keys for a token, by header and by query, and nothing without', async () => {
    const required = [{ name: CONTENT_KEY_CLAIM }]
    const policy = await tokenPolicy('signed', 'aes128', { primaryKey: symmetric, requiredClaims: required })
    const kid = await made('/v1/content-keys', {
      kind: 'envelope',
      value: values.film.toString('base64'),
      keyAuthorizationPolicyId: policy,
    })
    const path = `/keys/aes128/${kid}`
    const right = await token(kid, secret, 'HS256')
    expect(await reason(await get(path))).toBe('401 token-missing')
    const given = await get(path, { Authorization: `Bearer ${right}`, Origin: 'https://page.example' })
    expect(given.status).toBe(200)
    expect(Object.fromEntries(given.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'application/octet-stream',
      'content-length': '16',
      'access-control-allow-origin': '*',
    })
    expect(Buffer.from(await given.arrayBuffer())).toEqual(values.film)
    const byQuery = await get(`${path.toUpperCase().replace('/KEYS/AES128', '/keys/aes128')}?token=${right}`)
    expect(Buffer.from(await byQuery.arrayBuffer())).toEqual(values.film)
    const posted = await fetch(`${streaming}${path}`, { method: 'POST', headers: { Authorization: `Bearer=${right}` } })
    expect(Buffer.from(await posted.arrayBuffer())).toEqual(values.film)
    const other = await token('6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b', secret, 'HS256')
    expect(await reason(await get(path, { Authorization: `Bearer ${other}` }))).toBe('403 key-id-wrong')
    const confused = await token(kid, Buffer.from(rsa.publicKey), 'HS256')
    expect(await reason(await get(path, { Authorization: `Bearer ${confused}` }))).toBe('403 signature-invalid')
    expect(await reason(await get(`/keys/clearkey/${kid}?token=${right}`))).toBe('403 delivery-not-allowed')
    expect(await reason(await get('/keys/aes128/6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b'))).toBe('404 key-unknown')
    expect((await get('/keys/aes128')).status).toBe(404)
    const preflight = await fetch(`${streaming}${path}`, { method: 'OPTIONS' })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST')

    const reasonsTold = async () => {
      const { items } = await jsonOf(await api('GET', '/v1/events?types=content-key.delivery-refused&limit=100'))
      return new Set(items.map((event: { data: { reason: string } }) => event.data.reason))
    }
    const told = await until('the refusals', 10_000, reasonsTold, ({ size }) => size >= 4)
    expect(told).toEqual(new Set(['token-missing', 'key-id-wrong', 'signature-invalid', 'delivery-not-allowed']))
    const unknown = await until(
      'the count',
      10_000,
      () => metric('key-unknown'),
      (count) => count >= 1,
    )
    expect(unknown).toBe(1)
    expect(await metric('granted')).toBe(3)

    // What is taken away is gone with the very next request, whatever a thread has kept.
    expect((await api('PATCH', `/v1/content-keys/${kid}`, { keyAuthorizationPolicyId: null })).status).toBe(200)
    expect(await reason(await get(path, { Authorization: `Bearer ${right}` }))).toBe('403 delivery-not-allowed')
    await api('PATCH', `/v1/content-keys/${kid}`, { keyAuthorizationPolicyId: policy })
    expect((await get(path, { Authorization: `Bearer ${right}` })).status).toBe(200)
    const renewed = {
      delivery: 'aes128',
      restriction: { kind: 'token', issuer: 'x', audience: 'y', primaryKey: symmetric },
    }
    await api('PATCH', `/v1/key-authorization-policies/${policy}`, { options: [renewed] })
    expect(await reason(await get(path, { Authorization: `Bearer ${right}` }))).toBe('403 issuer-wrong')
    expect((await api('DELETE', `/v1/content-keys/${kid}`)).status).toBe(204)
    expect(await reason(await get(path, { Authorization: `Bearer ${right}` }))).toBe('404 key-unknown')
  })

  it('gives ClearKey licences for tokens of an issuer that publishes its keys, also of a period’s key', async () => {
    const policy = await tokenPolicy('published', 'clearkey', { jwksUrl })
    const body = { kind: 'cbcs', keyAuthorizationPolicyId: policy }
    const kid = await made('/v1/content-keys', { ...body, value: values.drm.toString('base64') })
    const rotating = await made('/v1/content-keys', { ...body, rotating: true })
    const right = await token(kid, await importPKCS8(rsa.privateKey, 'RS256'), 'RS256', { kid: 'one' })
    const idOf = (guid: string) => Buffer.from(guid.replaceAll('-', ''), 'hex').toString('base64url')
    const licence = (kids: readonly string[], authorization = `Bearer ${right}`) =>
      fetch(`${streaming}/keys/clearkey`, {
        method: 'POST',
        headers: { Authorization: authorization },
        body: JSON.stringify({ kids: kids.map(idOf), type: 'temporary' }),
      })
    const given = await licence([kid])
    expect(given.headers.get('content-type')).toBe('application/json')
    const k = values.drm.toString('base64url')
    expect(await given.json()).toEqual({ keys: [{ kty: 'oct', kid: idOf(kid), k }], type: 'temporary' })
    const period = rotating.slice(0, -12) + (Math.floor(Date.now() / 10_000) * 10_000).toString(16).padStart(12, '0')
    const both = await jsonOf(await licence([kid, period, rotating]))
    expect(both.keys.map((key: { kid: string }) => key.kid)).toEqual([idOf(kid), idOf(period)])
    expect(await reason(await licence([rotating]))).toBe('404 key-unknown')
    const far = rotating.slice(0, -12) + (Date.now() + 3_600_000).toString(16).padStart(12, '0')
    expect(await reason(await licence([far]))).toBe('412 key-not-yet')
    const forged = await token(kid, await importPKCS8(opensslPair('rsa').privateKey, 'RS256'), 'RS256', { kid: 'one' })
    expect(await reason(await licence([kid], `Bearer ${forged}`))).toBe('403 signature-invalid')
    const malformed = await fetch(`${streaming}/keys/clearkey`, { method: 'POST', body: '{"kids":["x"]}' })
    expect(await reason(malformed)).toBe('400 request-malformed')
    const flood = await fetch(`${streaming}/keys/clearkey`, { method: 'POST', body: 'x'.repeat(100_000) })
    expect(await reason(flood)).toBe('400 request-malformed')
  })

  it('exports a value to an administrator, by name, and writes that down', async () => {
    const { items } = await jsonOf(await api('GET', '/v1/content-keys'))
    const key = items.find((one: { kind: string; rotating: boolean }) => one.kind === 'cbcs' && !one.rotating)
    expect(JSON.stringify(items)).not.toContain('sealedValue')
    const shown = await jsonOf(await api('POST', `/v1/content-keys/${key.id}/export`))
    expect(shown).toEqual({ id: key.id, source: 'value', value: values.drm.toString('base64') })
    const audit = await jsonOf(await api('GET', '/v1/audit?limit=200'))
    expect(audit.items.filter((one: { action: string }) => one.action === 'content-key.export')).toHaveLength(1)
  })

  it('lets one address ask no more than the configuration says', async () => {
    const answers: number[] = []
    while (answers.at(-1) !== 429 && answers.length < 80) {
      answers.push((await get('/keys/aes128/6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b')).status)
    }
    expect(answers.at(-1)).toBe(429)
    expect(new Set(answers)).toEqual(new Set([404, 429]))
  })

  it('never prints, and tells nobody, a key or a token', async () => {
    const events = await (await api('GET', '/v1/events?limit=1000')).text()
    const audit = await (await api('GET', '/v1/audit?limit=500')).text()
    expect(events).toContain('content-key.delivery-refused')
    expect(audit).toContain('content-key.export')
    const everything = [node.output(), events, audit, await node.metrics()].join('\n')
    const secrets = [values.film, values.drm, secret].flatMap((bytes) =>
      (['hex', 'base64', 'base64url'] as const).map((encoding) => bytes.toString(encoding)),
    )
    for (const text of [...secrets, ...tokensMade, masterKey, rsa.privateKey.split('\n')[1] ?? '']) {
      expect(everything.includes(text)).toBe(false)
    }
  })
})
