import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { XMLValidator } from 'fast-xml-parser'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newContentKeyId } from '../../../src/domain/content-key.ts'
import { periodKeyId } from '../../../src/domain/key-id.ts'
import { WebhookTargets } from '../../../src/events/webhook-target.ts'
import type { KeyWish, ProvidedKey } from '../../../src/keys/key-provider.ts'
import type { PostLicence } from '../../../src/keys/licence-proxy.ts'
import type { PeriodShelf } from '../../../src/keys/period-keys.ts'
import { SpekeClient } from '../../../src/keys/speke-client.ts'
import { spekeKeyProvider } from '../../../src/keys/speke-provider.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { drmSystems } from '../../../src/protection/drm/drm-systems.ts'
import { GuardedFetch } from '../../../src/roles/guarded-fetch.ts'
import { opensslPair } from '../../support/openssl-keys.ts'
import { type SpekeFault, spekeKeyOf, spekePsshOf, startSpekeServer } from '../../support/speke-server.ts'

const NOW_MS = 1_800_000_000_000
const pair = opensslPair('rsa')
const recipient = {
  certificate: new X509Certificate(pair.certificate).raw.toString('base64'),
  privateKey: createPrivateKey(pair.privateKey),
}
const systemIds = [drmSystems.widevine, drmSystems.playready, drmSystems.fairplay]
const signal = new AbortController().signal

type Server = Awaited<ReturnType<typeof startSpekeServer>>
let server: Server
beforeAll(async () => {
  server = await startSpekeServer()
})
afterAll(() => server.stop())
afterEach(() => server.fail(undefined))

/** What outlives a process, here in a map. */
function memoryShelf() {
  const kept = new Map<string, ProvidedKey>()
  const shelf: PeriodShelf = {
    find: async (_wish, kid) => kept.get(kid),
    keep: async (_wish, kid, key) => {
      if (!kept.has(kid)) kept.set(kid, key)
      return kept.get(kid) ?? key
    },
  }
  return shelf
}

type ProviderOptions = { readonly isPlain?: boolean; readonly post?: PostLicence; readonly shelf?: PeriodShelf }

function providerAt(url: string, more: ProviderOptions = {}) {
  const clock = new VirtualClock(NOW_MS)
  const fetch = new GuardedFetch(new WebhookTargets({ allowPrivate: true }))
  const post: PostLicence = more.post ?? ((sent, limits) => fetch.exchange(sent, limits))
  const headers = { Authorization: 'Basic aGVhZGVuZDpzZWNyZXQ=', 'x-api-key': 'k' }
  const terms = { url, headers, systemIds, timeoutMs: 5_000, ...(more.isPlain ? {} : { recipient }) }
  const shelf = more.shelf ?? memoryShelf()
  return { clock, provider: spekeKeyProvider(new SpekeClient(terms, { post, clock }), clock, shelf) }
}

function wishOf(more: Partial<KeyWish> = {}): KeyWish {
  return { keyId: newContentKeyId(false, randomBytes), kind: 'cbcs', accountId: 'ac', ...more }
}

const utf8 = (base64 = '') => Buffer.from(base64, 'base64').toString('utf8')

