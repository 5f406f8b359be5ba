import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openValue, sealValue } from '../../../src/protection/sealed-value.ts'

const master = randomBytes(32)
const value = randomBytes(32)

describe('a sealed value', () => {
  it('opens under the same key for the same thing alone', () => {
    const sealed = sealValue(master, value, 'key 1', randomBytes(32))
    expect(openValue(master, sealed, 'key 1')).toEqual(value)
    expect(openValue(randomBytes(32), sealed, 'key 1')).toBeUndefined()
    expect(openValue(master, sealed, 'key 2')).toBeUndefined()
    expect(Buffer.from(sealed).includes(value)).toBe(false)
  })

  it('altered at any bit, cut short or lengthened, does not', () => {
    const sealed = sealValue(master, value, 'about', randomBytes(32))
    for (let bit = 0; bit < sealed.byteLength * 8; bit += 1) {
      const altered = Buffer.from(sealed)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(openValue(master, altered, 'about')).toBeUndefined()
    }
    for (let length = 0; length < sealed.byteLength; length += 1) {
      expect(openValue(master, sealed.subarray(0, length), 'about')).toBeUndefined()
    }
    expect(openValue(master, Buffer.concat([sealed, Buffer.alloc(1)]), 'about')).toBeUndefined()
  })
})
