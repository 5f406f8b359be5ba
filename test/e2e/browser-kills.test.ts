import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { watchKills } from '../support/browser-kills.ts'

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

/** Ten times, with an eye on what is left behind: `test/long/browser-demo`. */
it('plays on by itself when the encoder child of the demo ladder is killed', () => watchKills(browser, 1))
