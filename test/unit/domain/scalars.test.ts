import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { durationMs, formatDuration, parseDuration } from '../../../src/domain/duration.ts'
import { idPrefixes, idSchema, kinds, newGuid, newId, newSecret } from '../../../src/domain/kinds.ts'
import {
  addressListSchema,
  durationSchema,
  formatTimestamp,
  httpUrlSchema,
  nameSchema,
  tagsSchema,
  timestampSchema,
} from '../../../src/domain/scalars.ts'
import { parseSequenceId, sequenceId } from '../../../src/domain/sequence-id.ts'

const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success

describe('durations', () => {
  it.each([
    ['PT2S', 2_000],
    ['PT0.5S', 500],
    ['PT0.05S', 50],
    ['PT1M30S', 90_000],
    ['PT25H', 90_000_000],
    ['P1DT1H', 90_000_000],
    ['P2D', 172_800_000],
    ['PT0S', 0],
    ['PT90M', 5_400_000],
  ])('reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms))

  it.each([
    '',
    'P',
    'PT',
    'P1DT',
    '2s',
    'PT2',
    'PT-2S',
    '-PT2S',
    'P1Y',
    'P1M',
    'P1W',
    'PT2,5S',
    'PT1.2345S',
    'PT1S1M',
    'pt2s',
    'PT2S\n',
    `PT${'9'.repeat(70)}S`,
    'P999999999DT999999999H',
  ])('refuses %j', (text) => expect(parseDuration(text)).toBeUndefined())

  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      }),
    )
  })

  it('are written shortly', () => {
    expect([0, 500, 2_000, 90_000, 90_000_000, 3_601_001].map(formatDuration)).toEqual([
      'PT0S',
      'PT0.5S',
      'PT2S',
      'PT1M30S',
      'PT25H',
      'PT1H1.001S',
    ])
  })

  it('keep their bounds in a schema, both included', () => {
    const schema = durationSchema(1_000, 60_000, 'Some.', 1_000)
    expect(['PT1S', 'PT1M', 'PT60S'].map((text) => accepts(schema, text))).toEqual([true, true, true])
    expect(['PT0.999S', 'PT60.001S', '1s', 2].map((text) => accepts(schema, text))).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect(durationMs('PT1M')).toBe(60_000)
  })
})

describe('ids', () => {
  it.each(kinds)('of a %s are accepted by their own schema and no other', (kind) => {
    const id = newId(kind, randomBytes)
    const prefix = idPrefixes[kind]
    expect(id).toMatch(prefix === undefined ? /^[0-9a-f-]{36}$/ : new RegExp(`^${prefix}_[0-9A-Za-z]{22}$`))
    for (const other of kinds) expect(accepts(idSchema(other), id)).toBe(idPrefixes[other] === prefix)
    expect(newId(kind, randomBytes)).not.toBe(id)
    expect(encodeURIComponent(id)).toBe(id)
  })

  it('carry all 128 bits', () => {
    expect(newId('channel', (count) => new Uint8Array(count))).toBe(`ch_${'0'.repeat(22)}`)
    expect(newId('channel', (count) => new Uint8Array(count).fill(255))).toBe('ch_7n42DGM5Tflk9n8mt7Fhc7')
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const digits = newId('channel', () => bytes).slice(3)
        const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
        const value = [...digits].reduce((sum, digit) => sum * 62n + BigInt(alphabet.indexOf(digit)), 0n)
        expect(value).toBe(BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
      }),
    )
  })

  it('that are GUIDs are of version 4, and taken in any case', () => {
    expect(newGuid((count) => new Uint8Array(count).fill(255))).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff')
    expect(idSchema('locator').parse('6F1D2C3B-0000-4000-8000-00000000000A')).toBe(
      '6f1d2c3b-0000-4000-8000-00000000000a',
    )
    expect(accepts(idSchema('locator'), '{6F1D2C3B-0000-4000-8000-00000000000A}')).toBe(false)
  })

  it('leave the random bytes as they were, and secrets have them all', () => {
    const bytes = new Uint8Array(16).fill(255)
    newGuid(() => bytes)
    expect(bytes.every((byte) => byte === 255)).toBe(true)
    expect(
      Buffer.from(
        newSecret(32, () => new Uint8Array(32).fill(7)),
        'base64url',
      ),
    ).toEqual(Buffer.alloc(32, 7))
  })

  it('of events sort as their sequence', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        expect(Math.sign(a - b)).toBe(sequenceId('ev', a) < sequenceId('ev', b) ? -1 : a === b ? 0 : 1)
        expect(parseSequenceId('ev', sequenceId('ev', a))).toBe(a)
      }),
    )
    for (const text of ['', 'ev_', 'ev_1', 'au_0000000000000001', 'ev_999999999999999x', 'ev_9999999999999999']) {
      expect(parseSequenceId('ev', text)).toBeUndefined()
    }
  })
})

