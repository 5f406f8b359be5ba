import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newContentKeyId } from '../../../src/domain/content-key.ts'
import { keyAuthorizationPolicyCreateSchema } from '../../../src/domain/key-authorization-policy.ts'
import type { EntryRefusal } from '../../../src/domain/key-refusal.ts'
import { WebhookTargets } from '../../../src/events/webhook-target.ts'
import { AddressAllowance } from '../../../src/keys/address-allowance.ts'
import type { KeyGrant } from '../../../src/keys/grant-cache.ts'
import { KeyAuthority } from '../../../src/keys/key-authority.ts'
import { KeyDoor } from '../../../src/keys/key-door.ts'
import { LicenceDoor } from '../../../src/keys/licence-door.ts'
import { LicenceProxy, type PostLicence } from '../../../src/keys/licence-proxy.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { GuardedFetch } from '../../../src/roles/guarded-fetch.ts'
import { playReadyKid, protoField, widevineChallenge } from '../../support/challenges.ts'
import { startLicenceServer } from '../../support/licence-server.ts'
import { KID, NOW_MS, symmetric, tokenOf, verifierOf } from '../../support/token-bench.ts'

let server: Awaited<ReturnType<typeof startLicenceServer>>
beforeAll(async () => {
  server = await startLicenceServer()
})
afterAll(() => server.stop())

const otherId = newContentKeyId(false, randomBytes)
const token = { kind: 'token', issuer: 'https://issuer.example/', audience: 'urn:player', primaryKey: symmetric }
const challenge = widevineChallenge(KID)
const drmToday = {
  header: 'x-dt-custom-data',
  fields: { userId: '{subject}', sessionId: '{sessionId}', merchant: 'acme', optData: '{"asset":"{assetId}"}' },
}

function grantOf(keyId: string, delivery: string, licenceServer: object | undefined, restriction: object): KeyGrant {
  const policy = keyAuthorizationPolicyCreateSchema.parse({
    name: 'x',
    options: [{ delivery, restriction, licenceServer }],
  })
  const material = { source: 'value', bytes: randomBytes(16) } as const
  return { keyId, accountId: 'ac', assetId: 'as_1', rotating: false, material, options: policy.options }
}

type Bench = {
  readonly delivery?: string
  readonly restriction?: object
  readonly grants?: readonly KeyGrant[]
  readonly entry?: () => EntryRefusal | undefined
  readonly allowPrivate?: boolean
  readonly post?: PostLicence
}

function doorTo(licenceServer: object | undefined, bench: Bench = {}) {
  const { delivery = 'widevine', restriction = token, entry, allowPrivate = true } = bench
  const grants = [grantOf(KID, delivery, licenceServer, restriction), ...(bench.grants ?? [])]
  const clock = new VirtualClock(NOW_MS)
  const said: string[] = []
  const fetch = new GuardedFetch(new WebhookTargets({ allowPrivate }))
  const post: PostLicence = bench.post ?? ((sent, limits) => fetch.exchange(sent, limits))
  const proxy = new LicenceProxy({ post, clock, logger: silentLogger, timeoutMs: 5_000 })
  const find = async (keyId: string) => grants.find((grant) => grant.keyId === keyId)
  const authority = new KeyAuthority({ find, tokens: verifierOf(), clock, skewMs: 60_000 })
  const observer = {
    granted: (kind: string) => void said.push(`${kind} granted`),
    refused: (kind: string, reason: string) => void said.push(`${kind} ${reason}`),
  }
  const licences = new LicenceDoor({ authority, proxy, observer, random: randomBytes })
  const allowance = new AddressAllowance({ count: 1_000, windowMs: 10_000 }, clock)
  const door = new KeyDoor({ authority, allowance, observer, licences })
  const ask = async (path: string, body: Uint8Array | undefined = challenge, bearer?: string) => {
    const answer = await door.answer({
      method: body ? 'POST' : 'GET',
      target: path,
      authorization: bearer === undefined ? undefined : `Bearer ${bearer}`,
      contentType: 'application/octet-stream',
      address: '192.0.2.7',
      ...(entry && { entry }),
      body: async (maxBytes) => (body && body.byteLength > maxBytes ? undefined : body),
    })
    const text = Buffer.from(answer?.body ?? []).toString()
    return {
      status: answer?.status,
      text,
      headers: answer?.headers,
      reason: text.startsWith('{') ? JSON.parse(text).reason : undefined,
    }
  }
  return { ask, said, proxy, clock }
}

