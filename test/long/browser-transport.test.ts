import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser, WatchPage } from '../support/browser.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, playingVariant } from '../support/playlist.ts'
import { checkSegments } from '../support/ts-checker.ts'

/** Live pass-through as transport streams: what Chromium plays by hls.js, and what stands in the packets. */

const FORMATS = ['m3u8-aapl', 'm3u8-aapl-v3'] as const

let headend: Headend
let encoder: Encoder
let browser: Browser

beforeAll(async () => {
  ;[headend, browser] = await Promise.all([startHeadend({ program: { manifestName: 'main' } }), openBrowser()])
  encoder = publish(headend.publishUrl, { gopFrames: 50 })
  await playingVariant(headend.quickstart.hlsUrl, 4)
})

afterAll(async () => {
  await browser?.close()
  await encoder?.stop()
  await headend?.stop()
})

function manifestUrl(format: (typeof FORMATS)[number]): string {
  return headend.quickstart.hlsUrl.replace(/index\.m3u8$/, `main.ism/manifest(format=${format})`)
}

it('plays in both versions side by side, without a stall, while packets are as they should be', async () => {
  const pages = await Promise.all(
    FORMATS.map((format) => {
      const url = new URL(headend.quickstart.playerUrl)
      url.search = ''
      url.searchParams.set('url', manifestUrl(format))
      return WatchPage.open(browser, url.href)
    }),
  )
  await Promise.all(pages.map((page) => page.playing()))
  const watched = pages.map(async (watch) => {
    const before = await watch.picture()
    const { wallS, mediaS, stalls, frames } = await watch.watch(10)
    expect(await watch.picture()).not.toBe(before)
    expect(Math.abs(mediaS - wallS)).toBeLessThan(1)
    expect(stalls).toBe(0)
    expect(frames).toBeGreaterThan(10 * 25 * 0.9)
    expect(watch.complaints).toEqual([])
  })
  await Promise.all([...watched, ...FORMATS.map(expectSoundPackets)])
})

async function expectSoundPackets(format: (typeof FORMATS)[number]): Promise<void> {
  const { variants } = await fetchMaster(manifestUrl(format))
  const { segments } = await fetchMedia(variants[0]?.url ?? '')
  const { streams, violations } = checkSegments(await Promise.all(segments.map(({ url }) => fetchBytes(url))))
  expect(violations).toEqual([])
  expect(streams.map(({ streamType }) => streamType)).toEqual(format === 'm3u8-aapl' ? [0x1b] : [0x1b, 0x0f])
  expect(streams[0]?.pes).toHaveLength(segments.length * 50)
  // A program counts from a minute before it began, and ten seconds up.
  expect(streams[0]?.pes[0]?.pts).toBeGreaterThan(60 * 90_000)
  expect(streams[0]?.pes[0]?.pts).toBeLessThan(100 * 90_000)
}
