import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBrowser, type Progress, WatchPage, type WatchProtocol } from '../support/browser.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { playingVariant, until } from '../support/playlist.ts'

const PHONE = { width: 390, height: 844 }
const PROTOCOLS: readonly WatchProtocol[] = ['hls', 'dash']
const WATCHED_S = 10
/** Encoder, server and decoder share the machine: a few frames may be late. */
const DROPPED_SHARE = 0.05

let headend: Headend
let encoder: Encoder
let browser: Browser
/** One for each protocol, side by side. */
let pages: readonly WatchPage[] = []

beforeAll(async () => {
  ;[headend, browser] = await Promise.all([startHeadend(), openBrowser()])
  encoder = publish(headend.publishUrl, { gopFrames: 50 })
  await playingVariant(headend.quickstart.hlsUrl, 4)
  pages = await Promise.all(PROTOCOLS.map((protocol) => WatchPage.open(browser, playerUrl(protocol))))
  await Promise.all(pages.map((page) => page.playing()))
})

afterAll(async () => {
  await browser?.close()
  await encoder?.stop()
  await headend?.stop()
})

function playerUrl(protocol: WatchProtocol): string {
  const url = new URL(headend.quickstart.playerUrl)
  url.searchParams.set('protocol', protocol)
  return url.href
}

it('plays in real time in both protocols, without a stall, and the picture moves', async () => {
  await Promise.all(
    pages.map(async (watch, at) => {
      const before = await watch.picture()
      const progress = await watch.watch(WATCHED_S)
      expect(await watch.picture()).not.toBe(before)
      expect(progress.wallS).toBeCloseTo(WATCHED_S, 0)
      expect(Math.abs(progress.mediaS - progress.wallS)).toBeLessThan(0.5)
      expect(progress.stalls).toBe(0)
      expect(progress.frames).toBeGreaterThan(WATCHED_S * 25 * 0.9)
      expect(progress.droppedFrames).toBeLessThan(progress.frames * DROPPED_SHARE)
      const { protocol, latencyS } = await watch.state()
      expect(protocol).toBe(PROTOCOLS[at])
      expect(latencyS).toBeGreaterThan(2)
      expect(latencyS).toBeLessThan(12)
    }),
  )
})

/** In both protocols at a time: each is in a page of its own. */
function both(check: (watch: WatchPage) => Promise<void>): Promise<void> {
  return Promise.all(pages.map(check)).then(() => undefined)
}

it('goes back ten seconds on the bar and returns to live by its button', () =>
  both(async (watch) => {
    const live = await watch.state()
    await watch.page.hover('#seek')
    await watch.page.focus('#seek')
    await watch.page.keyboard.press('ArrowLeft')
    await watch.page.keyboard.press('ArrowLeft')
    const isBack = ({ currentTime, latencyS = 0 }: { currentTime: number; latencyS?: number }) =>
      currentTime < live.currentTime - 5 && latencyS > (live.latencyS ?? 0) + 8
    await watch.until('the position ten seconds back', 20_000, isBack)
    await watch.playing()
    expect(await watch.page.textContent('#behind')).toMatch(/^-00:(09|1\d)$/)
    expect(await watch.page.getAttribute('#live', 'data-edge')).toBe('false')

    await watch.page.hover('#live')
    await watch.page.click('#live')
    const isLive = ({ latencyS = Number.POSITIVE_INFINITY }) => Math.abs(latencyS - (live.latencyS ?? 0)) < 2.5
    await watch.until('the live edge', 20_000, isLive)
    await watch.playing()
    expect(await watch.page.getAttribute('#live', 'data-edge')).toBe('true')
  }))

it('seeks with the mouse to where it was clicked', () =>
  both(async (watch) => {
    await watch.page.hover('#seek')
    const box = await watch.page.locator('#seek').boundingBox()
    if (!box) throw new Error('the bar is not on the screen')
    const before = await watch.state()
    await watch.page.mouse.click(box.x + box.width / 2, box.y + box.height / 2)
    const isBack = ({ latencyS = 0 }) => latencyS > (before.latencyS ?? 0) + 3
    await watch.until('the middle of the window', 20_000, isBack)
    await watch.playing()
    await watch.page.click('#live')
    await watch.until('the live edge', 20_000, ({ latencyS = 99 }) => latencyS < (before.latencyS ?? 0) + 2.5)
  }))