describe('keys of a provider that speaks SPEKE v2', () => {
  it('are asked for by a CPIX 2.3 document, and come with what players are to be told', async () => {
    const { provider } = providerAt(server.url)
    const wish = wishOf({ contentId: 'film<7>', tracks: ['video-hd', 'audio'] })
    const { value, signalling } = await provider.keyOf(wish, signal)
    expect(value).toEqual(spekeKeyOf(wish.keyId))
    expect(signalling?.map(({ systemId }) => systemId)).toEqual(systemIds)
    const [widevine, , fairplay] = signalling ?? []
    expect(Buffer.from(widevine?.pssh ?? '', 'base64')).toEqual(spekePsshOf(wish.keyId))
    expect(utf8(widevine?.contentProtection)).toContain('urn:mpeg:cenc:2013')
    expect(utf8(fairplay?.hlsMedia)).toBe(
      `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://${wish.keyId}",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"`,
    )
    expect(utf8(fairplay?.hlsMaster)).toContain('#EXT-X-SESSION-KEY:')
    const { headers, text } = server.seen.at(-1) ?? { text: '' }
    expect(headers).toMatchObject({
      'x-speke-version': '2.0',
      'x-api-key': 'k',
      authorization: 'Basic aGVhZGVuZDpzZWNyZXQ=',
    })
    expect(XMLValidator.validate(text)).toBe(true)
    expect(text).toContain('contentId="film&lt;7&gt;" version="2.3"')
    expect(text).toContain(`<cpix:ContentKey kid="${wish.keyId}" commonEncryptionScheme="cbcs"/>`)
    expect(text).toContain('intendedTrackType="HD"><cpix:VideoFilter minPixels="589825" maxPixels="2073600"/>')
    expect(text).toContain('intendedTrackType="AUDIO"><cpix:AudioFilter/>')
  })

  it('are had for cenc too, of which FairPlay is neither asked nor taken', async () => {
    const wish = wishOf({ kind: 'cenc' })
    const { value, signalling } = await providerAt(server.url).provider.keyOf(wish, signal)
    expect(value).toEqual(spekeKeyOf(wish.keyId))
    expect(signalling?.map(({ systemId }) => systemId)).toEqual([drmSystems.widevine, drmSystems.playready])
    expect(utf8(signalling?.[0]?.hlsMedia)).toContain('METHOD=SAMPLE-AES-CTR,')
    expect(server.seen.at(-1)?.text).not.toContain(drmSystems.fairplay)
  })

  it.each(['oaep', 'oaep-sha256', 'pkcs1'] as const)('are opened where their key is wrapped by %s', async (wrap) => {
    const other = await startSpekeServer({ wrap })
    const wish = wishOf()
    expect((await providerAt(other.url).provider.keyOf(wish, signal)).value).toEqual(spekeKeyOf(wish.keyId))
    await other.stop()
  })

  it('come in the clear where no certificate is agreed upon, for whole segments without a scheme', async () => {
    const wish = wishOf({ kind: 'envelope' })
    expect((await providerAt(server.url, { isPlain: true }).provider.keyOf(wish, signal)).value).toEqual(
      spekeKeyOf(wish.keyId),
    )
    expect(server.seen.at(-1)?.text).not.toContain('commonEncryptionScheme')
    expect(server.seen.at(-1)?.text).not.toContain('DeliveryData')
  })

  it.each<[SpekeFault, string]>([
    ['wrong-mac', 'the MAC of a content key is wrong'],
    ['missing-key', 'it has no key'],
    ['doubled-key', 'it has several keys'],
    ['other-content', 'it is about another content'],
    ['other-scheme', 'is for cens, not cbcs'],
    ['plain', 'there is no <DeliveryDataList>'],
    ['short-key', 'a content key has 15 bytes'],
    ['zero-key', 'a content key is all zeros'],
    ['other-recipient', 'CPIX document key'],
    ['bad-base64', '<PSSH> holds no base64'],
    ['bad-pssh', '<PSSH> holds something else'],
    ['playlist-lines', 'has other lines than #EXT-X-KEY'],
    ['other-method', 'says METHOD=SAMPLE-AES-CTR of a key for cbcs'],
    ['escaping-markup', 'ContentProtectionData at byte'],
    ['entities', 'a document type, which is not read'],
    ['deep', 'nested deeper than 64'],
    ['huge', 'more than 1048576 bytes'],
    ['not-xml', 'closes <unclosed>'],
    ['html', 'it is <html>, no CPIX document'],
    ['refusing', 'it answers 422'],
  ])('are not taken where the answer is wrong: %s', async (fault, problem) => {
    server.fail(fault)
    const failed = providerAt(server.url).provider.keyOf(wishOf(), signal)
    const error = await failed.then(
      () => undefined,
      (thrown: Error & { code: string }) => thrown,
    )
    expect(error?.code).toBe('KEY_PROVIDER_DOWN')
    if (fault === 'other-recipient') expect(error?.message).toMatch(/another certificate|document key|too short/)
    else expect(error?.message).toContain(problem)
  })

  it('are waited for so long, and no longer than somebody wants them', async () => {
    const posted = Promise.withResolvers<void>()
    const post: PostLicence = (_sent, limits) =>
      new Promise((_resolve, reject) => {
        limits.signal.addEventListener('abort', () => reject(limits.signal.reason))
        posted.resolve()
      })
    const { clock, provider } = providerAt('https://keys.example/', { post })
    const late = expect(provider.keyOf(wishOf(), signal)).rejects.toThrow('did not answer within 5000 ms')
    await posted.promise
    await clock.advance(5_000)
    await late
    const abort = new AbortController()
    const ended = expect(provider.keyOf(wishOf(), abort.signal)).rejects.toThrow('enough')
    abort.abort(new Error('enough'))
    await ended
  })
})

