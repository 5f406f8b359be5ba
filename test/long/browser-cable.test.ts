import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { publishByBoth, watchLoss } from '../support/browser-loss.ts'

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
