import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock, VirtualClock } from '../../../src/lib/clock.ts'

describe('VirtualClock', () => {
  it('stands still until it is moved', async () => {
    const clock = new VirtualClock(1_000)
    let fired = 0
    clock.after(10, () => fired++)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([clock.now(), clock.monotonicMs(), fired]).toEqual([1_000, 1_000, 0])
    await clock.advance(9)
    expect([clock.now(), fired]).toEqual([1_009, 0])
    await clock.advance(1)
    expect([clock.now(), fired]).toEqual([1_010, 1])
    await clock.advance(100)
    expect(fired).toBe(1)
  })

  it('fires in the order of due times, in turn where they are equal, at the time that is due', async () => {
    const clock = new VirtualClock(0)
    const seen: string[] = []
    const note = (name: string) => () => seen.push(`${name}@${clock.now()}`)
    clock.after(20, note('b1'))
    clock.after(10, note('a'))
    clock.after(20, note('b2'))
    clock.every(8, note('e'))
    await clock.advance(24)
    expect(seen).toEqual(['e@8', 'a@10', 'e@16', 'b1@20', 'b2@20', 'e@24'])
  })

  it('fires what an alarm sets, also when that is due at once', async () => {
    const clock = new VirtualClock(0)
    const seen: number[] = []
    clock.after(5, () => {
      clock.after(0, () => seen.push(clock.now()))
      clock.after(3, () => seen.push(clock.now()))
    })
    await clock.advance(8)
    expect(seen).toEqual([5, 8])
  })

  it('cancels for good: twice, after the fact, and a period from inside itself', async () => {
    const clock = new VirtualClock(0)
    const seen: string[] = []
    const once = clock.after(5, () => seen.push('once'))
    once.cancel()
    once.cancel()
    const period = clock.every(2, () => {
      seen.push('period')
      if (seen.length === 2) period.cancel()
    })
    await clock.advance(20)
    expect(seen).toEqual(['period', 'period'])
  })

  it('sleeps, and wakes with the reason of an abort', async () => {
    const clock = new VirtualClock(0)
    let awake = false
    const sleeping = clock.sleep(100).then(() => {
      awake = true
    })
    await clock.advance(99)
    expect(awake).toBe(false)
    await clock.advance(1)
    await sleeping
    const controller = new AbortController()
    const cut = clock.sleep(100, controller.signal)
    controller.abort(new Error('enough'))
    await expect(cut).rejects.toThrow('enough')
    await expect(clock.sleep(1, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  })
})

describe('systemClock', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it.each([2 ** 31 - 1, 2 ** 31, 40 * 86_400_000, 100 * 86_400_000])('waits %i ms and not less', (delayMs) => {
    const run = vi.fn()
    systemClock.after(delayMs, run)
    vi.advanceTimersByTime(delayMs - 1)
    expect(run).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(run).toHaveBeenCalledTimes(1)
  })

  it('cancels a wait that goes in steps', () => {
    const run = vi.fn()
    const timer = systemClock.after(100 * 86_400_000, run)
    vi.advanceTimersByTime(50 * 86_400_000)
    timer.cancel()
    vi.advanceTimersByTime(100 * 86_400_000)
    expect(run).not.toHaveBeenCalled()
  })
})
