import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { OriginServer } from '../../src/origin/origin-server.ts'
import { openBrowser } from '../support/browser.ts'
import { encodeAudio, encodeVideo, Recording } from '../support/recording.ts'

/** Pictures and sound for 30 s, nothing for 10 s, and again 30 s. */
const STRETCH_SECONDS = 30
const LATER_SECONDS = 40

let browser: Browser
let server: OriginServer
let page: Page
let recording: Recording
const sent: { status: number; bytes: number }[] = []

beforeAll(async () => {
  const media = encodeVideo(STRETCH_SECONDS, '320x180', '-b:v', '1M')
  const larger = encodeVideo(STRETCH_SECONDS, '640x360', '-b:v', '1M')
  const sound = encodeAudio(STRETCH_SECONDS)
  recording = new Recording([
    { rendition: 'video-1', media, atSeconds: 0 },
    { rendition: 'audio-1', media: sound, atSeconds: -0.05 },
    { rendition: 'video-1', media: larger, atSeconds: LATER_SECONDS },
    { rendition: 'audio-1', media: sound, atSeconds: LATER_SECONDS },
  ])
  recording.presentation.apply({ type: 'ended' })
  const published = { locatorId: 'l', manifestName: 'news', view: recording.presentation }
  server = new OriginServer(
    { host: '127.0.0.1', port: 0 },
    {
      publications: { find: () => published },
      fragments: { read: () => undefined },
      segments: recording.source,
      observer: { started: () => undefined, request: (_kind, status, bytes) => void sent.push({ status, bytes }) },
    },
  )
  const { port } = await server.start()
  browser = await openBrowser()
  page = await browser.newPage()
  await page.setContent(`<video id="v" muted preload="auto" src="http://127.0.0.1:${port}/l/news.mp4"></video>`)
})

afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

type State = {
  readonly currentTime: number
  readonly duration: number
  readonly frames: number
  readonly error?: string
}

function state(): Promise<State> {
  return page.evaluate(`(() => {
    const v = document.getElementById('v')
    const frames = v.getVideoPlaybackQuality().totalVideoFrames
    return { currentTime: v.currentTime, duration: v.duration, frames, error: v.error?.message }
  })()`)
}

/** Plays for a while by the page's own clock, counted from when media time runs; gives how far it came. */
async function play(
  seconds: number,
): Promise<{ readonly mediaS: number; readonly wallS: number; readonly frames: number }> {
  return page.evaluate(`(async () => {
    const v = document.getElementById('v')
    await v.play()
    const from = v.currentTime
    // The first picture stands until sound has begun, which a busy machine takes its time for.
    const runs = (resolve) => v.requestVideoFrameCallback(() => (v.currentTime > from ? resolve() : runs(resolve)))
    await new Promise(runs)
    const look = () => ({ at: performance.now(), time: v.currentTime, frames: v.getVideoPlaybackQuality().totalVideoFrames })
    const before = look()
    await new Promise((resolve) => setTimeout(resolve, ${seconds * 1_000}))
    const after = look()
    v.pause()
    return { wallS: (after.at - before.at) / 1000, mediaS: after.time - before.time, frames: after.frames - before.frames }
  })()`)
}

/** The time of the first picture that is shown after a seek. */
function seek(seconds: number): Promise<number> {
  return page.evaluate(`new Promise((resolve, reject) => {
    const v = document.getElementById('v')
    v.addEventListener('error', () => reject(new Error(v.error.message)), { once: true })
    v.requestVideoFrameCallback((_now, { mediaTime }) => resolve(mediaTime))
    v.currentTime = ${seconds}
  })`)
}

describe('a browser with a recording as one file', () => {
  it('plays it from 0 in real time, and knows how long it is', async () => {
    const { mediaS, wallS, frames } = await play(4)
    expect(Math.abs(mediaS - wallS)).toBeLessThan(0.4)
    expect(frames).toBeGreaterThan(70)
    const { duration, error } = await state()
    expect(error).toBeUndefined()
    expect(duration).toBeCloseTo(LATER_SECONDS + STRETCH_SECONDS, 0)
    expect(new Set(sent.map(({ status }) => status))).toEqual(new Set([206]))
  })

  it.each([
    [12.52, 12.52],
    [55.2, 55.2],
    [3.04, 3.04],
  ])('goes to %f s and plays on', async (seconds, shown) => {
    expect(await seek(seconds)).toBeCloseTo(shown, 1)
    const { mediaS, wallS } = await play(2)
    expect(Math.abs(mediaS - wallS)).toBeLessThan(0.4)
    expect((await state()).error).toBeUndefined()
  })

  it.runIf(inject('cases') === 'all')(
    'plays through the hole in real time, with the last picture, and goes on with both, the picture larger',
    async () => {
      expect(await seek(STRETCH_SECONDS - 2)).toBeCloseTo(STRETCH_SECONDS - 2, 1)
      const { mediaS, wallS } = await play(15)
      expect(Math.abs(mediaS - wallS)).toBeLessThan(0.4)
      const { currentTime, error } = await state()
      expect(error).toBeUndefined()
      expect(currentTime).toBeGreaterThan(LATER_SECONDS + 2)
      const more = await play(2)
      expect(more.frames).toBeGreaterThan(35)
      expect(await page.evaluate(`document.getElementById('v').videoWidth`)).toBe(640)
    },
  )
})
