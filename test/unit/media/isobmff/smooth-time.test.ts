import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  instantsAt,
  smoothDistance,
  smoothTime,
  smoothTimeText,
  ticksAt,
} from '../../../../src/media/isobmff/smooth-time.ts'

const timescales = fc.constantFrom(8_000, 44_100, 48_000, 90_000, 1_000, 30_000, 1_000_000)
/** Unix seconds, until the year 2191. */
const seconds = fc.integer({ min: 0, max: 7_000_000_000 })

describe("Smooth's timeline", () => {
  it('has every instant within 0.4 µs, as a number that a double holds', () => {
    fc.assert(
      fc.property(timescales, seconds, fc.nat(), (timescale, whole, part) => {
        const ticks = whole * timescale + (part % timescale)
        const time = smoothTime(ticks, timescale)
        const exact = BigInt(ticks) * 10_000_000n
        const error = BigInt(time) * BigInt(timescale) - exact
        expect(Math.abs(Number(error)) / timescale).toBeLessThanOrEqual(4)
        expect(BigInt(time) % 8n).toBe(0n)
        expect(Number(smoothTimeText(time))).toBe(time)
      }),
    )
  })

  it('gives an instant back by its time, and by what a double prints of that', () => {
    fc.assert(
      fc.property(timescales, seconds, fc.nat(), (timescale, whole, part) => {
        const ticks = whole * timescale + (part % timescale)
        const time = smoothTime(ticks, timescale)
        for (const text of [smoothTimeText(time), String(time)]) {
          expect([...instantsAt(Number(text), timescale)]).toContain(ticks)
        }
        expect(Math.abs(ticksAt(time, timescale) - ticks)).toBeLessThanOrEqual(timescale > 100_000 ? 1 : 0)
      }),
    )
  })

  it('has no instant for what is out of reach, at once', () => {
    expect([...instantsAt(1e19, 90_000)]).toEqual([])
    expect([...instantsAt(Number.MAX_VALUE, 48_000)]).toEqual([])
  })

  it('measures by rounding', () => {
    expect([1, 2, 3].map((samples) => smoothDistance(samples * 1_024, 48_000))).toEqual([213_333, 426_667, 640_000])
    expect(smoothDistance(-3_003, 90_000)).toBe(-333_667)
  })
})
