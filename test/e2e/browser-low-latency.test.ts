import { expect, it } from 'vitest'
import { watchLowLatency } from '../support/low-latency-watch.ts'

/** Part hold-back and a second: what issue 5 allows between the encoder's picture and the one on the screen. */
const PART_HOLD_BACK_S = 1.503
const ALLOWED_S = PART_HOLD_BACK_S + 1

it('plays a pass-through channel in Chromium within part hold-back and a second of the clock in its pictures', async () => {
  const seen = await watchLowLatency({ segmentDuration: '2s' }, 4, 5)
  expect(seen.playlist).toContain(`PART-HOLD-BACK=${PART_HOLD_BACK_S}`)
  expect(seen.ages.length).toBeGreaterThan(20)
  // Older pictures than this the player catches up with; a single late frame is no latency.
  expect(seen.ages[Math.floor(seen.ages.length * 0.9)]).toBeLessThan(ALLOWED_S)
  expect(seen.ages[0]).toBeGreaterThan(0.5)
  expect(seen.shownS).toBeGreaterThan(0.5)
  expect(seen.shownS).toBeLessThan(ALLOWED_S)
  expect(seen.progress.stalls).toBe(0)
  expect(seen.complaints).toEqual([])
  expect(seen.requests('blocked', 200)).toBeGreaterThan(20)
  expect(seen.requests('part', 200)).toBeGreaterThan(20)
  for (const status of [404, 410, 412, 503]) {
    expect([status, seen.requests('part', status), seen.requests('blocked', status)]).toEqual([status, 0, 0])
  }
})
