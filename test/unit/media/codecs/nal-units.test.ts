import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import {
  holdsIdr,
  holdsIrap,
  joinLengthPrefixed,
  splitAnnexB,
  splitLengthPrefixed,
  startsWithStartCode,
} from '../../../../src/media/codecs/nal-units.ts'

const unit = (...bytes: number[]) => Uint8Array.from(bytes)
const prefixed = (...units: Uint8Array[]) => joinLengthPrefixed(units, 4, 'test')

describe('length-prefixed NAL units', () => {
  it('split and join with every length size', () => {
    const unitArbitrary = fc.uint8Array({ minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(fc.array(unitArbitrary, { maxLength: 6 }), fc.constantFrom(1, 2, 4), (units, lengthSize) => {
        const joined = joinLengthPrefixed(units, lengthSize, 'test')
        expect(splitLengthPrefixed(joined, lengthSize, 'test').map((each) => [...each])).toEqual(
          units.map((each) => [...each]),
        )
      }),
    )
  })

  it('have golden bytes', () => {
    expect([...prefixed(unit(9, 0xf0), unit(0x65, 1, 2))]).toEqual([0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 3, 0x65, 1, 2])
  })

  it('fail when a length runs past the end, and when a unit is too long for its length', () => {
    expect(() => splitLengthPrefixed(unit(0, 0, 0, 9, 1), 4, 'test')).toThrowError(FormatError)
    expect(() => splitLengthPrefixed(unit(0xff, 0xff, 0xff, 0xff), 4, 'test')).toThrowError(FormatError)
    expect(() => joinLengthPrefixed([new Uint8Array(256)], 1, 'test')).toThrowError(FormatError)
  })
})

describe('random access', () => {
  it('is an IDR slice in AVC, wherever it stands, and not a recovery point', () => {
    expect(holdsIdr(prefixed(unit(0x09, 0xf0), unit(0x67, 1), unit(0x68, 1), unit(0x65, 1)), 4)).toBe(true)
    expect(holdsIdr(prefixed(unit(0x06, 6, 1, 0), unit(0x41, 1)), 4)).toBe(false)
    expect(holdsIdr(new Uint8Array(0), 4)).toBe(false)
  })

  it('is any IRAP type in HEVC: 16 to 21', () => {
    const verdicts = Array.from({ length: 64 }, (_, type) =>
      holdsIrap(prefixed(unit(0x46, 1), unit(type << 1, 1, 0)), 4),
    )
    expect(verdicts.flatMap((found, type) => (found === true ? [type] : []))).toEqual([16, 17, 18, 19, 20, 21])
  })

  it('is unknown where the lengths do not fill the data exactly', () => {
    const frame = prefixed(unit(0x65, 1, 2, 3), unit(0x65, 4))
    for (let size = 1; size < frame.byteLength; size++) {
      const whole = size === 8
      expect(holdsIdr(frame.subarray(0, size), 4)).toBe(whole ? true : undefined)
      expect(holdsIrap(frame.subarray(0, size), 4)).toBe(whole ? false : undefined)
    }
  })
})

describe('Annex B', () => {
  it('is recognised by either start code', () => {
    expect(startsWithStartCode(unit(0, 0, 1, 9))).toBe(true)
    expect(startsWithStartCode(unit(0, 0, 0, 1, 9))).toBe(true)
    expect(startsWithStartCode(unit(0, 0, 0, 2, 9))).toBe(false)
    expect(startsWithStartCode(unit(0, 0))).toBe(false)
  })

  it('splits at three and four byte start codes and drops trailing zeros', () => {
    const stream = unit(0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x65, 7, 0, 0)
    expect(splitAnnexB(stream).map((each) => [...each])).toEqual([
      [9, 0xf0],
      [0x67, 1, 2],
      [0x65, 7],
    ])
    expect(splitAnnexB(unit(1, 2, 3, 4))).toEqual([])
    expect(splitAnnexB(unit(0, 0, 1))).toEqual([])
  })
})
