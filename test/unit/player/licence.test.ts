import { describe, expect, it } from 'vitest'
import { explain } from '../../../player/src/errors.ts'
import { refusalOf, tokenHeaders, wantsToken, withoutIdentity } from '../../../player/src/licence.ts'
import { keyRefusals } from '../../../src/domain/key-refusal.ts'

describe('a refused key', () => {
  const document = { title: 'The key is not given', reason: 'token-expired', detail: 'The token has expired.' }

  it('is told by its problem document, however an engine read it', () => {
    const text = JSON.stringify(document)
    for (const body of [text, document, new TextEncoder().encode(text), new TextEncoder().encode(text).buffer]) {
      const problem = { kind: 'licence', status: 403, technical: 't', reason: 'token-expired', detail: document.detail }
      expect(refusalOf(403, body, 't')).toEqual(problem)
    }
  })

  it('is told by its status where another server says no more, and is no refusal where nobody answered', () => {
    for (const body of [undefined, null, '', '<html>', 'null', '[]', '{"reason":7,"detail":{}}', new ArrayBuffer(3)]) {
      expect(refusalOf(401, body, 't')).toEqual({ kind: 'licence', status: 401, technical: 't' })
    }
    expect(refusalOf(0, undefined, 't')).toEqual({ kind: 'network', technical: 't' })
  })

  it('asks for another token where one may help, and for no other', () => {
    const helped = keyRefusals.filter((reason) => wantsToken({ kind: 'licence', status: 403, technical: '', reason }))
    const others = keyRefusals.filter((reason) => !helped.includes(reason))
    expect(helped).toEqual(
      expect.arrayContaining(['token-missing', 'signature-invalid', 'claim-wrong', 'key-id-wrong']),
    )
    expect(others).toEqual(
      expect.arrayContaining(['key-unknown', 'key-not-yet', 'rate-limited', 'unavailable', 'address-not-allowed']),
    )
    expect(others).toContain('verification-keys-unavailable')
    expect(wantsToken({ kind: 'licence', status: 403, technical: '' })).toBe(true)
    expect(wantsToken({ kind: 'licence', status: 500, technical: '' })).toBe(false)
    expect(wantsToken({ kind: 'forbidden', status: 403, technical: '' })).toBe(false)
  })

  it('is explained, each reason of the door by a sentence', () => {
    const said = new Set<string>()
    for (const reason of keyRefusals) {
      const detail = `because of ${reason}`
      const { title, text } = explain('licence', { kind: 'licence', status: 403, technical: '', reason, detail })
      expect(title.length).toBeGreaterThan(5)
      expect(text.length).toBeGreaterThan(10)
      said.add(text)
    }
    expect(said.size).toBe(keyRefusals.length)
    expect(explain('licence').text).toContain('does not give')
  })
})

describe('a token', () => {
  it('is sent as a bearer, and nothing where there is none', () => {
    expect(tokenHeaders('a.b.c')).toEqual({ Authorization: 'Bearer a.b.c' })
    expect(tokenHeaders(undefined)).toEqual({})
  })
})

describe('a playlist', () => {
  it('loses raw keys beside ClearKey, and nothing else', () => {
    const clearKey =
      '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="/k",KEYID=0x01,KEYFORMAT="org.w3.clearkey",KEYFORMATVERSIONS="1"\n'
    const identity = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="/r",IV=0x01,KEYFORMAT="identity",KEYFORMATVERSIONS="1"\n'
    const rest = '#EXT-X-MAP:URI="a.mp4"\n#EXTINF:2,\n1.m4s\n'
    expect(withoutIdentity(`#EXTM3U\n${clearKey}${identity}${rest}`)).toBe(`#EXTM3U\n${clearKey}${rest}`)
    expect(withoutIdentity(`#EXTM3U\n${identity}${rest}`)).toBe(`#EXTM3U\n${identity}${rest}`)
  })
})
