import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { newContentKeyId } from '../../../src/domain/content-key.ts'
import { isReservedGuid, keyOfKeyId, periodKeyId } from '../../../src/domain/key-id.ts'
import { keyPeriodMs } from '../../../src/presentation/key-periods-view.ts'
import { contentKeyValue, playReadyContentKey } from '../../../src/protection/content-key-derivation.ts'

const TEST_SEED = Buffer.from('XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I', 'base64')

describe('PlayReady’s key seed', () => {
  it.each([
    // The known-good test of Azure Media Services' .NET SDK.
    ['339c45b5-fb6d-4bd9-994c-eabd9d41c95b', 'pTfNwMplhBQG1SXnvyLXVA=='],
    // brokenpipe.wordpress.com, "Generating a PlayReady content key using a key seed and key ID".
    ['01020304-0506-0708-090a-aabbccddeeff', 'GUf166PQbx+sgBADjyBMvw=='],
    ['8ba94ade-6eb9-449d-b44f-a5beefaf43b0', Buffer.from('DBFD6922C321C4BB486F4A1C44097ED6', 'hex').toString('base64')],
  ])('gives the key of %s that others publish', (kid, key) => {
    expect(Buffer.from(playReadyContentKey(TEST_SEED, kid)).toString('base64')).toBe(key)
    const longer = Buffer.concat([TEST_SEED, randomBytes(8)])
    expect(Buffer.from(playReadyContentKey(longer, kid)).toString('base64')).toBe(key)
  })

  it('is long enough', () => {
    const kid = '339c45b5-fb6d-4bd9-994c-eabd9d41c95b'
    expect(() => playReadyContentKey(TEST_SEED.subarray(1), kid)).toThrow('30 bytes')
    expect(() => playReadyContentKey(TEST_SEED, 'none')).toThrow('GUID')
  })
})

describe('the key of a period', () => {
  const keyId = '6f1d2c3b-5a4e-8f60-8b1a-000000000000'
  const bytes = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
  const at = (startMs: number) =>
    Buffer.from(contentKeyValue({ source: 'value', bytes }, keyId, periodKeyId(keyId, startMs))).toString('hex')

  it('follows from the key and the KID alone, the same everywhere and for ever', () => {
    // As Python's hmac makes it, by RFC 5869.
    expect(at(1_794_000_000_000)).toBe('7d38f368090d95cb46e1ab004850a824')
    expect(at(1_794_000_000_000)).toBe(at(1_794_000_000_000))
    expect(at(1_794_000_010_000)).not.toBe(at(1_794_000_000_000))
    expect(Buffer.from(contentKeyValue({ source: 'value', bytes }, keyId, keyId))).toEqual(bytes)
    const kid = periodKeyId(keyId, 1_794_000_000_000)
    const seeded = contentKeyValue({ source: 'playready-seed', bytes: TEST_SEED }, keyId, kid)
    expect(seeded).toEqual(playReadyContentKey(TEST_SEED, kid))
  })

  it('has a KID that leads back to the key and says when the period begins', () => {
    const made = newContentKeyId(true, randomBytes)
    expect(isReservedGuid(made)).toBe(true)
    const kid = periodKeyId(made, 1_794_000_000_000)
    expect(kid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-01a1b2bb9400$/)
    expect(keyOfKeyId(kid.toUpperCase())).toEqual({ keyId: made, startMs: 1_794_000_000_000 })
    const plain = newContentKeyId(false, randomBytes)
    expect(keyOfKeyId(plain)).toEqual({ keyId: plain })
  })

  it('counts its periods from the epoch', () => {
    expect(keyPeriodMs(1_794_000_009_999 * 90, 10_000)).toBe(1_794_000_000_000)
    expect(keyPeriodMs(1_794_000_010_000 * 90, 10_000)).toBe(1_794_000_010_000)
    // What starts less than half a millisecond before a period belongs to it.
    expect(keyPeriodMs(1_794_000_010_000 * 90 - 44, 10_000)).toBe(1_794_000_010_000)
    expect(keyPeriodMs(1_794_000_010_000 * 90 - 46, 10_000)).toBe(1_794_000_000_000)
  })
})
