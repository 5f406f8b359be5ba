import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { LOSS_SOURCE, publishByBoth, watchLoss } from '../support/browser-loss.ts'
import { publish } from '../support/ffmpeg.ts'

const GOP_S = 2

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

/** A cable that is pulled instead of a connection that is closed: `test/long/browser-cable`. */
describe('a player of a channel whose primary input is lost while the secondary runs', () => {
  it('notices nothing where one encoder feeds both', async () => {
    const { stoodS, switches } = await watchLoss(
      browser,
      async (...urls) => [publishByBoth(urls[0], urls[1])],
      (cable) => cable.cut(),
    )
    expect(switches).toContain('reason="ended",seamless="true"')
    for (const seconds of stoodS) expect(seconds).toBeLessThan(0.5)
  })

  it('stands still for less than a GOP where two encoders do', async () => {
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
})
