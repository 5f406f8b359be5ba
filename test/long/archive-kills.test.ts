import { expect, it } from 'vitest'
import { readStored, recordOverKills } from '../support/archive-kills.ts'

const KILLS = 200

it('two hundred kill -9: no number stands for something else, no URL has two contents, at most the open segment is lost', {
  timeout: 2_400_000,
}, async () => {
  const report = await recordOverKills({ kills: KILLS, inspect: readStored })
  console.log(`segments lost at a kill: ${JSON.stringify(report.histogram)}; ${report.segments} segments recorded`)
  expect(report.problems).toEqual([])
  expect(Object.keys(report.histogram).filter((lost) => Number(lost) > 1)).toEqual([])
  expect(report.errors).toEqual([])
})

it('three minutes in real time: every segment listed is there, as it was served live, with every frame', async () => {
  const report = await recordOverKills({ kills: 0, seconds: 180, segmentMs: 2_000, inspect: readStored })
  expect(report.problems).toEqual([])
  expect(report.segments).toBeGreaterThan(88)
  expect(report.errors).toEqual([])
})
