import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { newContentKeyId } from '../../../src/domain/content-key.ts'
import { type KeyOption, keyAuthorizationPolicyCreateSchema } from '../../../src/domain/key-authorization-policy.ts'
import { periodKeyId } from '../../../src/domain/key-id.ts'
import { AddressAllowance } from '../../../src/keys/address-allowance.ts'
import { DeliveryReports } from '../../../src/keys/delivery-reports.ts'
import { GrantCache, type KeyGrant } from '../../../src/keys/grant-cache.ts'
import { KeyAuthority } from '../../../src/keys/key-authority.ts'
import { KeyDoor } from '../../../src/keys/key-door.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { NOW_MS, symmetric, tokenOf, verifierOf } from '../../support/token-bench.ts'

const value = randomBytes(16)
const keyId = newContentKeyId(false, randomBytes)
const rotatingId = newContentKeyId(true, randomBytes)

function optionsOf(...options: readonly (readonly [KeyOption['delivery'], object])[]): readonly KeyOption[] {
  const given = options.map(([delivery, restriction]) => ({ delivery, restriction }))
  return keyAuthorizationPolicyCreateSchema.parse({ name: 'x', options: given }).options
}

function grantOf(options: readonly KeyOption[], id: string = keyId): KeyGrant {
  const material = { source: 'value', bytes: value } as const
  return { keyId: id, accountId: 'ac', rotating: id === rotatingId, material, options }
}

function doorOf(find: (keyId: string) => Promise<KeyGrant | undefined>, count = 1_000) {
  const clock = new VirtualClock(NOW_MS)
  const said: string[] = []
  const door = new KeyDoor({
    authority: new KeyAuthority({ find, tokens: verifierOf(), clock, skewMs: 60_000 }),
    allowance: new AddressAllowance({ count, windowMs: 10_000 }, clock),
    observer: {
      granted: (delivery) => said.push(`${delivery} granted`),
      refused: (delivery, reason, address, key) => said.push(`${delivery} ${reason} ${address} ${key ? 'key' : '-'}`),
    },
  })
  const ask = async (target: string, address = '192.0.2.7', more: object = {}) => {
    const request = { method: 'GET', target, authorization: undefined, address, body: async () => undefined, ...more }
    const answer = await door.answer(request)
    const text = Buffer.from(answer?.body ?? []).toString()
    const reason = answer && answer.status !== 200 ? JSON.parse(text).reason : undefined
    return { status: answer?.status, reason, answer }
  }
  return { clock, said, ask }
}

const open = { kind: 'open' }
const network = { kind: 'ip', allowIp: ['192.0.2.0/24', '2001:db8::/32'] }
const token = { kind: 'token', issuer: 'https://issuer.example/', audience: 'urn:player', primaryKey: symmetric }

