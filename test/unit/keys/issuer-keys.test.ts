import { describe, expect, it } from 'vitest'
import { WebhookTargets } from '../../../src/events/webhook-target.ts'
import { FetchedIssuerKeys, type FetchText } from '../../../src/keys/issuer-keys.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { GuardedFetch } from '../../../src/roles/guarded-fetch.ts'
import { restrictionOf } from '../../support/token-bench.ts'

const published = restrictionOf({ jwksUrl: 'https://issuer.example/keys?secret=1' })
const discovered = restrictionOf({ openIdDiscoveryUrl: 'https://issuer.example/.well-known/openid-configuration' })
const keySet = (kid: string) => JSON.stringify({ keys: [{ kty: 'RSA', kid }] })
const down = expect.objectContaining({ code: 'KEY_PROVIDER_DOWN' })

function bench(answer: FetchText) {
  const clock = new VirtualClock()
  const asked: string[] = []
  const said: unknown[] = []
  const logger = { ...silentLogger, warn: (...words: unknown[]) => said.push(words) } as typeof silentLogger
  const fetch: FetchText = (url, limits) => {
    asked.push(url)
    return answer(url, limits)
  }
  const keys = new FetchedIssuerKeys({ fetch, clock, logger }, { timeoutMs: 5_000, freshMs: 600_000 })
  return { clock, asked, said, keys }
}

describe('the keys of a token issuer', () => {
  it('are fetched once while they are fresh, by however many at once', async () => {
    const { asked, clock, keys } = bench(async () => keySet('one'))
    const [first, second] = await Promise.all([keys.of(published), keys.of(published)])
    expect(first).toEqual({ keys: [{ kty: 'RSA', kid: 'one' }] })
    expect(second).toBe(first)
    await clock.advance(599_000)
    expect(await keys.of(published)).toBe(first)
    expect(asked).toHaveLength(1)
    await clock.advance(2_000)
    expect(await keys.of(published)).not.toBe(first)
    expect(asked).toHaveLength(2)
  })

  it('are fetched anew for a key that is not among them, but not all the time', async () => {
    let kid = 'one'
    const { asked, clock, keys } = bench(async () => keySet(kid))
    const first = await keys.of(published)
    kid = 'two'
    expect(await keys.of(published, first)).toBe(first)
    await clock.advance(30_000)
    expect(await keys.of(published, first)).toEqual({ keys: [{ kty: 'RSA', kid: 'two' }] })
    expect(asked).toHaveLength(2)
  })

  it('are found by OpenID discovery, which does not lead from TLS to none', async () => {
    let uri = 'https://keys.example/set'
    const { asked, clock, keys } = bench(async (url) =>
      url.includes('well-known') ? JSON.stringify({ issuer: 'x', jwks_uri: uri }) : keySet('one'),
    )
    expect((await keys.of(discovered)).keys).toHaveLength(1)
    expect(asked).toEqual(['https://issuer.example/.well-known/openid-configuration', 'https://keys.example/set'])
    await clock.advance(3_600_000)
    uri = 'http://keys.example/set'
    await expect(keys.of(discovered)).rejects.toThrow('without TLS')
  })

  it('of an issuer that is down are believed for a while, and asked for again', async () => {
    let isUp = true
    const { asked, clock, keys, said } = bench(async () => {
      if (isUp) return keySet('one')
      throw new Error('refused')
    })
    const first = await keys.of(published)
    isUp = false
    await clock.advance(601_000)
    expect(await keys.of(published)).toBe(first)
    expect(await keys.of(published)).toBe(first)
    expect(asked).toHaveLength(2)
    expect(JSON.stringify(said)).toContain('https://issuer.example/keys')
    expect(JSON.stringify(said)).not.toContain('secret')
    await clock.advance(3_000_000)
    await expect(keys.of(published)).rejects.toEqual(down)
    isUp = true
    await expect(keys.of(published)).rejects.toEqual(down)
    await clock.advance(5_000)
    expect((await keys.of(published)).keys).toHaveLength(1)
  })

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"keys":{}}',
    '{"keys":[1]}',
    JSON.stringify({ keys: Array(101).fill({ kty: 'RSA' }) }),
  ])('are not in %.20s', async (text) => {
    const { keys } = bench(async () => text)
    await expect(keys.of(published)).rejects.toEqual(down)
  })

  it('are waited for no longer than the time for it', async () => {
    const { clock, keys } = bench(
      (_url, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    const asked = keys.of(published)
    const failed = expect(asked).rejects.toThrow('5000 ms')
    await clock.advance(5_000)
    await failed
    const again = keys.of(discovered)
    const stopped = expect(again).rejects.toEqual(down)
    await keys.stop()
    await stopped
  })
})

describe('a guarded fetch', () => {
  const limits = { maxBytes: 100, signal: new AbortController().signal }

  it('reaches no private address, whatever its name', async () => {
    const targets = new WebhookTargets({
      allowPrivate: false,
      resolve: async () => [{ address: '10.1.2.3', family: 4 }],
    })
    const fetch = new GuardedFetch(targets)
    const refused = expect.objectContaining({ code: 'TARGET_REFUSED' })
    await expect(fetch.text('http://127.0.0.1:1/keys', limits)).rejects.toEqual(refused)
    await expect(fetch.text('https://internal.example/keys', limits)).rejects.toEqual(refused)
    await expect(fetch.text('http://[::1]/keys', limits)).rejects.toEqual(refused)
  })
})
