import { expect, it } from 'vitest'
import { watchCountedReturn } from '../support/counted-return.ts'

/** The picture may stand for no longer than the hole lasts, and this. */
const LATE_S = 2
const LATENCY_TOLERANCE_S = 1

it('plays on by itself behind holes of 3, 8 and 25 seconds, no later than they are long and two seconds', async () => {
  const awaySeconds = [3, 8, 25]
  const { standstills, beginnings, notices, latencies } = await watchCountedReturn(awaySeconds)
  const told = standstills.map(({ wallS, mediaS }) => `${wallS.toFixed(2)} s for ${mediaS.toFixed(2)} s`)
  console.log(`stood still ${told.join(', ')}; latency ${latencies.map((s) => s.toFixed(2)).join(', ')} s; ${notices}`)
  expect(beginnings).toBe(1)
  expect(notices).not.toContain('problem')
  const long = standstills.filter(({ mediaS }) => mediaS > 1)
  expect(long).toHaveLength(awaySeconds.length)
  for (const [at, { wallS, mediaS }] of long.entries()) {
    expect(mediaS).toBeGreaterThan(awaySeconds[at] ?? 0)
    expect(wallS - mediaS).toBeLessThan(LATE_S)
  }
  for (const latencyS of latencies) expect(Math.abs(latencyS - (latencies[0] ?? 0))).toBeLessThan(LATENCY_TOLERANCE_S)
})
