import { describe, expect, it } from 'vitest'
import type { KeyDelivery } from '../../../src/domain/key-refusal.ts'
import { expandTemplate, licenceUrl, templateProblem } from '../../../src/domain/licence-template.ts'
import type { TrackKeyRef } from '../../../src/origin/delivery-keys.ts'
import { dashProtections, hlsKeys } from '../../../src/origin/key-systems.ts'
import { namesServer } from '../../../src/origin/licence-urls.ts'
import { hlsKeyLines } from '../../../src/protection/signalling/hls-keys.ts'

const kid = '6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b'
const ref = {
  contentKeyId: kid,
  kid,
  kidBytes: Buffer.from(kid.replaceAll('-', ''), 'hex'),
  periodMs: undefined,
  constantIv: new Uint8Array(16),
}

function deliveryWith(
  licenceUrls: Record<string, string>,
  had: readonly KeyDelivery[],
  passedOn: readonly KeyDelivery[],
) {
  const key = {
    contentKeyId: kid,
    kind: 'cbcs',
    rotating: false,
    created: '2026-01-01T00:00:00Z',
    had,
    passedOn,
  } as const
  return {
    protection: 'cbcs',
    digest: 'x',
    protocols: ['hls', 'dash'],
    keys: [key],
    licenceUrls,
    licenceValues: { accountId: 'ac_1', assetId: 'as_1' },
    ivBase: [0, 0],
    rotationPeriodMs: undefined,
  } as const
}

const news = { told: [], base: 'https://here.example' }
const hlsLinesOf = (delivery: ReturnType<typeof deliveryWith>) =>
  hlsKeys(delivery, ref, news).flatMap((key) => hlsKeyLines('EXT-X-KEY', key))

const urlsOf = (elements: readonly string[]) => elements.flatMap((text) => /laurl>([^<]*)</.exec(text)?.[1] ?? [])

describe('licence URLs in manifests', () => {
  it('are what a policy’s template says for the key', () => {
    const widevine = 'https://wv.example/{kidHex}?k={kidBase64}&u={token}'
    const delivery = deliveryWith({ widevine, fairplay: 'https://fps.example/api/{kid}' }, [], [])
    expect(urlsOf(dashProtections(delivery, ref, news))).toEqual([
      `https://wv.example/${kid.replaceAll('-', '')}?k=bx0sO1pOT2CLGgydjn9qWw%3D%3D&amp;u=`,
    ])
    expect(hlsLinesOf(delivery)[0]).toContain(`URI="skd://fps.example/api/${kid}"`)
    const plain = deliveryWith({ fairplay: 'https://fps.example/api' }, [], [])
    expect(hlsLinesOf(plain)[0]).toContain(`URI="skd://fps.example/api?kid=${kid}"`)
    const skd = (fairplay: string, of: TrackKeyRef = ref) =>
      /URI="([^"]*)"/.exec(
        hlsKeys(deliveryWith({ fairplay }, [], []), of, news).flatMap((key) => hlsKeyLines('EXT-X-KEY', key))[0] ?? '',
      )?.[1]
    expect(skd('https://fps.example/{assetId}')).toBe(`skd://fps.example/as_1?kid=${kid}`)
    expect(skd('https://fps.example/api?a={accountId}')).toBe(`skd://fps.example/api?a=ac_1&kid=${kid}`)
    expect(skd('https://fps.example/{kidHex}')).toBe(`skd://fps.example/${kid.replaceAll('-', '')}`)
    expect(skd('https://fps.example/{keyId}')).toBe(`skd://fps.example/${kid}`)
    // The id of a key that rotates says nothing of the period.
    expect(skd('https://fps.example/{keyId}', { ...ref, periodMs: 10_000 })).toBe(`skd://fps.example/${kid}?kid=${kid}`)
    const named = deliveryWith({ playready: 'https://pr.example/{accountId}/{assetId}/{keyId}' }, [], [])
    expect(urlsOf(dashProtections(named, ref, news))).toEqual([`https://pr.example/ac_1/as_1/${kid}`])
  })

  it('are our own door’s where that passes challenges on, and else none', () => {
    const systems = ['widevine', 'playready'] as const
    const passed = deliveryWith({}, systems, systems)
    expect(urlsOf(dashProtections(passed, ref, news))).toEqual([
      `https://here.example/keys/widevine/${kid}`,
      `https://here.example/keys/playready/${kid}`,
    ])
    expect(urlsOf(dashProtections(deliveryWith({}, systems, []), ref, news))).toEqual([])
    const stated = deliveryWith({ widevine: 'https://wv.example/' }, systems, ['widevine'])
    expect(urlsOf(dashProtections(stated, ref, news))).toEqual(['https://wv.example/'])
  })
})

describe('a manifest', () => {
  it('names this server only where it is known to, so that it is the same under every other name', () => {
    const known = ['clearkey', 'widevine', 'playready'] as const
    const some = [[], ['clearkey'], ['widevine', 'playready'], known] as const
    const urls = { clearkey: 'https://ck.example/', widevine: 'https://wv.example/', playready: 'https://pr.example/' }
    const written = { of: new Set<boolean>() }
    for (const licenceUrls of [{}, { widevine: urls.widevine }, { clearkey: urls.clearkey }, urls]) {
      for (const had of some) {
        for (const passedOn of [[], had.filter((one) => one !== 'clearkey')]) {
          const delivery = deliveryWith(licenceUrls, had, passedOn)
          const isNamed = dashProtections(delivery, ref, news).join().includes(news.base)
          expect(namesServer(delivery), JSON.stringify([licenceUrls, had, passedOn])).toBe(isNamed)
          written.of.add(isNamed)
        }
      }
    }
    expect(written.of.size).toBe(2)
    expect(namesServer({ ...deliveryWith(urls, [], []), protection: 'envelope' })).toBe(true)
  })
})

describe('templates', () => {
  it('know their variables, leave other braces alone, and encode what they are told to', () => {
    expect(expandTemplate('{"a":"{kid}"} {x} {kid}', { kid: 'k' })).toBe('{"a":"k"} {x} k')
    expect(licenceUrl('https://a/{token}/{subject}', { token: 'a/b?c#d e' })).toBe('https://a/a%2Fb%3Fc%23d%20e/')
    expect(templateProblem('{kid}{keyId}{"x":1}')).toBeUndefined()
    expect(templateProblem('{kid}{constructor}')).toContain('{constructor}')
  })
})
