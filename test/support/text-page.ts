import { resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { until } from './playlist.ts'

const MODULES = resolve(import.meta.dirname, '../../node_modules')

/** Players that show texts. */
export type ShownBy = 'hls.js' | 'dash.js' | 'shaka'

const SCRIPTS: Readonly<Record<ShownBy, string>> = {
  'hls.js': `${MODULES}/hls.js/dist/hls.min.js`,
  'dash.js': `${MODULES}/dashjs/dist/modern/umd/dash.all.min.js`,
  shaka: `${MODULES}/shaka-player/dist/shaka-player.compiled.js`,
}

/** What each needs to play an address with the text of a language. */
const starts: Readonly<Record<ShownBy, string>> = {
  'hls.js': `async (video, url, language) => {
    const hls = new Hls({ enableWorker: false })
    hls.loadSource(url)
    hls.attachMedia(video)
    video.addEventListener('loadeddata', () => {
      hls.subtitleTrack = hls.subtitleTracks.findIndex(({ lang }) => lang === language)
    })
  }`,
  'dash.js': `async (video, url, language) => {
    const player = dashjs.MediaPlayer().create()
    player.updateSettings({ debug: { logLevel: 0 }, streaming: { utcSynchronization: { enabled: false } } })
    player.initialize(video, url, false)
    player.attachTTMLRenderingDiv(document.getElementById('over'))
    player.setInitialMediaSettingsFor('text', { lang: language })
  }`,
  shaka: `async (video, url, language) => {
    shaka.polyfill.installAll()
    const player = new shaka.Player()
    await player.attach(video)
    player.setVideoContainer(document.getElementById('box'))
    player.configure('textDisplayFactory', () => new shaka.text.UITextDisplayer(player))
    await player.load(url)
    const track = player.getTextTracks().find((one) => one.language === language)
    await player.selectTextTrack(track)
    await player.setTextVisibility?.(true)
  }`,
}

const DIAGNOSIS = `(() => {
  const video = document.querySelector('video')
  const tracks = [...video.textTracks].map(({ kind, language, mode, cues }) => {
    return [kind, language, mode, [...(cues ?? [])].map(({ startTime, endTime, text }) => [startTime, endTime, text])]
  })
  return JSON.stringify({ at: video.currentTime, ready: video.readyState, paused: video.paused, tracks })
})()`

/**
 * What a player shows as text at a time: the active cues of its text tracks, or what it puts over the picture.
 */
export async function shownTexts(
  browser: Browser,
  by: ShownBy,
  url: string,
  language: string,
  atSeconds: number,
): Promise<string> {
  const page = await browser.newPage()
  const complaints: string[] = []
  try {
    await page.setContent(
      '<div id="box" style="position:relative;width:640px;height:360px"><video muted style="width:640px;height:360px"></video><div id="over"></div></div>',
    )
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    await page.addScriptTag({ path: SCRIPTS[by] })
    await page.evaluate(
      `(${starts[by]})(document.querySelector('video'), ${JSON.stringify(url)}, ${JSON.stringify(language)})`,
    )
    await page.waitForFunction('document.querySelector("video").readyState >= 1', undefined, { timeout: 15_000 })
    await page.evaluate(`document.querySelector('video').currentTime = ${atSeconds}`)
    // Slowly, so that a machine that is busy sees the cue as well.
    await page.evaluate(
      '(() => { const video = document.querySelector("video"); video.playbackRate = 0.1; void video.play() })()',
    )
    return await shownOn(page, ['#over', '.shaka-text-container'])
  } catch (cause) {
    throw new Error(`${by} shows no text of ${url}: ${await page.evaluate(DIAGNOSIS)} ${complaints.join('; ')}`, {
      cause,
    })
  } finally {
    await page.close()
  }
}

/** Waits for text on a page: an active cue of its video, or what stands in one of these elements. */
export async function shownOn(page: Page, over: readonly string[]): Promise<string> {
  const look = `(() => {
    const video = document.querySelector('video')
    const shown = [...video.textTracks].filter(({ mode }) => mode === 'showing')
    const cues = shown.flatMap(({ activeCues }) => [...(activeCues ?? [])].map((cue) => cue.getCueAsHTML().textContent))
    const layers = ${JSON.stringify(over)}.flatMap((name) => [...document.querySelectorAll(name)].map((one) => one.innerText))
    return [...cues, ...layers].map((text) => (text ?? '').replace(/\\s+/g, ' ').trim()).find((text) => text !== '') ?? false
  })()`
  const isThere = (text: unknown) => typeof text === 'string'
  return String(await until('a text', 20_000, () => page.evaluate(look), isThere))
}
