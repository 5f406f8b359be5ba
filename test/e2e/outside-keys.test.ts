import { createPrivateKey, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importPKCS8, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { startLicenceServer } from '../support/licence-server.ts'
import { opensslPair } from '../support/openssl-keys.ts'
import { spekeKeyOf, spekePsshOf, startSpekeServer } from '../support/speke-server.ts'

const recipient = opensslPair('rsa')
const signer = opensslPair('rsa')
const masterKey = randomBytes(32).toString('base64')
const password = 'the password for the key provider'
const made: string[] = []
let speke: Awaited<ReturnType<typeof startSpekeServer>>
let licences: Awaited<ReturnType<typeof startLicenceServer>>
let node: Headend
let accountId: string

beforeAll(async () => {
  speke = await startSpekeServer()
  licences = await startLicenceServer()
  const folder = temporaryFolder()
  const [certificate, privateKey] = [join(folder, 'speke.crt'), join(folder, 'speke.key')]
  writeFileSync(certificate, recipient.certificate)
  writeFileSync(privateKey, recipient.privateKey)
  const service = { url: speke.url, username: 'headend', password, certificate, privateKey, allowPrivate: true }
  node = await startHeadend({
    config: {
      storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] },
      keys: { provider: { speke: service }, allowPrivateLicenceServers: true },
      origin: { trustedProxies: ['127.0.0.0/8', '::1'] },
      logLevel: 'trace',
    },
    env: { MASTER_KEY_OF_THE_TEST: masterKey },
  })
  accountId = (await api('GET', '/v1/accounts')).items[0].id
}, 30_000)

