import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { BitReader, removeEmulationPrevention } from '../../../../src/media/codecs/bit-reader.ts'

const reader = (...bytes: number[]) => new BitReader(Uint8Array.from(bytes), 'bits')

describe('BitReader', () => {
  it('reads across byte boundaries, most significant bit first', () => {
    const bits = reader(0b1010_0101, 0xff, 0x00, 0x81, 0x7f)
    expect(bits.bits(3)).toBe(0b101)
    expect(bits.bits(7)).toBe(0b0010111)
    expect(bits.bits(0)).toBe(0)
    expect(bits.bits(22)).toBe(0b1111_1100_0000_0010_0000_01)
    expect(bits.remaining).toBe(8)
    bits.skip(1)
    expect(bits.bits(7)).toBe(0x7f)
  })

  it('reads 32 bits as an unsigned number', () => {
    expect(reader(0xff, 0xff, 0xff, 0xff).bits(32)).toBe(0xffff_ffff)
    const shifted = reader(0x7f, 0xff, 0xff, 0xff, 0x80)
    shifted.skip(1)
    expect(shifted.bits(32)).toBe(0xffff_ffff)
  })

  it('agrees with a string of binary digits', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        fc.array(fc.nat(32), { maxLength: 20 }),
        (bytes, sizes) => {
          const digits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
          const bits = new BitReader(bytes, 'bits')
          let at = 0
          for (const size of sizes) {
            if (at + size > digits.length) break
            expect(bits.bits(size)).toBe(Number.parseInt(`0${digits.slice(at, at + size)}`, 2))
            at += size
          }
        },
      ),
    )
  })

  it('reads Exp-Golomb codes (H.264 tables 9-2 and 9-3)', () => {
    const codes = reader(0b1_010_011_0, 0b0100_0010, 0b1_0011000)
    expect([codes.ue(), codes.ue(), codes.ue(), codes.ue(), codes.ue()]).toEqual([0, 1, 2, 3, 4])
    const signed = reader(0b1_010_011_0, 0b0100_0010, 0b1_0000000)
    expect([signed.se(), signed.se(), signed.se(), signed.se(), signed.se()]).toEqual([-0, 1, -1, 2, -2])
  })

  it('fails with path and byte offset at the end and on an endless code', () => {
    const bits = reader(1, 2)
    bits.skip(9)
    expect(() => bits.bits(8)).toThrowError(expect.objectContaining({ path: 'bits', offset: 1 }))
    expect(() => reader(0, 0, 0, 0, 0, 0).ue()).toThrowError(FormatError)
  })
})

describe('removeEmulationPrevention', () => {
  it('gives the same bytes where there is nothing to remove', () => {
    const clean = Uint8Array.of(0, 0, 1, 3, 0, 3)
    expect(removeEmulationPrevention(clean)).toBe(clean)
  })

  it('removes each one, also two in a row and at the end', () => {
    const escaped = Uint8Array.of(1, 0, 0, 3, 0, 0, 3, 1, 0, 0, 3)
    expect([...removeEmulationPrevention(escaped)]).toEqual([1, 0, 0, 0, 0, 1, 0, 0])
  })

  it('undoes what an encoder does to any bytes', () => {
    const byte = fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 3), fc.nat(255))
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), (raw) => {
        const escaped: number[] = []
        let zeros = 0
        for (const value of raw) {
          if (zeros >= 2 && value <= 3) {
            escaped.push(3)
            zeros = 0
          }
          escaped.push(value)
          zeros = value === 0 ? zeros + 1 : 0
        }
        expect([...removeEmulationPrevention(Uint8Array.from(escaped))]).toEqual(raw)
      }),
    )
  })
})
