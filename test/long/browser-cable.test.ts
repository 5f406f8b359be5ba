import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { LOSS_SOURCE, publishByBoth, watchLoss } from '../support/browser-loss.ts'
import { publish } from '../support/ffmpeg.ts'

const GOP_S = 2

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

it("a player notices nothing when the primary input's cable is pulled while one encoder feeds both inputs", async () => {
  const { stoodS, switches } = await watchLoss(
    browser,
    async (...urls) => [publishByBoth(urls[0], urls[1])],
    (cable) => cable.pull(),
  )
  expect(switches).toContain('reason="silent",seamless="true"')
  for (const seconds of stoodS) expect(seconds).toBeLessThan(0.5)
})

it('a player stands still for less than a GOP where two encoders publish and the primary is lost', async () => {
  const { stoodS, switches } = await watchLoss(
    browser,
    async (primary, secondary, whenOnAir) => {
      const first = publish(primary, LOSS_SOURCE)
      await whenOnAir()
      return [first, publish(secondary, { ...LOSS_SOURCE, bitrate: '500k' })]
    },
    (_cable, [primary]) => primary?.kill(),
  )
  expect(switches).toContain('reason="ended",seamless="false"')
  for (const seconds of stoodS) expect(seconds).toBeLessThan(GOP_S)
})
