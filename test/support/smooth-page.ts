import { resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'

const DASH_JS = resolve(import.meta.dirname, '../../node_modules/dashjs/dist/modern/umd')

/** How far dash.js came in a stretch of wall-clock time. */
export type SmoothProgress = {
  readonly wallS: number
  readonly mediaS: number
  /** Waits since the picture first moved. */
  readonly stalls: number
  readonly frames: number
  /** How far behind the clock the picture is, where media time is Unix time. */
  readonly latencyS: number
}

/** dash.js with its support for Smooth Streaming, and nothing else on the page. */
export class SmoothPage {
  readonly page: Page
  /** Errors of the player and of the page. */
  readonly complaints: string[] = []
  /** What was asked for, in order. */
  readonly requested: string[] = []

  private constructor(page: Page) {
    this.page = page
    page.on('pageerror', (error) => this.complaints.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`${message.text()} ${message.location().url}`)
    })
    page.on('request', (request) => this.requested.push(request.url()))
  }

  static async open(browser: Browser, url: string): Promise<SmoothPage> {
    const smooth = new SmoothPage(await browser.newPage())
    const { page } = smooth
    await page.setContent('<video muted></video>')
    for (const file of ['dash.all.min.js', 'dash.mss.min.js']) await page.addScriptTag({ path: `${DASH_JS}/${file}` })
    await page.evaluate(`(() => {
      const video = document.querySelector('video')
      window.stalls = 0
      video.addEventListener('waiting', () => { if (video.currentTime > 0 && video.played.length) window.stalls++ })
      const player = dashjs.MediaPlayer().create()
      player.updateSettings({ streaming: { utcSynchronization: { enabled: false } }, debug: { logLevel: 0 } })
      player.on('error', ({ error }) => console.error('dash.js: ' + JSON.stringify(error)))
      player.initialize(video, ${JSON.stringify(url)}, true)
    })()`)
    return smooth
  }

  close(): Promise<void> {
    return this.page.close()
  }

  /** Resolves when a second of picture has gone by. */
  async playing(limitMs = 20_000): Promise<void> {
    const moves = `(() => {
      const video = document.querySelector('video')
      const frames = video.getVideoPlaybackQuality().totalVideoFrames
      return video.played.length > 0 && video.played.end(0) - video.played.start(0) > 1 && frames > 20
    })()`
    await this.page.waitForFunction(moves, undefined, { timeout: limitMs })
  }

  /** Watches for `seconds` of wall clock, as the page's own clock counts them. */
  async watch(seconds: number): Promise<SmoothProgress> {
    const script = `new Promise((resolve) => {
      const video = document.querySelector('video')
      const look = () => ({
        at: performance.now() / 1000,
        media: video.currentTime,
        stalls: window.stalls,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
      })
      const before = look()
      setTimeout(() => resolve([before, look(), Date.now() / 1000 - video.currentTime]), ${seconds * 1_000})
    })`
    const [before, after, latencyS] = (await this.page.evaluate(script)) as [Look, Look, number]
    return {
      wallS: after.at - before.at,
      mediaS: after.media - before.media,
      stalls: after.stalls - before.stalls,
      frames: after.frames - before.frames,
      latencyS,
    }
  }
}

type Look = { readonly at: number; readonly media: number; readonly stalls: number; readonly frames: number }
