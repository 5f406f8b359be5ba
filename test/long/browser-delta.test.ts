import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser, WatchPage } from '../support/browser.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { playingVariant, until } from '../support/playlist.ts'

/** Delta updates are offered from some 280 segments on: with the shortest there are, after two and a half minutes. */
const SEGMENT = { duration: '500ms', gopFrames: 15, rate: 30 }
const OFFER_LIMIT_MS = 300_000
const WATCHED_SECONDS = 40

let headend: Headend
let encoder: Encoder
let browser: Browser

beforeAll(async () => {
  const channel = { segmentDuration: SEGMENT.duration }
  ;[headend, browser] = await Promise.all([
    startHeadend({ channel, program: { rewindWindow: '1h', archiveWindow: '2h' } }),
    openBrowser(),
  ])
  encoder = publish(headend.publishUrl, { gopFrames: SEGMENT.gopFrames, rate: SEGMENT.rate, size: '160x90' })
  await playingVariant(headend.quickstart.hlsUrl, 12)
})

afterAll(async () => {
  await browser?.close()
  await encoder?.stop()
  await headend?.stop()
})

it('a browser goes over to delta updates in the middle of a program, and plays on', async () => {
  const answers: { readonly asked: boolean; readonly skipped: boolean; readonly bytes: number }[] = []
  const url = new URL(headend.quickstart.playerUrl)
  url.searchParams.set('protocol', 'hls')
  const watch = await WatchPage.open(browser, url.href, undefined, async (page) => {
    page.on('response', async (response) => {
      if (!/\/c\/.*\.m3u8/.test(response.url())) return
      const text = await response.text().catch(() => '')
      const asked = response.url().includes('_HLS_skip=YES')
      answers.push({ asked, skipped: text.includes('#EXT-X-SKIP'), bytes: text.length })
    })
  })
  await watch.playing()
  // Sound and picture go over one after the other.
  const isOver = async () => answers.length > 4 && answers.slice(-4).every(({ skipped }) => skipped)
  await until('delta updates of sound and picture', OFFER_LIMIT_MS, isOver, Boolean)
  const before = answers.length
  const progress = await watch.watch(WATCHED_SECONDS)
  expect(progress.mediaS).toBeGreaterThan(progress.wallS * 0.9)
  expect(progress.stalls).toBe(0)
  const after = answers.slice(before)
  expect(after.length).toBeGreaterThan(WATCHED_SECONDS / 2)
  expect(after.every(({ asked, skipped }) => asked && skipped)).toBe(true)
  const whole = Math.max(...answers.filter(({ skipped }) => !skipped).map(({ bytes }) => bytes))
  expect(Math.max(...after.map(({ bytes }) => bytes))).toBeLessThan(whole / 4)
  // Back into what the updates skipped: those segments are known from the playlists before.
  const { currentTime } = await watch.state()
  await watch.page.evaluate(`document.querySelector('video').currentTime -= 90`)
  await watch.until('ninety seconds ago', 20_000, (state) => state.currentTime < currentTime - 60)
  await watch.playing()
  expect(watch.complaints).toEqual([])
})
