import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter, concatBytes, equalBytes } from '../../../src/lib/bytes.ts'
import { FormatError } from '../../../src/lib/errors.ts'

type Step = readonly [write: (out: ByteWriter) => void, read: (reader: ByteReader) => unknown, value: unknown]

const number = (kind: 'u8' | 'u16' | 'u24' | 'u32' | 'i16' | 'i32' | 'u64' | 'f64') => (value: number) =>
  [(out: ByteWriter) => out[kind](value), (reader: ByteReader) => reader[kind](), value] as const

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.nat(0xff).map(number('u8')),
  fc.nat(0xffff).map(number('u16')),
  fc.nat(0xffffff).map(number('u24')),
  fc.integer({ min: 0, max: 0xffffffff }).map(number('u32')),
  fc.integer({ min: -32_768, max: 32_767 }).map(number('i16')),
  fc.integer().map(number('i32')),
  fc.maxSafeNat().map(number('u64')),
  fc.double({ noNaN: true }).map(number('f64')),
  fc
    .uint8Array({ maxLength: 300 })
    .map((bytes): Step => [(out) => out.append(bytes), (reader) => Uint8Array.from(reader.take(bytes.length)), bytes]),
  fc
    .nat(40)
    .map((count): Step => [(out) => out.zeros(count), (reader) => reader.take(count).every((b) => b === 0), true]),
  fc
    .stringMatching(/^[ -~]{0,40}$/)
    .map((text): Step => [(out) => out.ascii(text), (reader) => reader.ascii(text.length), text]),
)

describe('ByteWriter and ByteReader', () => {
  it('read what was written, from any first capacity', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(64), (steps, capacity) => {
        const out = new ByteWriter(capacity)
        for (const [write] of steps) write(out)
        const bytes = out.finish()
        expect(bytes.byteLength).toBe(out.offset)
        const reader = new ByteReader(bytes, 'x')
        for (const [, read, value] of steps) expect(read(reader)).toEqual(value)
        expect(reader.remaining).toBe(0)
      }),
    )
  })

  it('write big-endian', () => {
    const out = new ByteWriter(0)
    out.u16(0x0102)
    out.u24(0x030405)
    out.i32(-2)
    out.u64(2 ** 53 - 1)
    expect(Buffer.from(out.finish()).toString('hex')).toBe('0102030405fffffffe001fffffffffffff')
  })

  it('grow without losing what is there, and clear what they reuse', () => {
    const out = new ByteWriter(1)
    const half = new Uint8Array(100_000).fill(7)
    out.u8(1)
    out.append(half)
    out.zeros(100_000)
    out.append(half)
    const bytes = out.finish()
    expect(bytes.byteLength).toBe(300_001)
    expect(bytes[0]).toBe(1)
    expect(bytes.subarray(1, 100_001).every((byte) => byte === 7)).toBe(true)
    expect(bytes.subarray(100_001, 200_001).every((byte) => byte === 0)).toBe(true)
    expect(bytes.subarray(200_001).every((byte) => byte === 7)).toBe(true)
  })

  it('patch a size that is known afterwards, also after a growth', () => {
    const out = new ByteWriter(4)
    out.u32(0)
    out.zeros(1_000)
    out.patchU32(0, out.offset)
    expect(new ByteReader(out.finish(), 'x').u32()).toBe(1_004)
  })

  it('never read past the end, and say where', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), (bytes, before) => {
        const reader = new ByteReader(bytes, 'moov/trak')
        reader.skip(Math.min(before, bytes.length))
        const { offset, remaining } = reader
        const tries = [
          [1, () => reader.u8()],
          [2, () => reader.u16()],
          [3, () => reader.u24()],
          [3, () => reader.i24()],
          [4, () => reader.u32()],
          [8, () => reader.f64()],
          [remaining + 1, () => reader.take(remaining + 1)],
        ] as const
        for (const [size, read] of tries) {
          if (size <= remaining) continue
          expect(read).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID', path: 'moov/trak', offset }))
          expect(reader.offset).toBe(offset)
        }
      }),
    )
  })

  it('refuse lengths that are none', () => {
    const reader = new ByteReader(new Uint8Array(8), 'x')
    for (const count of [-1, Number.NaN, Number.POSITIVE_INFINITY, 9]) {
      expect(() => reader.skip(count)).toThrow(FormatError)
      expect(() => reader.take(count)).toThrow(FormatError)
    }
    expect(reader.offset).toBe(0)
  })

  it('refuse a 64-bit value that a number would round', () => {
    const out = new ByteWriter()
    out.u32(0x00200000)
    out.u32(0)
    expect(() => new ByteReader(out.finish(), 'x').u64()).toThrow('past 2^53 - 1')
  })

  it('sign-extend 24 bits', () => {
    const reader = new ByteReader(Uint8Array.of(0xff, 0xff, 0xff, 0x80, 0, 0, 0x7f, 0xff, 0xff), 'x')
    expect([reader.i24(), reader.i24(), reader.i24()]).toEqual([-1, -8_388_608, 8_388_607])
  })

  it('give views, not copies, within a bigger buffer', () => {
    const memory = Uint8Array.of(9, 9, 1, 2, 3, 9)
    const reader = new ByteReader(memory.subarray(2, 5), 'x')
    const view = reader.rest()
    expect([...view]).toEqual([1, 2, 3])
    memory[2] = 8
    expect(view[0]).toBe(8)
  })
})

describe('concatBytes and equalBytes', () => {
  it('join and compare', () => {
    const parts = [Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)]
    expect([...concatBytes(parts)]).toEqual([1, 2, 3])
    expect(concatBytes([]).byteLength).toBe(0)
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(0, 1, 2).subarray(1))).toBe(true)
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3))).toBe(false)
  })
})
