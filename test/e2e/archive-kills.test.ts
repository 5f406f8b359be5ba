import { expect, it } from 'vitest'
import { readStored, recordOverKills } from '../support/archive-kills.ts'

it('a recording goes on over kill -9: the same URLs and numbers, and no more than the open segment is lost', async () => {
  const report = await recordOverKills({ kills: 3, inspect: readStored })
  expect(report.problems).toEqual([])
  expect(
    Object.keys(report.histogram).filter((lost) => Number(lost) > 1),
    JSON.stringify(report.histogram),
  ).toEqual([])
  expect(report.errors).toEqual([])
})
