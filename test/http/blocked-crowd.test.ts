import { afterEach, expect, it } from 'vitest'
import { releaseCrowd } from './blocked-crowd.ts'
import { stopServed } from './served-live.ts'

afterEach(stopServed)

const PLAYERS = 2_000
/** The first rounds make what all later ones use again. */
const WARM_UP = 2

/** A busy machine takes twice as much of a core; `test/long` has it by the clock on the wall. */
const LIMIT_MS = 200

it('lets 2,000 blocked requests go together, round after round in the same memory', {
  timeout: 30_000,
}, async () => {
  const releases = await releaseCrowd(PLAYERS, 5)
  for (const { statuses, leftWaiting } of releases) expect([statuses, leftWaiting]).toEqual([['200'], 0])
  const warm = releases.slice(WARM_UP)
  expect(Math.min(...warm.map(({ cpuMs }) => cpuMs))).toBeLessThan(LIMIT_MS)
  const used = warm.map(({ usedBytes }) => usedBytes)
  expect((used.at(-1) ?? 0) - (used[0] ?? 0)).toBeLessThan(2 ** 20)
})
