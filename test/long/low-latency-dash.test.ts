import { expect, it } from 'vitest'
import { watchCounted } from '../support/counted-watch.ts'

const WATCH_S = 120
const TARGET_S = 2.5
const TOLERANCE_S = 0.5

it('stays two and a half seconds behind the clock in the pictures, give or take half a second, without a stall', async () => {
  const { ages, progress, complaints, shownS } = await watchCounted(TARGET_S + TOLERANCE_S, WATCH_S)
  const at = (share: number) => ages[Math.floor((ages.length - 1) * share)] ?? Number.NaN
  const figures = [0, 0.01, 0.5, 0.99, 1].map((share) => at(share).toFixed(2)).join(', ')
  console.log(`picture age: ${figures} s; shown ${shownS.toFixed(2)} s; ${progress.stalls} stalls`)
  expect(at(0.01)).toBeGreaterThan(TARGET_S - TOLERANCE_S)
  expect(at(0.99)).toBeLessThan(TARGET_S + TOLERANCE_S)
  expect(progress.stalls).toBe(0)
  expect(Math.abs(progress.mediaS - progress.wallS)).toBeLessThan(1)
  expect(complaints).toEqual([])
})
