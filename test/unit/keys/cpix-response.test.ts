import { XMLValidator } from 'fast-xml-parser'
import { describe, expect, it } from 'vitest'
import { readCpixResponse } from '../../../src/keys/cpix/cpix-response.ts'
import { drmSystems } from '../../../src/protection/drm/drm-systems.ts'
import { dashSystemProtection } from '../../../src/protection/signalling/dash-protection.ts'

const KIDS = ['01234567-89ab-8def-8123-000000002710', '01234567-89ab-8def-8123-000000004e20'] as const
const wish = { contentId: 'film', keys: KIDS.map((kid) => ({ kid, tracks: ['ALL'] as const })), systemIds: [] }

function answer(values: readonly Uint8Array[]): string {
  const keys = values.map((value, at) => {
    const plain = `<PlainValue>${Buffer.from(value).toString('base64')}</PlainValue>`
    return `<ContentKey kid="${KIDS[at]}"><Data><Secret>${plain}</Secret></Data></ContentKey>`
  })
  return `<CPIX contentId="film" version="2.3"><ContentKeyList>${keys.join('')}</ContentKeyList></CPIX>`
}

describe('a CPIX document with the keys of periods', () => {
  it('has one for each: who gets that of one period has no other', () => {
    const values = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
    expect(readCpixResponse(answer(values), wish).map(({ value }) => new Uint8Array(value))).toEqual(values)
    const same = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(1)]
    expect(() => readCpixResponse(answer(same), wish)).toThrow('one value for two keys')
  })
})

/** What is taken of an answer about one key and one system; `undefined`: nothing. */
function taken(systemId: string, data: string, scheme: 'cenc' | 'cbcs' = 'cbcs') {
  const document = answer([new Uint8Array(16).fill(1)]).replace(
    '</CPIX>',
    `<DRMSystemList><DRMSystem kid="${KIDS[0]}" systemId="${systemId}">${data}</DRMSystem></DRMSystemList></CPIX>`,
  )
  const one = { ...wish, keys: [{ kid: KIDS[0], scheme, tracks: ['ALL'] as const }], systemIds: [systemId] }
  return readCpixResponse(document, one)[0]?.signalling[0]
}

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64')

/** The markup as it is in a manifest. */
function markup(text: string | Uint8Array): string | undefined {
  const data = `<ContentProtectionData>${base64(text)}</ContentProtectionData>`
  const found = taken(drmSystems.widevine, data)?.contentProtection
  return found === undefined ? undefined : Buffer.from(found, 'base64').toString('utf8')
}

describe('the markup of a CPIX document for DASH', () => {
  it.each([
    [
      'a declaration behind white space',
      ' \n<?xml version="1.0"?><cenc:pssh>AA==</cenc:pssh>',
      '<cenc:pssh>AA==</cenc:pssh>',
    ],
    ['a byte order mark', '\ufeff<?xml version="1.0"?><a/>', '<a/>'],
    ['a comment that would end early', '<a/><!-- -- --><b/>', '<a/><b/>'],
    ['a < in an attribute', '<a b="<c>"/>', '<a b="&lt;c&gt;"/>'],
    ['a reference without its end', '<a>&#65</a>', '<a>A</a>'],
    ['a section', '<a><![CDATA[<b>]]></a>', '<a>&lt;b&gt;</a>'],
    ['a prefix of its own', '<p:a xmlns:p="urn:p" p:b="1"/>', '<p:a xmlns:p="urn:p" p:b="1"/>'],
  ])('is written anew: %s', (_what, text, expected) => {
    expect(markup(text)).toBe(expected)
    const element = dashSystemProtection({ system: 'widevine', provided: expected })
    expect(XMLValidator.validate(element)).toBe(true)
  })

  it.each([
    ['an undeclared prefix', '<p:a/>', 'prefix is not declared'],
    ['one of an attribute', '<a p:b="1"/>', 'prefix is not declared'],
    ['one of an attribute that is declared for elements alone', '<a cenc:b="1"/>', 'prefix is not declared'],
    ['one that is declared beside', '<p:a xmlns:p="urn:p"/><p:b/>', 'prefix is not declared'],
    ['a prefix that is declared as nothing', '<p:a xmlns:p=""/>', 'declares no prefix'],
    ['a name of three parts', '<cenc:a:b/>', 'has the name'],
    ['one attribute under two prefixes', '<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="1"/>', 'twice'],
    ['a control character', '<a>\u0001</a>', 'control character'],
    ['a reference to one', '<a b="&#1;"/>', 'control character'],
    ['what is no character', '<a>\uffff</a>', 'control character'],
    ['no UTF-8', new Uint8Array([0x3c, 0x61, 0xff, 0x2f, 0x3e]), 'no UTF-8'],
    ['an entity', '<a>&nbsp;</a>', 'is not known'],
    ['an end of what it stands within', '</ContentProtection><ContentProtection>', 'a second root'],
  ])('is refused with %s', (_what, text, problem) => {
    expect(() => markup(text)).toThrow(problem)
  })

  it('is none where there are comments alone', () => expect(markup('<!-- nothing -->')).toBeUndefined())
})

describe('the lines of a CPIX document for playlists', () => {
  const FORMAT = 'KEYFORMAT="com.apple.streamingkeydelivery"'
  const lines = (text: string) =>
    taken(drmSystems.fairplay, `<HLSSignalingData>${base64(text)}</HLSSignalingData>`)?.hlsMedia
  const good = `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a,METHOD=NONE",${FORMAT},KEYFORMATVERSIONS="1"`

  it('are taken as they are, each a list of attributes', () => {
    expect(lines(good)).toBe(base64(good))
    expect(lines(`${good}\n${good}\n`)).toBe(base64(`${good}\n${good}\n`))
  })

  it.each([
    ['another method in quotes', `#EXT-X-KEY:METHOD=NONE,URI="x,METHOD=SAMPLE-AES",${FORMAT}`, 'says METHOD=NONE'],
    ['two methods', `#EXT-X-KEY:METHOD=SAMPLE-AES,METHOD=NONE,URI="x",${FORMAT}`, 'no list of attributes'],
    ['a quote that is left open', `#EXT-X-KEY:METHOD=SAMPLE-AES,${FORMAT},URI="x`, 'no list of attributes'],
    ['something behind a quote', `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="x"y,${FORMAT}`, 'no list of attributes'],
    ['a comma at the end', `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="x",${FORMAT},`, 'no list of attributes'],
    ['a control character', `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="x\u0000",${FORMAT}`, 'no list of attributes'],
    ['another system', '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="x",KEYFORMAT="identity"', 'says KEYFORMAT="identity"'],
    ['no system', '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="x"', 'says KEYFORMAT=nothing'],
    ['no address', `#EXT-X-KEY:METHOD=SAMPLE-AES,${FORMAT}`, 'without a URI'],
    ['another line', `${good}\n#EXTINF:6,`, 'other lines than #EXT-X-KEY'],
  ])('are refused with %s', (_what, text, problem) => expect(() => lines(text)).toThrow(problem))
})
