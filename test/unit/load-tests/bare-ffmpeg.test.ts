import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { bareArguments } from '../../../load-tests/bare-ffmpeg.ts'
import { buildFfmpegArguments } from '../../../src/transcode/ffmpeg-argv.ts'
import { loadLadder } from '../../../src/transcode/ladder.ts'
import { planRenditions } from '../../../src/transcode/rendition-plan.ts'

describe('bareArguments', () => {
  it("are the product's own, at the pace of the file", async () => {
    const ladder = await loadLadder('fast', [fileURLToPath(new URL('../../../config/ladders', import.meta.url))])
    const source = { width: 1280, height: 720 }
    const own = buildFfmpegArguments({
      ladder,
      renditions: planRenditions(ladder, source, { savings: 0, gridSeconds: 2 }),
      gridSeconds: 2,
      firstPtsTicks: 0,
    })
    const bare = bareArguments({ ladder, source, gridSeconds: 2 })
    expect(bare.filter((argument) => argument !== '-re')).toEqual(own)
    expect(bare[bare.indexOf('-i') - 1]).toBe('-re')
    expect(own).toContain('pipe:7')
  })
})