describe('licences of outside servers', () => {
  it('are asked for by who has a right token alone, with DRMtoday’s header', async () => {
    const { ask, said } = doorTo({
      url: `${server.url}/license-proxy-widevine/cenc/?specConform=true`,
      customData: drmToday,
    })
    const before = server.seen.length
    expect(await ask(`/keys/widevine/${KID}`)).toMatchObject({ status: 401, reason: 'token-missing' })
    expect(await ask(`/keys/widevine/${KID}`, challenge, 'x')).toMatchObject({ status: 403, reason: 'token-malformed' })
    expect(server.seen).toHaveLength(before)
    const right = await tokenOf({ sub: 'viewer "7"' })
    const given = await ask(`/keys/widevine/${KID}?session=abc-1`, challenge, right)
    expect(given).toMatchObject({ status: 200, text: `licence for ${challenge}` })
    expect(given.headers).toEqual([
      'Content-Type',
      'application/octet-stream',
      'Cache-Control',
      'no-store',
      'Pragma',
      'no-cache',
    ])
    const { headers, body, query } = server.seen.at(-1) ?? {}
    expect(body).toEqual(challenge)
    expect(query?.get('specConform')).toBe('true')
    expect(headers?.authorization).toBeUndefined()
    expect(JSON.parse(Buffer.from(String(headers?.['x-dt-custom-data']), 'base64').toString())).toEqual({
      userId: 'viewer "7"',
      sessionId: 'abc-1',
      merchant: 'acme',
      optData: '{"asset":"as_1"}',
    })
    expect(said).toEqual(['widevine token-missing', 'widevine token-malformed', 'widevine granted'])
  })

  it('are asked for with EZDRM’s query, every value encoded', async () => {
    const { ask } = doorTo(
      { url: `${server.url}/ezdrm/{kid}?pX=A1B2C3&customdata={token}&s={sessionId}` },
      { delivery: 'fairplay', restriction: { kind: 'open' } },
    )
    expect((await ask(`/keys/fairplay/${KID}?token=a%26b%2F..%23c`)).status).toBe(200)
    const { path, query } = server.seen.at(-1) ?? {}
    expect([path, query?.get('customdata')]).toEqual([`/ezdrm/${KID}`, 'a&b/..#c'])
    expect(query?.get('s')).toMatch(/^[0-9a-f]{32}$/)
  })

  it('are SOAP for PlayReady, and of the keys in the challenge each has to be allowed', async () => {
    const url = `${server.url}/license-proxy-headerauth/drmtoday/RightsManager.asmx`
    const other = grantOf(otherId, 'playready', undefined, { kind: 'ip', allowIp: ['198.51.100.1'] })
    const open = { delivery: 'playready', restriction: { kind: 'open' }, grants: [other] }
    const fields = { userId: '{address}', sessionId: '{sessionId}', merchant: 'acme' }
    const { ask } = doorTo({ url, customData: { header: 'x-dt-custom-data', fields } }, open)
    const soap = (kid: string) =>
      Buffer.from(`<soap:Envelope><LA><KID VALUE="${playReadyKid(kid)}"/></LA></soap:Envelope>`)
    const given = await ask(`/keys/playready/${KID}`, soap(KID))
    expect(given.status).toBe(200)
    expect(given.headers).toContain('text/xml; charset=utf-8')
    expect((await ask(`/keys/playready/${KID}`, soap(otherId))).reason).toBe('address-not-allowed')
    const wide = Buffer.from(`<KID>${playReadyKid(otherId)}</KID>`, 'utf16le')
    expect((await ask(`/keys/playready/${KID}`, wide)).reason).toBe('address-not-allowed')
    expect((await ask(`/keys/playready/${KID}`, soap(newContentKeyId(false, randomBytes)))).reason).toBe('key-unknown')
  })

  it('are not given for a Widevine challenge that asks for another key', async () => {
    const { ask } = doorTo({ url: `${server.url}/ezdrm/?pX=A1B2C3` }, { restriction: { kind: 'open' } })
    expect((await ask(`/keys/widevine/${KID}`, widevineChallenge(KID))).status).toBe(200)
    expect((await ask(`/keys/widevine/${KID}`, widevineChallenge(KID, otherId))).reason).toBe('key-unknown')
    // A request for the service certificate names no keys; of what is cut off nobody knows what it asks for.
    expect((await ask(`/keys/widevine/${KID}`, Buffer.from([0x08, 0x04]))).status).toBe(200)
    const seen = server.seen.length
    for (let size = 1; size < challenge.byteLength; size += 7) {
      const cut = await ask(`/keys/widevine/${KID}`, challenge.subarray(0, size))
      expect(cut).toMatchObject({ status: 400, reason: 'request-malformed' })
    }
    expect(server.seen).toHaveLength(seen)
  })

  it.each([
    ['refused by the server', '/license-proxy-widevine/cenc/', 403, 'licence-refused'],
    ['server in trouble', '/broken', 502, 'licence-server-down'],
    ['redirected', '/moved', 502, 'licence-server-down'],
    ['too much', '/huge', 502, 'licence-server-down'],
    ['cut off', '/cut', 502, 'licence-server-down'],
  ])('are refused with a reason: %s', async (_what, path, status, reason) => {
    const { ask, said } = doorTo({ url: `${server.url}${path}` }, { restriction: { kind: 'open' } })
    const answer = await ask(`/keys/widevine/${KID}`)
    expect(answer).toMatchObject({ status, reason })
    expect(answer.text).not.toContain('trouble within')
    expect(said).toEqual([`widevine ${reason}`])
  })

  it('are waited for so long, and from private addresses only where that is allowed', async () => {
    const posted = Promise.withResolvers<void>()
    const silent: PostLicence = (_post, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
        posted.resolve()
      })
    const { ask, clock, proxy } = doorTo(
      { url: 'https://licences.example/' },
      { restriction: { kind: 'open' }, post: silent },
    )
    const late = ask(`/keys/widevine/${KID}`)
    await posted.promise
    await clock.advance(5_000)
    expect(await late).toMatchObject({ status: 504, reason: 'licence-server-late' })
    const stopped = ask(`/keys/widevine/${KID}`)
    const many = Array.from({ length: 300 }, () => ask(`/keys/widevine/${KID}`))
    await Promise.all(many.slice(256))
    expect((await many.at(-1))?.reason).toBe('unavailable')
    // One server that hangs leaves room for the others.
    const elsewhere = { url: 'https://others.example/', headers: [] }
    const other = proxy.licence(elsewhere, {} as never, { body: challenge, contentType: undefined })
    await proxy.stop()
    expect(await other).toEqual({ outcome: 'refused', reason: 'licence-server-down' })
    expect(await stopped).toMatchObject({ status: 502, reason: 'licence-server-down' })
    const before = server.seen.length
    const guarded = doorTo(
      { url: `${server.url}/ezdrm/?pX=A1B2C3` },
      { restriction: { kind: 'open' }, allowPrivate: false },
    )
    expect((await guarded.ask(`/keys/widevine/${KID}`)).reason).toBe('licence-server-down')
    expect(server.seen).toHaveLength(before)
  })

  it('need a challenge of a bearable size, a server, and an endpoint that lets the player in', async () => {
    const open = { restriction: { kind: 'open' } }
    const { ask } = doorTo({ url: `${server.url}/ezdrm/?pX=A1B2C3` }, open)
    const path = `/keys/widevine/${KID}`
    for (const body of [undefined, Buffer.alloc(0), Buffer.alloc(65_537)]) {
      const answer = await ask(path, body ?? Buffer.alloc(0))
      expect(answer).toMatchObject({ status: 400, reason: 'request-malformed' })
    }
    // The signature is the server's to look at, and may be as long as the rest leaves room for.
    const signed = Buffer.concat([widevineChallenge(KID), protoField(4, Buffer.alloc(16_000))])
    expect((await ask(path, signed)).status).toBe(200)
    expect((await ask(`/keys/playready/${KID}`)).reason).toBe('delivery-not-allowed')
    expect((await ask('/keys/widevine')).status).toBeUndefined()
    expect((await doorTo(undefined, open).ask(path)).reason).toBe('licence-server-unknown')
    const shut = (reason: EntryRefusal) => doorTo({ url: server.url }, { ...open, entry: () => reason }).ask(path)
    expect(await shut('endpoint-unknown')).toMatchObject({ status: 404, reason: 'endpoint-unknown' })
    expect(await shut('address-not-allowed')).toMatchObject({ status: 403, reason: 'address-not-allowed' })
  })

  it('of FairPlay come with the application’s certificate', async () => {
    const der = randomBytes(900)
    const { ask } = doorTo({ url: server.url, certificate: der.toString('base64') }, { delivery: 'fairplay' })
    const answer = await ask(`/keys/fairplay/${KID}/certificate`)
    expect([answer.status, answer.headers]).toEqual([
      200,
      ['Content-Type', 'application/x-x509-ca-cert', 'Cache-Control', 'private, max-age=60'],
    ])
    expect((await ask(`/keys/widevine/${KID}/certificate`)).status).toBeUndefined()
    const without = doorTo({ url: server.url }, { delivery: 'fairplay' })
    expect((await without.ask(`/keys/fairplay/${KID}/certificate`)).reason).toBe('licence-server-unknown')
  })
})

