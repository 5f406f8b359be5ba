import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { challengedKeyIds } from '../../../src/keys/challenged-keys.ts'
import {
  guidDigits,
  playReadyKid,
  protoField,
  protoNumber,
  widevineChallenge,
  widevinePsshData,
  widevineRequest,
} from '../../support/challenges.ts'

const ONE = '01234567-89ab-4def-8123-456789abcdef'
const OTHER = '11234567-89ab-4def-8123-456789abcdef'
const pssh = (...boxes: Uint8Array[]) => protoField(1, Buffer.concat(boxes.map((box) => protoField(1, box))))
const widevine = (challenge: Uint8Array) => challengedKeyIds('widevine', challenge)
const playReady = (text: string, encoding: BufferEncoding = 'utf8') =>
  challengedKeyIds('playready', Buffer.from(text, encoding))

describe('a Widevine challenge', () => {
  it('names its keys, in one box or several', () => {
    expect(widevine(widevineChallenge(ONE))).toEqual([ONE])
    expect(widevine(widevineChallenge(ONE, OTHER, ONE))).toEqual([ONE, OTHER])
    const boxes = [widevinePsshData(ONE), widevinePsshData(OTHER)]
    expect(widevine(widevineRequest(pssh(...boxes)))).toEqual([ONE, OTHER])
  })

  it('asks for none where it is for a service certificate, or about a licence that was given', () => {
    expect(widevine(protoNumber(1, 4))).toEqual([])
    const given = protoField(3, protoField(1, Buffer.from('licence')))
    expect(widevine(widevineRequest(given, 2))).toEqual([])
    expect(widevine(widevineRequest(given, 3))).toEqual([])
    expect(widevine(widevineRequest(given, 1))).toBeUndefined()
  })

  it.each<[string, Uint8Array]>([
    ['keys of WebM', protoField(2, protoField(1, guidDigits(OTHER)))],
    ['initialisation data of another kind', protoField(4, protoField(2, widevinePsshData(OTHER)))],
    ['no content', Buffer.alloc(0)],
    ['a box without keys', pssh(Buffer.concat([protoNumber(1, 1), protoField(4, Buffer.from('film-7'))]))],
    ['a box without keys beside one with', pssh(widevinePsshData(ONE), protoField(4, Buffer.from('film-7')))],
    ['a key of another length', pssh(protoField(2, Buffer.from(OTHER)))],
    ['a key that is a number', pssh(Buffer.concat([protoField(2, guidDigits(ONE)), protoNumber(2, 5)]))],
    ['no box', protoField(1, protoNumber(2, 1))],
    ['what is no message', protoField(1, protoField(1, Buffer.from([0x12, 0x40])))],
    // Of alternatives the last one counts, for who reads protocol buffers.
    ['a second kind of content', Buffer.concat([pssh(widevinePsshData(ONE)), protoField(2, guidDigits(OTHER))])],
    ['the same kind twice', Buffer.concat([pssh(widevinePsshData(ONE)), pssh(widevinePsshData(OTHER))])],
  ])('of which nobody can tell the keys is nobody’s to pass on: %s', (_what, contentId) => {
    expect(widevine(widevineRequest(contentId))).toBeUndefined()
  })

  it('is one message, with one request, of a known type', () => {
    const request = widevineRequest(pssh(widevinePsshData(ONE)))
    for (const type of [0, 2, 3, 5, 9]) {
      expect(widevine(Buffer.concat([protoNumber(1, type), request.subarray(2)]))).toBeUndefined()
    }
    expect(widevine(Buffer.concat([protoNumber(1, 4), request]))).toBeUndefined()
    expect(widevine(Buffer.concat([request, widevineChallenge(OTHER)]))).toBeUndefined()
    // 2^32 + 4 is 4 to who reads 32 bits.
    expect(widevine(Buffer.from([0x08, 0x84, 0x80, 0x80, 0x80, 0x10]))).toBeUndefined()
    expect(widevine(Buffer.from('a challenge'))).toBeUndefined()
    for (let size = 0; size < request.byteLength; size++) {
      const found = widevine(request.subarray(0, size))
      // Cut off behind the request, before its signature, it still says which.
      if (found !== undefined) expect(found).toEqual([ONE])
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void widevine(bytes)),
      { numRuns: 200 },
    )
  })
})

describe('a PlayReady challenge', () => {
  const [one, other] = [playReadyKid(ONE), playReadyKid(OTHER)]
  const soap = (header: string) =>
    `<?xml version="1.0"?><soap:Envelope xmlns:soap="s"><soap:Body><AcquireLicense><challenge><Challenge><LA><ContentHeader>` +
    `<WRMHEADER version="4.2.0.0"><DATA>${header}</DATA></WRMHEADER></ContentHeader></LA></Challenge></challenge></AcquireLicense></soap:Body></soap:Envelope>`

  it.each([
    ['in an attribute', `<KIDS><KID ALGID="AESCTR" VALUE="${other}"/></KIDS>`],
    ['in single quotes', `<KID VALUE='${other}'></KID>`],
    ['between spaces', `<KID  VALUE = "${other}" />`],
    ['in text', `<KID>\n ${other} </KID>`],
    ['in text of two kinds', `<KID>${other.slice(0, 9)}<![CDATA[${other.slice(9)}]]></KID>`],
    ['around a comment', `<KID>${other.slice(0, 9)}<!-- x -->${other.slice(9)}</KID>`],
    ['with references', `<KID VALUE="&#x${other.charCodeAt(0).toString(16)};${other.slice(1)}"/>`],
    ['with a prefix', `<p:KID VALUE="${other}"/>`],
  ])('names its keys as XML has them: %s', (_what, kid) => {
    expect(playReady(soap(kid))).toEqual([OTHER])
    expect(playReady(soap(`<KID>${one}</KID>${kid}`))).toEqual([ONE, OTHER])
    expect(playReady(soap(kid), 'utf16le')).toEqual([OTHER])
  })

  it('is read in the message of a decryption module', () => {
    const challenge = Buffer.from(soap(`<KID>${other}</KID>`)).toString('base64')
    const message = `<PlayReadyKeyMessage><LicenseAcquisition><Challenge encoding="base64encoded">${challenge}</Challenge></LicenseAcquisition></PlayReadyKeyMessage>`
    expect(playReady(message, 'utf16le')).toEqual([OTHER])
  })

  it.each([
    ['none', '<ALGID>AESCTR</ALGID>'],
    ['an empty one', `<KID>${one}</KID><KID/>`],
    ['something else', `<KID>${one}</KID><KID VALUE="${ONE}"/>`],
    ['one within another', `<KID><KID>${one}</KID></KID>`],
    ['a document type', `<!DOCTYPE x [<!ENTITY k "${other}">]><KID>${one}</KID>`],
    ['an unknown entity', '<KID VALUE="&k;"/>'],
    ['in a comment alone', `<!-- <KID>${one}</KID> -->`],
  ])('of which nobody can tell the keys is nobody’s to pass on: %s', (_what, header) => {
    expect(playReady(soap(header))).toBeUndefined()
  })

  it('that is no XML is nobody’s to pass on, and FairPlay’s are not read', () => {
    expect(playReady('a challenge')).toBeUndefined()
    expect(challengedKeyIds('playready', Buffer.from([0xff, 0xff, 0x3c]))).toBeUndefined()
    expect(challengedKeyIds('fairplay', Buffer.from('spc'))).toEqual([])
  })
})
