import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { publishByBoth, watchLoss } from '../support/browser-loss.ts'

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

/**
 * A cable that is pulled instead of a connection that is closed, and two encoders: `test/long/browser-cable`. What playlists say when
 * two encoders are changed between: `redundancy.test.ts`.
 */
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
})
