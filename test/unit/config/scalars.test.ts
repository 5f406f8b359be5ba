import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byteSize, duration, Secret, secret } from '../../../src/config/scalars.ts'

describe('duration', () => {
  it.each([
    ['500ms', 500],
    ['2s', 2_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['25h', 90_000_000],
    ['3d', 259_200_000],
    ['0s', 0],
    [' 2 s ', 2_000],
  ])('reads %s', (text, ms) => {
    expect(duration.parse(text)).toBe(ms)
  })

  it.each(['', '2', 's', '-2s', '2 S', '2min', '1e3s', '2s2s', '2toString', '2__proto__', 'Infinitys'])(
    'refuses "%s" with an example',
    (text) => {
      const { error } = duration.safeParse(text)
      expect(error?.issues[0]?.message).toBe(`expected a value like 500ms, 2s, 5m, 25h or 3d, got "${text}"`)
    },
  )

  it('refuses a bare number with an example, as it has no unit', () => {
    expect(duration.safeParse(7).error?.issues[0]?.message).toContain('expected a value like 500ms')
  })

  it('gives whole milliseconds, whatever the fraction', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(999), (whole, fraction) => {
        const ms = duration.parse(`${whole}.${fraction}s`)
        expect(Number.isInteger(ms)).toBe(true)
        expect(Math.abs(ms - Number(`${whole}.${fraction}`) * 1_000)).toBeLessThanOrEqual(0.5)
      }),
    )
  })
})

describe('byteSize', () => {
  it.each([
    ['12B', 12],
    ['64kB', 64_000],
    ['8MB', 8_000_000],
    ['1GB', 1_000_000_000],
    ['1KiB', 1_024],
    ['8MiB', 8_388_608],
    ['1.5GiB', 1_610_612_736],
  ])('reads %s', (text, bytes) => {
    expect(byteSize.parse(text)).toBe(bytes)
  })

  it.each(['8mb', '8M', '8', '-1B', '1TB'])('refuses "%s"', (text) => {
    expect(byteSize.safeParse(text).error?.issues[0]?.message).toContain('expected a value like 64kB, 8MiB or 1GB')
  })
})

describe('a secret', () => {
  const key = new Secret('hunter2hunter2')

  it('is revealed only when asked', () => {
    expect(key.reveal()).toBe('hunter2hunter2')
    const ways = [`${key}`, String(key), JSON.stringify({ key }), inspect(key), inspect({ deep: [key] })]
    for (const text of ways) {
      expect(text).not.toContain('hunter2')
      expect(text).toContain('[secret]')
    }
  })

  it('is not repeated by the complaint about it', () => {
    for (const value of ['short', 'has spaces in it', 'slash/slash/slash']) {
      const { error } = secret(8).safeParse(value)
      expect(JSON.stringify(error?.issues)).not.toContain(value)
    }
    expect(secret(8).parse('abc.DEF_1~-2').reveal()).toBe('abc.DEF_1~-2')
  })

  it('says what is wrong with a key of digits that YAML took for a number', () => {
    expect(secret(8).safeParse(1234567890).error?.issues[0]?.message).toContain('stands in quotes')
  })
})
