import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser, WatchPage } from '../support/browser.ts'
import { watchKills } from '../support/browser-kills.ts'
import { watchReturn } from '../support/browser-return.ts'
import { startHeadend } from '../support/headend.ts'
import { playingVariant } from '../support/playlist.ts'

const PROTOCOLS = ['hls', 'dash'] as const
/** The ladder is encoded, served, decoded and drawn by the same two cores. */
const DROPPED_SHARE = 0.15

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

it('plays the demo ladder in real time, in both protocols and every quality', async () => {
  const headend = await startHeadend({ args: ['--demo'] })
  try {
    await playingVariant(headend.quickstart.hlsUrl, 4, 60_000)
    for (const protocol of PROTOCOLS) {
      const watch = await WatchPage.open(browser, `${headend.quickstart.playerUrl}&protocol=${protocol}`)
      const { levels } = await watch.playing(60_000)
      const before = await watch.picture()
      const { mediaS, wallS, stalls, frames, droppedFrames } = await watch.watch(15)
      expect(Math.abs(mediaS - wallS), protocol).toBeLessThan(0.5)
      expect(stalls).toBe(0)
      expect(droppedFrames).toBeLessThan(frames * DROPPED_SHARE)
      expect(await watch.picture()).not.toBe(before)
      expect(levels).toHaveLength(3)
      for (const [index, { height = 0 }] of levels.entries()) {
        await watch.page.evaluate(`window.headend.setQuality(${index})`)
        await watch.until(`${height} lines in ${protocol}`, 45_000, ({ level }) => level === index)
      }
      expect(watch.complaints).toEqual([])
      await watch.close()
    }
  } finally {
    await headend.stop()
  }
})

it('plays on by itself when the encoder child is killed ten times', () => watchKills(browser, 10))

it('plays on by itself when the encoder was away for 3 and for 60 seconds', () => watchReturn(browser, [3, 60]))