describe('a door for keys', () => {
  it('gives a key to whoever meets one option of its delivery', async () => {
    const { ask } = doorOf(async () => grantOf(optionsOf(['aes128', network], ['aes128', token], ['widevine', open])))
    expect((await ask(`/keys/aes128/${keyId}`)).answer?.body).toEqual(value)
    expect((await ask(`/keys/aes128/${keyId}`, '::ffff:192.0.2.7')).status).toBe(200)
    expect((await ask(`/keys/aes128/${keyId}`, '2001:db8::1')).status).toBe(200)
    expect(await ask(`/keys/aes128/${keyId}`, '198.51.100.1')).toMatchObject({ status: 401, reason: 'token-missing' })
    expect((await ask(`/keys/aes128/${keyId}?token=${await tokenOf()}`, '198.51.100.1')).status).toBe(200)
    const bad = await ask(`/keys/aes128/${keyId}?token=x`, '198.51.100.1')
    expect(bad).toMatchObject({ status: 403, reason: 'token-malformed' })
    expect(bad.answer?.headers).toContain(
      'Bearer realm="keys", error="invalid_token", error_description="token-malformed"',
    )
    expect(await ask(`/keys/clearkey/${keyId}`)).toMatchObject({ status: 403, reason: 'delivery-not-allowed' })
  })

  it('says of an address that it is the wrong one, where that is all there is', async () => {
    const { ask, said } = doorOf(async () => grantOf(optionsOf(['clearkey', network])))
    expect((await ask(`/keys/clearkey/${keyId}`, '198.51.100.1')).reason).toBe('address-not-allowed')
    expect(said).toEqual(['clearkey address-not-allowed 198.51.100.1 key'])
  })

  it('knows the keys of periods, and of keys that rotate alone', async () => {
    const grants = new Map([keyId, rotatingId].map((id) => [id, grantOf(optionsOf(['aes128', open]), id)]))
    const { ask } = doorOf(async (id) => grants.get(id as never))
    const now = await ask(`/keys/aes128/${periodKeyId(rotatingId, NOW_MS)}`)
    const next = await ask(`/keys/aes128/${periodKeyId(rotatingId, NOW_MS + 120_000)}`)
    expect([now.status, next.status]).toEqual([200, 200])
    expect(now.answer?.body).not.toEqual(next.answer?.body)
    expect(await ask(`/keys/aes128/${periodKeyId(rotatingId, NOW_MS + 120_001)}`)).toMatchObject({
      status: 412,
      reason: 'key-not-yet',
    })
    expect((await ask(`/keys/aes128/${periodKeyId(keyId, NOW_MS)}`)).reason).toBe('key-unknown')
  })

  it('answers 503 while nobody can say, and nothing for what it isn’t', async () => {
    const { ask, said } = doorOf(async () => {
      throw new AppError('STORE_DOWN', 'no store')
    })
    const down = await ask(`/keys/aes128/${keyId}`)
    expect(down).toMatchObject({ status: 503, reason: 'unavailable' })
    expect(down.answer?.headers).toContain('Retry-After')
    for (const target of [
      '/keys/aes128',
      '/keys/aes128/x',
      '/keys/',
      `/keys/rsa/${keyId}`,
      `/keys/aes128/${keyId}/x`,
    ]) {
      expect((await ask(target)).status).toBeUndefined()
    }
    expect(said).toHaveLength(1)
  })

  it('reads licence requests as the standard has them, and gives what may be had of them', async () => {
    const { ask } = doorOf(async (id) => (id === keyId ? grantOf(optionsOf(['clearkey', open])) : undefined))
    const post = (body: unknown) =>
      ask('/keys/clearkey', '192.0.2.7', { method: 'POST', body: async () => Buffer.from(JSON.stringify(body)) })
    const kid = Buffer.from(keyId.replaceAll('-', ''), 'hex').toString('base64url')
    const unknown = randomBytes(16).toString('base64url')
    const { answer } = await post({ kids: [unknown, kid, kid], type: 'temporary' })
    const k = value.toString('base64url')
    expect(JSON.parse(Buffer.from(answer?.body ?? []).toString())).toEqual({
      keys: [{ kty: 'oct', kid, k }],
      type: 'temporary',
    })
    expect((await post({ kids: [unknown] })).reason).toBe('key-unknown')
    for (const body of [
      {},
      [],
      null,
      { kids: [] },
      { kids: [7] },
      { kids: [`${kid}A`] },
      { kids: Array(65).fill(kid) },
    ]) {
      expect(await post(body)).toMatchObject({ status: 400, reason: 'request-malformed' })
    }
    expect((await ask('/keys/clearkey')).reason).toBe('request-malformed')
  })

  it('lets an address come so often, of IPv6 a network', async () => {
    const { ask, clock } = doorOf(async () => grantOf(optionsOf(['aes128', open])), 2)
    const times = async (address: string) => (await ask(`/keys/aes128/${keyId}`, address)).status
    expect([await times('192.0.2.1'), await times('192.0.2.1'), await times('192.0.2.1')]).toEqual([200, 200, 429])
    expect([await times('2001:db8::1'), await times('2001:db8::2'), await times('2001:db8::3')]).toEqual([
      200, 200, 429,
    ])
    expect(await times('192.0.2.2')).toBe(200)
    await clock.advance(10_000)
    expect(await times('192.0.2.1')).toBe(200)
  })

  it('counts each KID of a licence request', async () => {
    const { ask, said } = doorOf(async (id) => (id === keyId ? grantOf(optionsOf(['clearkey', open])) : undefined), 10)
    const request = (count: number) => {
      const kids = Array.from({ length: count }, () => randomBytes(16).toString('base64url'))
      const body = async () => Buffer.from(JSON.stringify({ kids, type: 'temporary' }))
      return ask('/keys/clearkey', '192.0.2.7', { method: 'POST', body })
    }
    expect((await request(8)).reason).toBe('key-unknown')
    expect(said).toHaveLength(8)
    expect(await request(3)).toMatchObject({ status: 429, reason: 'rate-limited' })
    expect(said).toHaveLength(9)
    expect((await ask(`/keys/clearkey/${keyId}`)).reason).toBe('rate-limited')
    expect((await ask(`/keys/clearkey/${keyId}`, '192.0.2.8')).status).toBe(200)
  })
})

