import { XMLParser } from 'fast-xml-parser'
import { describe, expect, it } from 'vitest'
import { playReadyObject } from '../../../src/protection/drm/playready-object.ts'
import { commonPssh, widevinePssh } from '../../../src/protection/drm/pssh-box.ts'
import { dashMp4Protection, dashSystemProtection } from '../../../src/protection/signalling/dash-protection.ts'
import { envelopeProtection } from '../../../src/protection/signalling/envelope-markup.ts'
import {
  clearKey,
  fairPlayKey,
  HLS_NO_KEY,
  hlsKeyLine,
  playReadyKey,
  widevineKey,
} from '../../../src/protection/signalling/hls-keys.ts'
import { smoothEnvelope, smoothPlayReady } from '../../../src/protection/signalling/smooth-protection.ts'
import { IV, KEY, KID } from '../../support/protected-media.ts'

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const parse = (xml: string) => new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' }).parse(xml)
const pro = playReadyObject({ version: '4.3', scheme: 'cbcs', keys: [{ kid: KID, key: KEY }] })

describe('HLS', () => {
  it('says where keys are', () => {
    const identity = { method: 'AES-128', uri: 'https://k/1?a="b"', iv: IV } as const
    expect(hlsKeyLine('EXT-X-KEY', identity)).toBe(
      '#EXT-X-KEY:METHOD=AES-128,URI="https://k/1?a=b",IV=0xA0A1A2A3A4A5A6A7A8A9AAABACADAEAF',
    )
    expect(hlsKeyLine('EXT-X-SESSION-KEY', fairPlayKey('skd://1'))).toBe(
      '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://1",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"',
    )
    const box = widevinePssh([KID], 'cenc')
    expect(hlsKeyLine('EXT-X-KEY', widevineKey('cenc', KID, box))).toBe(
      `#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="data:text/plain;base64,${base64(box)}",KEYID=0x0123456789ABCDEF0123456789ABCDEF,` +
        'KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",KEYFORMATVERSIONS="1"',
    )
    expect(hlsKeyLine('EXT-X-KEY', playReadyKey('cbcs', KID, pro))).toBe(
      `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;charset=UTF-16;base64,${base64(pro)}",` +
        'KEYID=0x0123456789ABCDEF0123456789ABCDEF,KEYFORMAT="com.microsoft.playready",KEYFORMATVERSIONS="1"',
    )
    expect(hlsKeyLine('EXT-X-KEY', clearKey('cbcs', KID, 'https://k/licence'))).toContain('KEYFORMAT="org.w3.clearkey"')
    expect(HLS_NO_KEY).toBe('#EXT-X-KEY:METHOD=NONE')
  })
})

describe('DASH', () => {
  it('says the scheme and the systems', () => {
    expect(parse(dashMp4Protection('cbcs', KID)).ContentProtection).toEqual({
      'xmlns:cenc': 'urn:mpeg:cenc:2013',
      schemeIdUri: 'urn:mpeg:dash:mp4protection:2011',
      value: 'cbcs',
      'cenc:default_KID': '01234567-89ab-cdef-0123-456789abcdef',
    })
    const pssh = commonPssh([KID])
    expect(parse(dashSystemProtection({ system: 'playready', pssh, playReadyObject: pro })).ContentProtection).toEqual({
      'xmlns:cenc': 'urn:mpeg:cenc:2013',
      'xmlns:mspr': 'urn:microsoft:playready',
      schemeIdUri: 'urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95',
      value: 'MSPR 2.0',
      'cenc:pssh': base64(pssh),
      'mspr:pro': base64(pro),
    })
    const licenceUrl = 'https://k/licence?a=1&b=<2>'
    expect(parse(dashSystemProtection({ system: 'clearkey', licenceUrl })).ContentProtection).toEqual({
      'xmlns:dashif': 'https://dashif.org/CPS',
      schemeIdUri: 'urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e',
      value: 'ClearKey1.0',
      'dashif:Laurl': licenceUrl,
      'dashif:laurl': licenceUrl,
    })
    expect(dashSystemProtection({ system: 'widevine' })).toBe(
      '<ContentProtection schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"/>',
    )
  })

  it('says the envelope as Azure Media Services did', () => {
    // From "Use AES-128 dynamic encryption and the key delivery service" of its documentation.
    const keyUrl = 'https://wamsbayclus001kd-hs.cloudapp.net/HlsHandler.ashx?kid=da3813af-55e6-48e7-aa9f-a4d6031f7b4d'
    const iv = new Uint8Array(16).fill(0xd7)
    const published = `<ContentProtection xmlns:sea="urn:mpeg:dash:schema:sea:2012" schemeIdUri="urn:mpeg:dash:sea:2012">
      <sea:SegmentEncryption schemeIdUri="urn:mpeg:dash:sea:aes128-cbc:2013"/>
      <sea:KeySystem keySystemUri="urn:mpeg:dash:sea:keysys:http:2013"/>
      <sea:CryptoPeriod IV="0xD7D7D7D7D7D7D7D7D7D7D7D7D7D7D7D7" keyUriTemplate="${keyUrl}"/>
    </ContentProtection>`
    expect(parse(envelopeProtection({ keyUrl, iv }))).toEqual(parse(published))
    expect(parse(smoothEnvelope({ keyUrl, iv }))).toEqual({
      Protection: { ProtectionHeader: { SystemID: 'B47B251A-2409-4B42-958E-08DBAE7B4EE9', ...parse(published) } },
    })
  })
})

describe('Smooth Streaming', () => {
  it('carries the PlayReady object', () => {
    expect(parse(smoothPlayReady(pro)).Protection.ProtectionHeader).toEqual({
      SystemID: '9A04F079-9840-4286-AB92-E65BE0885F95',
      '#text': base64(pro),
    })
  })
})
