import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LoginGuard } from '../../../../src/api/auth/login-guard.ts'
import { MemoryRateLimiter } from '../../../../src/api/auth/rate-limiter.ts'
import { siteOf } from '../../../../src/domain/network-site.ts'

// The library behind the limiters has no clock port: its Date and timers are the test's.
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const lockOutMs = 900_000
const limit = (count: number) => new MemoryRateLimiter({ count, windowMs: 60_000, lockOutMs })
const guard = () => new LoginGuard({ address: limit(4), credential: limit(2) })
const limited = (retryAfterS: number) =>
  expect.objectContaining({ code: 'RATE_LIMITED', kind: 'too-many', details: { retryAfterS } })

const [here, there] = ['192.0.2.1', '198.51.100.7']

describe('a credential at an address', () => {
  it('is shut out after so many failures, for so long, and no longer', async () => {
    const door = guard()
    expect(await door.failed(here, 'cr_1')).toBe(false)
    await door.assertOpen(here, 'cr_1')
    expect(await door.failed(here, 'cr_1')).toBe(true)
    await expect(door.assertOpen(here, 'cr_1')).rejects.toEqual(limited(900))
    vi.advanceTimersByTime(lockOutMs - 1_500)
    await expect(door.assertOpen(here, 'cr_1')).rejects.toEqual(limited(2))
    vi.advanceTimersByTime(1_500)
    await door.assertOpen(here, 'cr_1')
  })

  it('is let in elsewhere all the while, and others here', async () => {
    const door = guard()
    for (let failure = 0; failure < 2; failure += 1) await door.failed(here, 'cr_1')
    await door.assertOpen(there, 'cr_1')
    await door.assertOpen(here, 'cr_2')
  })

  it('starts anew when its owner came in', async () => {
    const door = guard()
    await door.failed(here, 'cr_1')
    await door.succeeded(here, 'cr_1')
    expect(await door.failed(here, 'cr_1')).toBe(false)
    await door.assertOpen(here, 'cr_1')
  })

  it('starts anew when the window is over', async () => {
    const door = guard()
    await door.failed(here, 'cr_1')
    vi.advanceTimersByTime(60_000)
    expect(await door.failed(here, 'cr_1')).toBe(false)
  })
})

describe('guesses that come together', () => {
  it('are told no more than those that come one by one', async () => {
    const door = guard()
    const ends = await Promise.allSettled(Array.from({ length: 20 }, () => door.failed(here, 'cr_1')))
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    expect(refused).toEqual(refused.map(() => limited(900)))
  })
})

describe('an address', () => {
  it('is shut out after so many failures with whatever credentials', async () => {
    const door = guard()
    for (const id of ['cr_1', 'cr_2', undefined]) expect(await door.failed(here, id)).toBe(false)
    expect(await door.failed(here, 'cr_4')).toBe(true)
    await expect(door.assertOpen(here, 'cr_9')).rejects.toEqual(limited(900))
    await expect(door.assertOpen(here, undefined)).rejects.toEqual(limited(900))
    await door.assertOpen(there, 'cr_1')
    vi.advanceTimersByTime(lockOutMs)
    await door.assertOpen(here, 'cr_9')
  })

  it('stays open for who came in from there before: it may be many people’s', async () => {
    const door = guard()
    await door.succeeded(here, 'cr_owner')
    for (const id of ['cr_1', 'cr_2', 'cr_3', 'cr_4']) await door.failed(here, id)
    await door.assertOpen(here, 'cr_owner')
    await expect(door.assertOpen(here, 'cr_5')).rejects.toEqual(limited(900))
  })

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:aaaa:bbbb:cccc:dddd', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('%s counts as %s', (address, site) => expect(siteOf(address)).toBe(site))
})

describe('a limiter', () => {
  it('says how long to wait after the last that was allowed', async () => {
    const limiter = new MemoryRateLimiter({ count: 3, windowMs: 10_000 })
    expect([await limiter.take('a'), await limiter.take('a'), await limiter.take('a')]).toEqual([0, 0, 0])
    vi.advanceTimersByTime(4_000)
    expect(await limiter.take('a')).toBe(6_000)
    expect(await limiter.take('b')).toBe(0)
    vi.advanceTimersByTime(6_000)
    expect(await limiter.take('a')).toBe(0)
  })

  it('keeps so many keys, and forgets what was counted longest ago', async () => {
    const limiter = new MemoryRateLimiter({ count: 1, windowMs: 10_000 }, 3)
    for (const key of ['a', 'b', 'c']) await limiter.fail(key)
    await limiter.take('a')
    await limiter.fail('d')
    const closed = await Promise.all(['a', 'b', 'c', 'd'].map((key) => limiter.closedMs(key)))
    expect(closed.map((ms) => ms > 0)).toEqual([true, false, true, true])
    for (let key = 0; key < 1_000; key += 1) await limiter.fail(`many-${key}`)
    expect(vi.getTimerCount()).toBeLessThanOrEqual(3)
  })
})
