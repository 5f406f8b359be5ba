import { describe, expect, it } from 'vitest'
import { AppError, FormatError } from '../../../../src/lib/errors.ts'
import { adtsForm, hasAdtsForm, writeAdtsHeader } from '../../../../src/media/mpegts/adts.ts'

/** AudioSpecificConfigs, field by field as ISO/IEC 14496-3 §1.6.2.1 has them. */
function config(...fields: readonly (readonly [value: number, bits: number])[]): Uint8Array {
  const text = fields.map(([value, bits]) => value.toString(2).padStart(bits, '0')).join('')
  const bytes = text.padEnd(Math.ceil(text.length / 8) * 8, '0').match(/.{8}/g) ?? []
  return Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 2))
}

const LC = [2, 5] as const
const GENERAL = [0, 3] as const

describe('ADTS', () => {
  it.each([
    ['LC at 48 kHz', config(LC, [3, 4], [2, 4], GENERAL), [1, 3, 2]],
    ['Main, mono', config([1, 5], [4, 4], [1, 4], GENERAL), [0, 4, 1]],
    ['5.1', config(LC, [3, 4], [6, 4], GENERAL), [1, 3, 6]],
    ['a rate that is spelt out, but in the table', config(LC, [15, 4], [44_100, 24], [2, 4], GENERAL), [1, 4, 2]],
    ['HE-AAC that says so: its core', config([5, 5], [6, 4], [2, 4], [3, 4], LC, GENERAL), [1, 6, 2]],
    ['HE-AAC v2: its core is mono', config([29, 5], [6, 4], [1, 4], [3, 4], LC, GENERAL), [1, 6, 1]],
    ['HE-AAC for older readers', config(LC, [6, 4], [2, 4], GENERAL, [0x2b7, 11], [5, 5], [1, 1], [3, 4]), [1, 6, 2]],
  ])('names %s', (_name, record, [profile, rateIndex, channelConfiguration]) => {
    expect(adtsForm(record)).toEqual({ profile, rateIndex, channelConfiguration, programElement: new Uint8Array(0) })
  })

  it('keeps a channel layout of its own for the first frame', () => {
    // Tag 0, LC, 48 kHz; 2 elements in front, 1 behind, 1 low frequency; no mixdown; a comment of one byte.
    const element = [
      [0, 4],
      [1, 2],
      [3, 4],
      [2, 4],
      [0, 4],
      [1, 4],
      [1, 2],
      [0, 3],
      [0, 4],
      [0, 3],
    ] as const
    const members = [
      [0, 5],
      [0b10001, 5],
      [0b10010, 5],
      [3, 4],
    ] as const
    const comment = [
      [1, 8],
      [0x41, 8],
    ] as const
    const layout = [...element, ...members]
    // In the configuration 16 bits stand before the element's 53, in the frame the three of its identifier.
    const stored = config(LC, [3, 4], [0, 4], GENERAL, ...layout, [0, 3], ...comment)
    const first = config([5, 3], ...layout, ...comment)
    expect(adtsForm(stored)).toEqual({ profile: 1, rateIndex: 3, channelConfiguration: 0, programElement: first })
    expect(() => hasAdtsForm(stored.subarray(0, 6))).toThrow(FormatError)
  })

  it.each([
    ['frames of 960 samples', config(LC, [3, 4], [2, 4], [4, 3])],
    ['eight channels in a newer layout', config(LC, [3, 4], [12, 4], GENERAL)],
    ['an error resilient type', config([17, 5], [3, 4], [2, 4], GENERAL)],
    ['a rate of its own', config(LC, [15, 4], [47_000, 24], [2, 4], GENERAL)],
  ])('has no word for %s', (_name, record) => {
    expect(hasAdtsForm(record)).toBe(false)
    expect(() => adtsForm(record)).toThrow(AppError)
  })

  it('writes what ISO/IEC 14496-3 §1.A.2.2 has', () => {
    const form = { profile: 1, rateIndex: 3, channelConfiguration: 2, programElement: new Uint8Array(0) }
    const out = new Uint8Array(9)
    writeAdtsHeader(out, 1, { ...form, channelConfiguration: 6 }, 0x123)
    expect([...out]).toEqual([0, 0xff, 0xf1, 0x4d, 0x80, 0x25, 0x5f, 0xfc, 0])
    expect(() => writeAdtsHeader(out, 0, form, 8_185)).toThrow(FormatError)
  })
})