it('pauses, stays paused when the engine has to start afresh, and plays on', () =>
  both(async (watch) => {
    await watch.page.hover('#seek')
    await watch.page.click('media-play-button')
    const { currentTime } = await watch.until('the pause', 5_000, ({ paused }) => paused)
    // The card's button starts the engine afresh; the element shows a first picture again when that is done.
    await watch.page.evaluate(`new Promise((resolve) => {
      document.querySelector('video').addEventListener('canplay', resolve, { once: true })
      document.querySelector('#retry').click()
    })`)
    const again = await watch.until('a clear picture', 20_000, ({ notice }) => notice === undefined)
    expect(again.paused).toBe(true)
    await watch.page.click('media-play-button')
    await watch.playing()
    expect((await watch.state()).currentTime).not.toBe(currentTime)
  }))

it('asked nobody but this machine, and the console is clean', () =>
  both(async (watch) => {
    expect([...watch.hosts]).toEqual(['127.0.0.1'])
    expect(watch.complaints).toEqual([])
    await watch.close()
  }))

function isRealTime({ mediaS, wallS, stalls }: Progress): boolean {
  return Math.abs(mediaS - wallS) < 0.5 && stalls === 0
}

/** Each on a page of its own, side by side. */
describe('by other ways', () => {
  it('switches the protocol by its buttons, there and back', async () => {
    const watch = await WatchPage.open(browser, headend.quickstart.playerUrl)
    await watch.playing()
    for (const protocol of ['dash', 'hls'] as const) {
      await watch.page.click(`[data-protocol="${protocol}"]`)
      await watch.until(`the switch to ${protocol}`, 20_000, (state) => state.protocol === protocol && state.level >= 0)
      await watch.playing()
      // The engine goes to its distance from the live edge first, faster or in one step; from then on it plays in real time.
      await until('three seconds in real time', 30_000, () => watch.watch(3), isRealTime)
      expect(await watch.page.getAttribute(`[data-protocol="${protocol}"]`, 'aria-pressed')).toBe('true')
    }
    expect(watch.complaints).toEqual([])
    await watch.close()
  })

  it('plays a pasted address', async () => {
    const { controlUrl, dashUrl } = headend.quickstart
    const watch = await WatchPage.open(browser, `${controlUrl}/player/`)
    await watch.page.fill('#url', dashUrl)
    await watch.page.press('#url', 'Enter')
    const { protocol } = await watch.until('DASH', 20_000, (state) => state.protocol === 'dash' && state.level >= 0)
    expect(protocol).toBe('dash')
    await watch.playing()
    expect(new URL(watch.page.url()).searchParams.get('url')).toBe(dashUrl)
    await watch.close()
  })

  it("plays HLS by the browser's own means where there are no Media Source Extensions", async () => {
    const watch = await WatchPage.open(browser, playerUrl('dash'), PHONE, (page) =>
      page.addInitScript('delete window.MediaSource; delete window.ManagedMediaSource'),
    )
    const { protocol } = await watch.playing()
    expect(protocol).toBe('hls')
    const { mediaS, wallS } = await watch.watch(4)
    expect(Math.abs(mediaS - wallS)).toBeLessThan(0.5)
    expect(await watch.page.isVisible('#protocols')).toBe(false)
    await watch.close()
  })
})

describe.concurrent('on a phone', () => {
  it('has room for every control on a phone', async () => {
    const watch = await WatchPage.open(browser, playerUrl('hls'), PHONE)
    await watch.playing()
    await watch.page.evaluate(`document.getElementById('controller').setAttribute('noautohide', '')`)
    await watch.page.click('#stats-button')
    for (const name of ['media-play-button', 'media-fullscreen-button', '#quality', '#live', '#unmute', '#stats']) {
      const box = await watch.page.locator(name).boundingBox()
      expect(box?.x, name).toBeGreaterThanOrEqual(0)
      expect((box?.x ?? PHONE.width) + (box?.width ?? 0), name).toBeLessThanOrEqual(PHONE.width)
      expect(box?.height, name).toBeGreaterThanOrEqual(44)
    }
    const scrolled = await watch.page.evaluate('document.documentElement.scrollWidth > innerWidth')
    expect(scrolled).toBe(false)
    await watch.close()
  })

  it.each([
    [410, 'No longer available'],
    [500, 'The server has a problem'],
  ])('explains an answer of %i, and plays on when it passes', async (status, title) => {
    const headers = { 'access-control-allow-origin': '*' }
    const watch = await WatchPage.open(browser, playerUrl('hls'), PHONE, (page) =>
      page.route('**/index.m3u8', (route) => route.fulfill({ status, body: 'no', headers })),
    )
    await watch.until('the problem', 20_000, ({ notice }) => notice === 'problem')
    expect(await watch.page.textContent('#notice-title')).toBe(title)
    await watch.page.unroute('**/index.m3u8')
    await watch.playing()
    expect(await watch.page.isVisible('#notice')).toBe(false)
    await watch.close()
  })
})
