import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser, WatchPage } from '../support/browser.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { play, playFaults } from '../support/matrix/players.ts'
import { until } from '../support/playlist.ts'
import { encodeAudio, encodeVideo, Recording } from '../support/recording.ts'
import { readSmoothManifest, serveRecording } from '../support/smooth-client.ts'
import { SmoothPage, type SmoothProgress } from '../support/smooth-page.ts'

/** Enough for dash.js, which starts four fragments behind and wants ten seconds of window. */
const LISTED = 8
const WATCHED_S = 8

let headend: Headend
let encoder: Encoder
let browser: Browser
let recorded: Awaited<ReturnType<typeof serveRecording>>

beforeAll(async () => {
  ;[headend, browser] = await Promise.all([startHeadend({ channel: { segmentDuration: '1s' } }), openBrowser()])
  encoder = publish(headend.publishUrl, { gopFrames: 25 })
  const recording = new Recording([
    { rendition: 'video-1', media: encodeVideo(13, '160x90'), atSeconds: 0 },
    { rendition: 'audio-1', media: encodeAudio(13), atSeconds: 0 },
  ])
  recording.presentation.apply({ type: 'ended' })
  recorded = await serveRecording(recording)
})

afterAll(async () => {
  await browser?.close()
  await encoder?.stop()
  await Promise.all([headend?.stop(), recorded?.server.stop()])
})

function expectSmooth({ wallS, mediaS, stalls, frames }: Omit<SmoothProgress, 'latencyS'>): void {
  expect(stalls).toBe(0)
  expect(Math.abs(mediaS - wallS)).toBeLessThan(0.3)
  expect(frames).toBeGreaterThan(WATCHED_S * 25 * 0.9)
}

it('dash.js and shaka-player play a recording without a stall, and the watch page a live channel by what each fragment tells of the next', async () => {
  const page = await SmoothPage.open(browser, recorded.url)
  await page.playing()
  const liveUrl = headend.quickstart.hlsUrl.replace(/index\.m3u8$/, 'manifest.ism/manifest')
  const listed = async () => {
    const answer = await fetch(liveUrl)
    return answer.ok ? readSmoothManifest(await answer.text()).streams[0]?.chunks.length : 0
  }
  const recording = async () => {
    expectSmooth(await page.watch(WATCHED_S))
    expect(page.complaints).toEqual([])
    await page.close()
    // The matrix of all formats and players: `test/long/matrix`.
    const options = { mimeType: 'application/dash+xml' }
    const url = `${recorded.base}/manifest(format=mpd-time-cmaf)`
    expect(playFaults(await play(browser, 'shaka-player', url, 4, options), true)).toEqual([])
  }
  await Promise.all([recording(), until('a live manifest', 30_000, listed, (count = 0) => count >= LISTED)])

  const requested: string[] = []
  const address = `${headend.quickstart.controlUrl}/player/?url=${encodeURIComponent(liveUrl)}`
  const live = await WatchPage.open(browser, address, undefined, async (tab) =>
    tab.on('request', (request) => requested.push(request.url())),
  )
  await live.playing()
  await live.settled()
  expectSmooth(await live.watch(WATCHED_S))
  const { protocol, latencyS, notice } = await live.state()
  expect([protocol, notice]).toEqual(['dash', undefined])
  // Four fragments behind what is listed, which is two behind what is there.
  expect(latencyS).toBeGreaterThan(2)
  expect(latencyS).toBeLessThan(10)
  // Who asks for what a fragment has told of waits for it, and is not refused.
  expect(live.complaints).toEqual([])
  expect([...live.hosts]).toEqual(['127.0.0.1'])
  // One manifest told of the first fragment, and each of those of the next.
  expect(requested.filter((url) => url === liveUrl)).toHaveLength(1)
  expect(requested.filter((url) => url.includes('Fragments(video=')).length).toBeGreaterThan(WATCHED_S)
  await live.close()
})