describe('what a policy says of a licence server', () => {
  const problem = (licenceServer: object, delivery = 'widevine') => {
    const options = [{ delivery, restriction: { kind: 'open' }, licenceServer }]
    const { success, error } = keyAuthorizationPolicyCreateSchema.safeParse({ name: 'x', options })
    return success ? undefined : error.issues.map(({ message }) => message).join()
  }

  it('is templates of known names, which never say who is asked', () => {
    expect(problem({ url: 'https://lic.example/{assetId}?kid={kid}' })).toBeUndefined()
    for (const url of [
      'https://{token}.example/',
      'https://u:p@lic.example/',
      'ftp://lic.example/',
      '/x',
      'https://',
    ]) {
      expect(problem({ url })).toBeDefined()
    }
    expect(problem({ url: 'https://lic.example/{user}' })).toContain('names {user}')
    expect(problem({ url: 'https://lic.example/' }, 'aes128')).toContain('only licences of Widevine')
    const headers = (name: string, value = 'x') => problem({ url: 'https://lic.example/', headers: [{ name, value }] })
    expect(headers('x-dt-auth-token', '{token}')).toBeUndefined()
    for (const name of ['Host', 'content-length', 'a b', 'x\r\ny', 'Proxy-Authorization'])
      expect(headers(name)).toBeDefined()
    expect(headers('x-a', 'a\r\nb: c')).toBeDefined()
  })
})
