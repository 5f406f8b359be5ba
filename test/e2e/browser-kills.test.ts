import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { watchKills } from '../support/browser-kills.ts'

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

it('plays on by itself when the encoder child of the demo ladder is killed twice', () => watchKills(browser, 2))
