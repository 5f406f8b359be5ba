import { expect, it } from 'vitest'
import { programHeader, timeBaseTicks } from '../../../src/roles/recorded.ts'

const NOW = 1_700_000_000_900
const CUT = { targetDurationMs: 2_000 }

function baseOf(startAt?: string): number | undefined {
  const program = { assetId: 'as_1', manifestName: 'm', rewindWindow: '1m', archiveWindow: 'unlimited' }
  const given = { ...program, ...(startAt !== undefined && { startAt }) } as Parameters<typeof programHeader>[0]
  return programHeader(given, 'e', CUT, NOW).timeBaseTicks
}

it('is a whole second, a minute before the first media there may be', () => {
  expect(timeBaseTicks(NOW)).toBe((1_700_000_000 - 60) * 90_000)
  expect(baseOf()).toBe(timeBaseTicks(NOW))
  expect(baseOf(new Date(NOW - 3_600_000).toISOString())).toBe(timeBaseTicks(NOW - 3_600_000))
  expect(baseOf(new Date(NOW + 3_600_000).toISOString())).toBe(timeBaseTicks(NOW))
})
