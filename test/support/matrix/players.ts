import { resolve } from 'node:path'
import type { Browser } from 'playwright-core'

export type PlayerName = 'hls.js' | 'dash.js' | 'shaka-player' | 'video element'

type Player = { readonly scripts: readonly string[]; readonly start: string }

const file = (path: string) => resolve(import.meta.dirname, '../../../node_modules', path)

/** How each is put on a page; `url` is there as a string, `video` as the element, and what goes wrong goes to the console. */
const players: Readonly<Record<PlayerName, Player>> = {
  'hls.js': {
    scripts: [file('hls.js/dist/hls.min.js')],
    start: `const player = new Hls()
      player.on(Hls.Events.ERROR, (_, { fatal, type, details }) => { if (fatal) console.error(type + ' ' + details) })
      player.loadSource(url)
      player.attachMedia(video)
      video.play()`,
  },
  'dash.js': {
    scripts: [file('dashjs/dist/modern/umd/dash.all.min.js'), file('dashjs/dist/modern/umd/dash.mss.min.js')],
    start: `const player = dashjs.MediaPlayer().create()
      player.updateSettings({ streaming: { utcSynchronization: { enabled: false } }, debug: { logLevel: 0 } })
      player.on('error', ({ error }) => console.error('dash.js: ' + JSON.stringify(error)))
      player.initialize(video, url, true)`,
  },
  'shaka-player': {
    scripts: [file('shaka-player/dist/shaka-player.compiled.js')],
    start: `const player = new shaka.Player()
      player.addEventListener('error', ({ detail }) => console.error('shaka ' + detail.code + ' ' + detail.data))
      await player.attach(video)
      await player.load(url, null, mimeType)
      video.play()`,
  },
  'video element': { scripts: [], start: 'video.src = url; video.play()' },
}

/** How far a player came in a stretch of wall-clock time. */
export type Played = {
  readonly wallS: number
  readonly mediaS: number
  readonly stalls: number
  readonly frames: number
  readonly complaints: readonly string[]
}

/**
 * Plays a manifest on a page of its own for `seconds` of wall clock from its first second on, as the page's clock counts them.
 * @throws what the player complained of, where it never began
 */
export async function play(
  browser: Browser,
  player: PlayerName,
  url: string,
  seconds: number,
  { hasPicture = true, mimeType = '' } = {},
): Promise<Played> {
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`)
  })
  try {
    await page.setContent('<video muted></video>')
    const { scripts, start } = players[player]
    for (const path of scripts) await page.addScriptTag({ path })
    await page.evaluate(`(async () => {
      const video = document.querySelector('video')
      const url = ${JSON.stringify(url)}
      const mimeType = ${JSON.stringify(mimeType)} || undefined
      window.stalls = 0
      video.addEventListener('waiting', () => { if (video.played.length) window.stalls++ })
      ${start}
    })().catch((error) => console.error(String(error) + ' ' + JSON.stringify(error)))`)
    const moves = `(() => {
      const { played } = document.querySelector('video')
      let seconds = 0
      for (let at = 0; at < played.length; at++) seconds += played.end(at) - played.start(at)
      return seconds > 1
    })()`
    await page.waitForFunction(moves, undefined, { timeout: 30_000 }).catch((error: unknown) => {
      throw new Error(`it never played: ${complaints.join('; ')}`, { cause: error })
    })
    const script = `new Promise((resolve) => {
      const video = document.querySelector('video')
      const look = () => ({
        at: performance.now() / 1000,
        media: video.currentTime,
        stalls: window.stalls,
        frames: video.getVideoPlaybackQuality().totalVideoFrames,
      })
      const before = look()
      setTimeout(() => resolve([before, look()]), ${seconds * 1_000})
    })`
    type Look = { readonly at: number; readonly media: number; readonly stalls: number; readonly frames: number }
    const [before, after] = (await page.evaluate(script)) as [Look, Look]
    const frames = hasPicture ? after.frames - before.frames : 0
    return {
      wallS: after.at - before.at,
      mediaS: after.media - before.media,
      // From the first second on.
      stalls: after.stalls - before.stalls,
      frames,
      complaints,
    }
  } finally {
    await page.close()
  }
}

/** A live Smooth player may ask for a fragment a moment too early, is told so, and asks again. */
const TOO_EARLY = /status of 412/

/** What of a play was not as a viewer wants it. */
export function playFaults({ wallS, mediaS, stalls, frames, complaints }: Played, hasPicture: boolean): string[] {
  return [
    ...(stalls > 0 ? [`${stalls} stalls`] : []),
    ...(Math.abs(mediaS - wallS) > 0.5 ? [`${mediaS.toFixed(2)} s in ${wallS.toFixed(2)} s`] : []),
    ...(hasPicture && frames < wallS * 25 * 0.9 ? [`${frames} frames in ${wallS.toFixed(2)} s`] : []),
    ...complaints.filter((complaint) => !TOO_EARLY.test(complaint)),
  ]
}
