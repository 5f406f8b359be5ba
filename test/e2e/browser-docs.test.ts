import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { docsRoutes } from '../../src/api/docs/docs-routes.ts'
import { startApi, stopApisAfterEach } from '../http/api-harness.ts'
import { open, setUp } from '../http/control-harness.ts'
import { openBrowser, WatchPage } from '../support/browser.ts'

setUp()
stopApisAfterEach()

let browser: Browser
beforeAll(async () => {
  browser = await openBrowser()
})
afterAll(() => browser.close())

it.each([
  { width: 1280, height: 900 },
  { width: 390, height: 844 },
])('the API’s page is searched, followed and read at $width pixels', async (size) => {
  const api = await startApi()
  const { port } = await open({ routers: [docsRoutes(api.routes, '1.2.3')] })
  const watch = await WatchPage.open(browser, `http://127.0.0.1:${port}/docs#createLocator`, size)
  const { page } = watch
  expect(await page.locator('#createLocator').getAttribute('open')).not.toBeNull()
  expect(await page.locator('#createLocator .inside').isVisible()).toBe(true)
  const top = await page.locator('#createLocator').evaluate((element) => element.getBoundingClientRect().top)
  expect(top).toBeGreaterThan(0)
  expect(top).toBeLessThan(size.height / 2)
  await page.keyboard.press('/')
  await page.keyboard.type('rotate key')
  expect(await page.locator('details.operation:visible').count()).toBe(1)
  expect(await page.locator('#rotateChannelKey').isVisible()).toBe(true)
  await page.keyboard.press('Escape')
  expect(await page.locator('details.operation:visible').count()).toBe(api.routes.length)
  await page.locator('#createLocator a[href="#schema-LocatorCreate"]').first().click()
  expect(await page.locator('#schema-LocatorCreate .fields').first().isVisible()).toBe(true)
  expect(await page.locator('html').evaluate((element) => element.scrollWidth)).toBeLessThanOrEqual(size.width)
  expect(watch.complaints).toEqual([])
  expect([...watch.hosts]).toEqual(['127.0.0.1'])
})
