import { describe, expect, it } from 'vitest'
import { timestampTag } from '../../../../src/media/mpegts/timestamp-tag.ts'
import {
  transportTicks,
  wrapped,
  writeClockReference,
  writeTimestamp,
} from '../../../../src/media/mpegts/timestamps.ts'

const WRAP = 2 ** 33

describe('transport time', () => {
  it('counts from the base, ten seconds up, each track to its nearest tick', () => {
    const base = 1_700_000_000 * 90_000
    expect(transportTicks(base, 90_000, base)).toBe(900_000)
    expect(transportTicks(base - 6_000, 90_000, base)).toBe(894_000)
    expect(transportTicks(1_700_000_000 * 44_100 + 1_024, 44_100, base)).toBe(902_090)
    expect(transportTicks(1_700_000_000 * 44_100 - 1, 44_100, base)).toBe(899_998)
    expect(transportTicks(25 * 3_600 * 48_000, 48_000, 0)).toBe(25 * 3_600 * 90_000 + 900_000)
  })

  it('comes round after 33 bits', () => {
    expect(wrapped(WRAP - 1)).toBe(WRAP - 1)
    expect(wrapped(WRAP)).toBe(0)
    expect(wrapped(-1)).toBe(WRAP - 1)
    expect(wrapped(1.53e14 + 7)).toBe(Number(153_000_000_000_007n % 2n ** 33n))
  })

  it('is written as ISO/IEC 13818-1 has it', () => {
    const out = new Uint8Array(5)
    writeTimestamp(out, 0, 3, WRAP - 1)
    expect([...out]).toEqual([0x3f, 0xff, 0xff, 0xff, 0xff])
    writeTimestamp(out, 0, 2, 0)
    expect([...out]).toEqual([0x21, 0, 1, 0, 1])
    writeTimestamp(out, 0, 1, 0x1_2345_6789)
    expect([...out]).toEqual([0x19, 0x8d, 0x15, 0xcf, 0x13])
    const clock = new Uint8Array(6)
    writeClockReference(clock, 0, WRAP - 1)
    expect([...clock]).toEqual([0xff, 0xff, 0xff, 0xff, 0xfe, 0])
    writeClockReference(clock, 0, 2 ** 32 + 2)
    expect([...clock]).toEqual([0x80, 0, 0, 1, 0x7e, 0])
  })

  it('stands before packed audio in 33 bits as well', () => {
    const tag = timestampTag(WRAP + 5)
    expect(tag).toHaveLength(73)
    expect([...tag.subarray(-8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 5])
  })
})