afterAll(async () => {
  await node?.stop()
  await speke?.stop()
  await licences?.stop()
})

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
async function api(method: string, path: string, body?: object): Promise<any> {
  const answer = await fetch(`${node.quickstart.controlUrl}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${node.quickstart.apiKey}`,
      ...(accountId && { 'Headend-Account': accountId }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  expect(answer.ok, text).toBe(true)
  return text === '' ? undefined : JSON.parse(text)
}

async function ask(path: string, headers: Record<string, string> = {}, body?: string) {
  const answer = await fetch(`${node.quickstart.streamingUrl}${path}`, {
    headers,
    ...(body && { method: 'POST', body }),
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  const isProblem = answer.headers.get('content-type')?.includes('problem')
  return { status: answer.status, bytes, reason: isProblem ? JSON.parse(bytes.toString()).reason : undefined }
}

const open = { kind: 'open' }

describe('keys and licences from outside', () => {
  it('keeps the keys that a SPEKE provider gives, with what players are to be told of them', async () => {
    const policy = await api('POST', '/v1/key-authorization-policies', {
      name: 'open',
      options: [{ delivery: 'aes128', restriction: open }],
    })
    const body = { kind: 'cbcs', contentId: 'film-7', intendedTracks: ['video'], keyAuthorizationPolicyId: policy.id }
    const key = await api('POST', '/v1/content-keys', body)
    const [widevine] = key.signalling
    expect(Buffer.from(widevine.pssh, 'base64')).toEqual(spekePsshOf(key.id))
    expect(JSON.stringify(key)).not.toContain(spekeKeyOf(key.id).toString('base64'))
    expect((await ask(`/keys/aes128/${key.id}`)).bytes).toEqual(spekeKeyOf(key.id))
    expect(speke.seen.at(-1)?.text).toContain('contentId="film-7"')
    made.push(key.id)
  })

  it('gives the keys of periods as the provider has them, of those that a policy knows', async () => {
    const { items } = await api('GET', '/v1/key-authorization-policies')
    const body = { kind: 'cbcs', rotating: true, keyAuthorizationPolicyId: items[0].id }
    const key = await api('POST', '/v1/content-keys', body)
    expect(key.source).toBe('provider')
    const policy = await api('POST', '/v1/delivery-policies', {
      name: 'rotating',
      protocols: { hls: ['cbcs'] },
      keyRotationPeriod: 'PT10S',
    })
    await api('POST', '/v1/assets', {
      name: 'rotated',
      deliveryPolicyId: policy.id,
      contentKeys: [{ contentKeyId: key.id }],
    })
    const period = (startMs: number) => key.id.slice(0, -12) + startMs.toString(16).padStart(12, '0')
    const startMs = Math.floor(Date.now() / 10_000) * 10_000
    const kid = period(startMs)
    expect((await ask(`/keys/aes128/${kid}`)).bytes).toEqual(spekeKeyOf(kid))
    expect(speke.seen.at(-1)?.kids).toHaveLength(4)
    const before = speke.seen.length
    expect((await ask(`/keys/aes128/${period(startMs + 10_000)}`)).bytes).toEqual(spekeKeyOf(period(startMs + 10_000)))
    expect((await ask(`/keys/aes128/${period(startMs + 1_000)}`)).reason).toBe('key-unknown')
    expect((await ask(`/keys/aes128/${key.id}`)).reason).toBe('key-unknown')
    expect(speke.seen).toHaveLength(before)
    made.push(kid)
  })

  it('passes challenges on for a right token, and says why it doesn’t', async () => {
    const primaryKey = { kind: 'rsa', pem: signer.publicKey }
    const restriction = { kind: 'token', issuer: 'https://issuer.example', audience: 'player', primaryKey }
    const customData = {
      header: 'x-dt-custom-data',
      fields: { userId: '{subject}', sessionId: '{sessionId}', merchant: 'acme' },
    }
    const licenceServer = { url: `${licences.url}/license-proxy-widevine/cenc/`, customData }
    const certificate = randomBytes(600)
    const options = [
      { delivery: 'widevine', restriction, licenceServer },
      {
        delivery: 'fairplay',
        restriction,
        licenceServer: { url: `${licences.url}/broken`, certificate: certificate.toString('base64') },
      },
      {
        delivery: 'playready',
        restriction: { kind: 'ip', allowIp: ['192.0.2.0/24'] },
        licenceServer: { url: `${licences.url}/nothing` },
      },
    ]
    const policy = await api('POST', '/v1/key-authorization-policies', { name: 'drm', options })
    const { id } = await api('POST', '/v1/content-keys', { kind: 'cbcs', keyAuthorizationPolicyId: policy.id })
    const jwt = new SignJWT({ sub: 'viewer-7' })
      .setIssuer('https://issuer.example')
      .setAudience('player')
      .setExpirationTime('10m')
    const token = await jwt.setProtectedHeader({ alg: 'RS256' }).sign(await importPKCS8(signer.privateKey, 'RS256'))
    const bearer = { Authorization: `Bearer ${token}` }
    const given = await ask(`/keys/widevine/${id}`, bearer, 'a challenge')
    expect([given.status, given.bytes.toString()]).toEqual([200, 'licence for a challenge'])
    const data = Buffer.from(String(licences.seen.at(-1)?.headers['x-dt-custom-data']), 'base64').toString()
    expect(JSON.parse(data)).toMatchObject({ userId: 'viewer-7', merchant: 'acme' })
    expect((await ask(`/keys/widevine/${id}`, {}, 'a challenge')).reason).toBe('token-missing')
    expect(await ask(`/keys/fairplay/${id}`, bearer, 'an SPC')).toMatchObject({
      status: 502,
      reason: 'licence-server-down',
    })
    expect((await ask(`/keys/fairplay/${id}/certificate`)).bytes).toEqual(certificate)
    // Whose address it is says the proxy that is trusted.
    expect((await ask(`/keys/playready/${id}`, {}, '<x/>')).reason).toBe('address-not-allowed')
    expect((await ask(`/keys/playready/${id}`, { 'X-Forwarded-For': '192.0.2.7' }, '<x/>')).reason).toBe(
      'licence-refused',
    )
    made.push(id, token)
  })

  it('gives nothing where the endpoint doesn’t: other addresses, and when it is stopped', async () => {
    const [kid = ''] = made
    const [endpoint] = (await api('GET', '/v1/streaming-endpoints')).items
    await api('PATCH', `/v1/streaming-endpoints/${endpoint.id}`, { allowIp: ['192.0.2.0/24'] })
    const from = (address: string) => ask(`/keys/aes128/${kid}`, { 'X-Forwarded-For': address })
    await expect.poll(async () => (await from('198.51.100.1')).reason).toBe('address-not-allowed')
    expect((await from('192.0.2.9')).status).toBe(200)
    await api('POST', `/v1/streaming-endpoints/${endpoint.id}/stop?wait=10s`)
    expect(await from('192.0.2.9')).toMatchObject({ status: 404, reason: 'endpoint-unknown' })
  })

  it('never prints a key, a token or a password', async () => {
    const told = ['token-missing', 'licence-server-down', 'licence-refused', 'address-not-allowed', 'endpoint-unknown']
    let events = ''
    // What is refused is told together, a second's worth at a time.
    const untold = async () => {
      events = JSON.stringify(await api('GET', '/v1/events?limit=1000'))
      return told.filter((reason) => !events.includes(reason))
    }
    await expect.poll(untold, { interval: 250, timeout: 10_000 }).toEqual([])
    const everything = [node.output(), events, await node.metrics()].join('\n')
    const keys = made.filter((id) => id.length === 36).map(spekeKeyOf)
    const secrets = keys.flatMap((key) => [key.toString('hex'), key.toString('base64'), key.toString('base64url')])
    const pem =
      createPrivateKey(recipient.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString().split('\n')[3] ?? ''
    for (const text of [
      ...secrets,
      made.at(-1) ?? '',
      masterKey,
      pem,
      password,
      Buffer.from(`headend:${password}`).toString('base64'),
    ]) {
      expect(everything.includes(text)).toBe(false)
    }
  })
})
