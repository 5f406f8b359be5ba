import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { watchReturn } from '../support/browser-return.ts'

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

it('plays on by itself when the encoder was away for 3 seconds', () => watchReturn(browser, [3]))
