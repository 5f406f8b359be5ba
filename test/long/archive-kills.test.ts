import { expect, it } from 'vitest'
import { killWhileRecording } from '../support/archive-kills.ts'

const KILLS = 200

it(
  'two hundred kill -9: no number stands for something else, no URL has two contents, at most the open segment is lost',
  { timeout: 2_400_000 },
  async () => {
    const report = await killWhileRecording(KILLS, Math.random)
    console.log(`segments lost at a kill: ${JSON.stringify(report.histogram)}; ${report.segments} segments recorded`)
    expect(report.problems).toEqual([])
    expect(Object.keys(report.histogram).filter((lost) => Number(lost) > 1)).toEqual([])
    expect(report.errors).toEqual([])
  },
)