describe('keys of periods', () => {
  const periodMs = 60_000
  const at = (index: number) => NOW_MS - (NOW_MS % periodMs) + index * periodMs

  it('are asked for some ahead, in one document, and each once', async () => {
    const { clock, provider } = providerAt(server.url)
    const wish = wishOf({ keyId: newContentKeyId(true, randomBytes) })
    const keyOf = (index: number) => {
      const kid = periodKeyId(wish.keyId, at(index))
      return provider.periodKeyOf?.(wish, { kid, startMs: at(index), periodMs }, signal)
    }
    const before = server.seen.length
    const [first, again] = await Promise.all([keyOf(0), keyOf(0)])
    expect(first?.value).toEqual(spekeKeyOf(periodKeyId(wish.keyId, at(0))))
    expect(again).toBe(first)
    expect(server.seen).toHaveLength(before + 1)
    const { kids, text = '' } = server.seen.at(-1) ?? {}
    expect(kids).toEqual([0, 1, 2, 3].map((index) => periodKeyId(wish.keyId, at(index))))
    expect(text.match(/<cpix:ContentKeyPeriod /g)).toHaveLength(4)
    expect(text).toContain(`<cpix:ContentKeyPeriod id="keyPeriod_${at(1) / 1_000}" index="${at(1) / 1_000}"/>`)
    expect(text).toContain(`<cpix:KeyPeriodFilter periodId="keyPeriod_${at(3) / 1_000}"/>`)
    // While the provider is down, the periods that were fetched go on.
    server.fail('refusing')
    for (const index of [1, 2, 3]) {
      await clock.advance(periodMs)
      expect((await keyOf(index))?.value).toEqual(spekeKeyOf(periodKeyId(wish.keyId, at(index))))
    }
    await clock.advance(periodMs)
    await expect(keyOf(4)).rejects.toMatchObject({ code: 'KEY_PROVIDER_DOWN' })
    server.fail(undefined)
    expect((await keyOf(4))?.value).toEqual(spekeKeyOf(periodKeyId(wish.keyId, at(4))))
  })

  it('are there for another process, also while the provider is down', async () => {
    const shelf = memoryShelf()
    const wish = wishOf({ keyId: newContentKeyId(true, randomBytes) })
    const keyOf = (index: number, { provider }: ReturnType<typeof providerAt>) =>
      provider.periodKeyOf?.(wish, { kid: periodKeyId(wish.keyId, at(index)), startMs: at(index), periodMs }, signal)
    const first = await keyOf(0, providerAt(server.url, { shelf }))
    server.fail('refusing')
    const restarted = providerAt(server.url, { shelf })
    expect(await keyOf(0, restarted)).toEqual(first)
    expect((await keyOf(3, restarted))?.value).toEqual(spekeKeyOf(periodKeyId(wish.keyId, at(3))))
    await expect(keyOf(4, restarted)).rejects.toMatchObject({ code: 'KEY_PROVIDER_DOWN' })
    const before = server.seen.length
    server.fail(undefined)
    expect((await keyOf(4, restarted))?.value).toEqual(spekeKeyOf(periodKeyId(wish.keyId, at(4))))
    // What is kept is not asked for again.
    expect(server.seen.slice(before).flatMap(({ kids }) => kids)).not.toContain(periodKeyId(wish.keyId, at(3)))
  })

  it('of what was recorded are asked for alone', async () => {
    const { provider } = providerAt(server.url)
    const wish = wishOf({ keyId: newContentKeyId(true, randomBytes) })
    const kid = periodKeyId(wish.keyId, at(-90))
    await provider.periodKeyOf?.(wish, { kid, startMs: at(-90), periodMs }, signal)
    expect(server.seen.at(-1)?.kids).toEqual([kid])
  })
})
