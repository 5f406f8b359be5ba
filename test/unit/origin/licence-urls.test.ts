import { describe, expect, it } from 'vitest'
import type { KeyDelivery } from '../../../src/domain/key-refusal.ts'
import { expandTemplate, licenceUrl, templateProblem } from '../../../src/domain/licence-template.ts'
import { dashProtections, hlsKeys } from '../../../src/origin/key-systems.ts'

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
    rotationPeriodMs: undefined,
  } as const
}

const urlsOf = (elements: readonly string[]) => elements.flatMap((text) => /laurl>([^<]*)</.exec(text)?.[1] ?? [])

describe('licence URLs in manifests', () => {
  it('are what a policy’s template says for the key', () => {
    const widevine = 'https://wv.example/{kidHex}?k={kidBase64}&u={token}'
    const delivery = deliveryWith({ widevine, fairplay: 'https://fps.example/api/{kid}' }, [], [])
    expect(urlsOf(dashProtections(delivery, ref, 'https://here.example'))).toEqual([
      `https://wv.example/${kid.replaceAll('-', '')}?k=bx0sO1pOT2CLGgydjn9qWw%3D%3D&amp;u=`,
    ])
    const [fairplay] = hlsKeys(delivery, ref)
    expect(fairplay?.uri).toBe(`skd://fps.example/api/${kid}`)
    const plain = deliveryWith({ fairplay: 'https://fps.example/api' }, [], [])
    expect(hlsKeys(plain, ref)[0]?.uri).toBe(`skd://fps.example/api?kid=${kid}`)
  })

  it('are our own door’s where that passes challenges on, and else none', () => {
    const systems = ['widevine', 'playready'] as const
    const passed = deliveryWith({}, systems, systems)
    expect(urlsOf(dashProtections(passed, ref, 'https://here.example'))).toEqual([
      `https://here.example/keys/widevine/${kid}`,
      `https://here.example/keys/playready/${kid}`,
    ])
    expect(urlsOf(dashProtections(deliveryWith({}, systems, []), ref, 'https://here.example'))).toEqual([])
    const stated = deliveryWith({ widevine: 'https://wv.example/' }, systems, ['widevine'])
    expect(urlsOf(dashProtections(stated, ref, 'https://here.example'))).toEqual(['https://wv.example/'])
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
