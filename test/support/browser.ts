import { createHash } from 'node:crypto'
import { type Browser, chromium, type Page } from 'playwright-core'
import { until } from './playlist.ts'

/** Headless, and silent on the network but for what the page itself asks. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export type WatchProtocol = 'hls' | 'dash'

/** `window.headend.state()`, as the player promises it to tests and to pages that embed it. */
export type WatchState = {
  readonly protocol?: WatchProtocol
  readonly player?: string
  readonly currentTime: number
  readonly paused: boolean
  readonly buffered: number
  readonly droppedFrames: number
  readonly totalFrames: number
  readonly stalls: number
  readonly latencyS?: number
  readonly level: number
  readonly selectedLevel: number
  readonly levels: readonly { readonly height?: number; readonly bitrateBps: number }[]
  readonly notice?: 'problem' | 'away' | 'waiting'
  readonly error?: {
    readonly kind: string
    readonly status?: number
    readonly technical: string
    readonly reason?: string
  }
}

/** How far playback came in a stretch of wall-clock time. */
export type Progress = {
  readonly wallS: number
  readonly mediaS: number
  readonly stalls: number
  readonly droppedFrames: number
  readonly frames: number
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS })
}

/** The watch page in a browser context of its own, and all that it did wrong. */
export class WatchPage {
  readonly page: Page
  /** Console errors and uncaught exceptions. */
  readonly complaints: string[] = []
  /** Hosts that the page asked anything of. */
  readonly hosts = new Set<string>()

  private constructor(page: Page) {
    this.page = page
    page.on('request', (request) => {
      const url = new URL(request.url())
      if (url.protocol.startsWith('http') || url.protocol.startsWith('ws')) this.hosts.add(url.hostname)
    })
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`${message.text()} ${message.location().url}`)
    })
    page.on('pageerror', (error) => this.complaints.push(String(error)))
  }

  /** `prepare` sees the page before it is loaded. */
  static async open(
    browser: Browser,
    url: string,
    size = { width: 1280, height: 800 },
    prepare: (page: Page) => Promise<unknown> = async () => undefined,
  ): Promise<WatchPage> {
    const context = await browser.newContext({ viewport: size, hasTouch: size.width < 600 })
    const watch = new WatchPage(await context.newPage())
    await prepare(watch.page)
    await watch.page.goto(url)
    return watch
  }

  close(): Promise<void> {
    return this.page.context().close()
  }

  state(): Promise<WatchState> {
    return this.page.evaluate('window.headend.state()')
  }

  until(what: string, limitMs: number, isThere: (state: WatchState) => boolean): Promise<WatchState> {
    return until(what, limitMs, () => this.state(), isThere)
  }

  /** Waits until the picture moves: two seconds of it, with no notice over it. */
  async playing(limitMs = 45_000): Promise<WatchState> {
    const first = await this.until('the first frame', limitMs, ({ totalFrames, currentTime, notice, paused }) => {
      return !paused && totalFrames > 0 && currentTime > 0 && notice === undefined
    })
    return this.until(
      'two seconds of playback',
      limitMs,
      ({ currentTime, notice }) => notice === undefined && currentTime > first.currentTime + 2,
    )
  }

  /** Waits until it plays in real time: an engine goes to its distance from the live edge first, faster, slower or in one step. */
  async settled(limitMs = 30_000): Promise<void> {
    const isRealTime = ({ mediaS, wallS, stalls }: Progress) => stalls === 0 && Math.abs(mediaS - wallS) < 0.05
    await until('playing in real time', limitMs, () => this.watch(2), isRealTime)
  }

  /**
   * Watches for `seconds` of wall clock, as the page's own clock counts them, so that a slow test process does not
   * disturb what is measured.
   */
  async watch(seconds: number): Promise<Progress> {
    const script = `new Promise((resolve) => {
      const look = () => ({ at: performance.now(), ...window.headend.state() })
      const before = look()
      setTimeout(() => resolve([before, look()]), ${seconds * 1_000})
    })`
    const [before, after] = (await this.page.evaluate(script)) as [Timed, Timed]
    return {
      wallS: (after.at - before.at) / 1_000,
      mediaS: after.currentTime - before.currentTime,
      stalls: after.stalls - before.stalls,
      droppedFrames: after.droppedFrames - before.droppedFrames,
      frames: after.totalFrames - before.totalFrames,
    }
  }

  /** A digest of the picture on the screen, by way of a canvas. */
  async picture(): Promise<string> {
    const pixels = await this.page.evaluate(`(() => {
      const video = document.querySelector('video')
      const canvas = new OffscreenCanvas(64, 36)
      const context = canvas.getContext('2d')
      context.drawImage(video, 0, 0, 64, 36)
      return [...context.getImageData(0, 0, 64, 36).data].join()
    })()`)
    return createHash('sha256').update(String(pixels)).digest('hex')
  }

  /** The height of the picture that is decoded now. */
  videoHeight(): Promise<number> {
    return this.page.evaluate(`document.querySelector('video').videoHeight`)
  }

  /** The text that a viewer reads on the notice card, empty while there is none. */
  notice(): Promise<string> {
    return this.page.evaluate(`(() => {
      const card = document.getElementById('notice')
      return card.hidden ? '' : card.innerText
    })()`)
  }
}

type Timed = WatchState & { readonly at: number }