describe('what a thread knows of keys', () => {
  it('is asked for once, and anew when something has changed in the account', async () => {
    let asked = 0
    const cache = new GrantCache(async (id) => {
      asked += 1
      return id === keyId ? grantOf([]) : undefined
    })
    await Promise.all([cache.find(keyId), cache.find(keyId)])
    await cache.find('none')
    await cache.find('none')
    expect(asked).toBe(2)
    cache.changed('another')
    await cache.find(keyId)
    expect(asked).toBe(2)
    await cache.find('none')
    cache.changed('ac')
    await cache.find(keyId)
    expect(asked).toBe(4)
  })

  it('is not pushed out by ids that somebody thinks of', async () => {
    const asked: string[] = []
    const cache = new GrantCache(async (id) => {
      asked.push(id)
      return id === keyId ? grantOf([]) : undefined
    })
    await cache.find(keyId)
    for (let index = 0; index < 12_000; index++) await cache.find(`invented ${index}`)
    const before = asked.length
    expect(await cache.find(keyId)).toBeDefined()
    expect(await cache.find('invented 11999')).toBeUndefined()
    expect(asked).toHaveLength(before)
    // Of those there are few kept.
    await cache.find('invented 9000')
    expect(asked).toHaveLength(before + 1)
  })

  it('is never what was read before a change', async () => {
    const answers = [Promise.withResolvers<KeyGrant | undefined>(), Promise.withResolvers<KeyGrant | undefined>()]
    let asked = 0
    const cache = new GrantCache(() => answers[asked++]?.promise ?? Promise.resolve(undefined))
    const early = cache.find(keyId)
    cache.changed('ac')
    answers[0]?.resolve(grantOf([]))
    answers[1]?.resolve(undefined)
    expect(await early).toBeUndefined()
    expect(await cache.find(keyId)).toBeUndefined()
    expect(asked).toBe(2)
  })
})

describe('reports of deliveries', () => {
  it('come together: refusals alike of a second, deliveries of a minute, and what is left at the end', async () => {
    const clock = new VirtualClock()
    const sent: string[] = []
    const reports = new DeliveryReports(clock, (list) => {
      sent.push(...list.map((one) => `${one.kind} ${one.kind === 'refused' ? one.reason : ''} ${one.count}`))
    })
    const key = { accountId: 'ac', keyId }
    for (let count = 0; count < 5; count += 1) reports.refused('aes128', key, 'token-expired', '192.0.2.1')
    reports.refused('aes128', key, 'token-missing', '192.0.2.1')
    reports.delivered('aes128', key)
    await clock.advance(1_000)
    expect(sent).toEqual(['refused token-expired 5', 'refused token-missing 1'])
    reports.delivered('aes128', key)
    await clock.advance(59_000)
    expect(sent.slice(2)).toEqual(['delivered  2'])
    for (let count = 0; count < 1_000; count += 1) reports.refused('aes128', key, 'token-expired', `a${count}`)
    reports.stop()
    expect(sent).toHaveLength(3 + 256)
  })
})
