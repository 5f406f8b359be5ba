import { describe, expect, it } from 'vitest'
import { SessionClock } from '../../../src/channel/session-clock.ts'

describe('SessionClock', () => {
  it('unrolls the 32-bit rollover after 49.7 days', () => {
    const clock = new SessionClock()
    expect(clock.step(2 ** 32 - 20, 0)).toEqual({ kind: 'steady', ms: 2 ** 32 - 20 })
    expect(clock.step(13, 33)).toEqual({ kind: 'steady', ms: 2 ** 32 + 13 })
    expect(clock.step(2 ** 32 - 5, 34)).toEqual({ kind: 'steady', ms: 2 ** 32 - 5 })
  })

  it('calls a step of hours a jump, and what trails in from before it a straggler', () => {
    const clock = new SessionClock()
    clock.step(1_000, 0)
    expect(clock.step(3_601_000, 40)).toEqual({ kind: 'jump', ms: 3_601_000 })
    expect(clock.step(1_040, 41)).toEqual({ kind: 'straggler' })
    expect(clock.step(3_601_040, 80)).toEqual({ kind: 'steady', ms: 3_601_040 })
  })

  it('calls a step back by more than two seconds a jump', () => {
    const clock = new SessionClock()
    clock.step(100_000, 0)
    expect(clock.step(500, 40)).toEqual({ kind: 'jump', ms: 500 })
  })

  it('accepts a pause that the wall clock saw as well', () => {
    const clock = new SessionClock()
    clock.step(1_000, 0)
    expect(clock.step(31_000, 30_000)).toEqual({ kind: 'steady', ms: 31_000 })
  })

  it('takes interleaving in small steps back as steady', () => {
    const clock = new SessionClock()
    clock.step(1_000, 0)
    expect(clock.step(940, 1)).toEqual({ kind: 'steady', ms: 940 })
    expect(clock.step(1_033, 2)).toEqual({ kind: 'steady', ms: 1_033 })
  })

  it('takes what comes back to the old course later for a jump back, not for a straggler', () => {
    const clock = new SessionClock()
    clock.step(1_000, 0)
    clock.step(3_601_000, 40)
    expect(clock.step(1_500, 5_000)).toEqual({ kind: 'jump', ms: 1_500 })
    expect(clock.step(1_540, 5_040)).toEqual({ kind: 'steady', ms: 1_540 })
  })
})