describe('names, tags, times, addresses', () => {
  it('names are 1 to 128 URL-safe characters', () => {
    expect(['a', '0', 'Main-stage_2.x~', 'a'.repeat(128)].every((name) => accepts(nameSchema, name))).toBe(true)
    const bad = ['', '.', '..', '-a', '_a', 'a b', 'a/b', 'ä', 'a\n', 'a'.repeat(129), 5, null]
    expect(bad.filter((name) => accepts(nameSchema, name))).toEqual([])
    fc.assert(
      fc.property(fc.string(), (name) => {
        if (accepts(nameSchema, name)) expect(encodeURIComponent(name)).toBe(name)
      }),
    )
  })

  it('tags are bounded in number, key and value', () => {
    const some = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))
    expect(accepts(tagsSchema, some(32))).toBe(true)
    expect(accepts(tagsSchema, some(33))).toBe(false)
    expect(accepts(tagsSchema, { [`k${'x'.repeat(63)}`]: 'v'.repeat(256), 'a/b:c': '' })).toBe(true)
    const bad = [{ [`k${'x'.repeat(64)}`]: '' }, { k: 'v'.repeat(257) }, { '': 'v' }, { k: 1 }, { k: null }, ['a'], 'k']
    expect(bad.filter((tags) => accepts(tagsSchema, tags))).toEqual([])
    expect(Object.keys(tagsSchema.parse(JSON.parse('{"__proto__":"x"}')))).toEqual([])
  })

  it('times are in UTC', () => {
    expect(formatTimestamp(0)).toBe('1970-01-01T00:00:00.000Z')
    expect(accepts(timestampSchema, formatTimestamp(1_777_777_777_777))).toBe(true)
    expect(accepts(timestampSchema, '2026-11-02T20:15:00Z')).toBe(true)
    const bad = ['2026-11-02T20:15:00', '2026-11-02T20:15:00+01:00', '2026-02-30T00:00:00Z', '2026-11-02', 'now', 0]
    expect(bad.filter((time) => accepts(timestampSchema, time))).toEqual([])
  })

  it('addresses are addresses or networks', () => {
    expect(accepts(addressListSchema, ['192.0.2.1', '192.0.2.0/24', '2001:db8::1', '2001:db8::/32'])).toBe(true)
    for (const text of ['192.0.2.256', '192.0.2.0/33', 'example.com', '', '2001:db8::/129', '192.0.2']) {
      expect(accepts(addressListSchema, [text])).toBe(false)
    }
    expect(
      accepts(
        addressListSchema,
        Array.from({ length: 257 }, () => '192.0.2.1'),
      ),
    ).toBe(false)
  })

  it('URLs are of http', () => {
    expect(accepts(httpUrlSchema, 'https://example.com/x')).toBe(true)
    for (const text of [
      'ftp://example.com',
      'javascript:alert(1)',
      'example.com',
      '',
      `https://example.com/${'x'.repeat(2_048)}`,
    ]) {
      expect(accepts(httpUrlSchema, text)).toBe(false)
    }
  })
})
