import type { Browser } from 'playwright-core'
import { expect } from 'vitest'
import { WatchPage, type WatchProtocol } from './browser.ts'
import { Cable } from './cable.ts'
import { type Encoder, startFfmpeg, testSource } from './ffmpeg.ts'
import { startHeadend } from './headend.ts'
import { playingVariant } from './playlist.ts'

const KEYS = { streamKey: 'key-of-primary', secondaryStreamKey: 'key-of-secondary' }
const PROTOCOLS: readonly WatchProtocol[] = ['hls', 'dash']

/** What the encoders of these tests send: a GOP is two seconds. */
export const LOSS_SOURCE = { gopFrames: 50 }

/** One encoder, live, that publishes by both inputs; the loss of one leaves the other alone. */
export function publishByBoth(primary: string, secondary: string): Encoder {
  const to = [primary, secondary].map((url) => `[f=flv:onfail=ignore]${url}`).join('|')
  return startFfmpeg([
    ...testSource(LOSS_SOURCE),
    '-map',
    '0:v',
    '-map',
    '1:a',
    '-flags',
    '+global_header',
    '-f',
    'tee',
    to,
  ])
}

/** Both players watch while `happens` does; how long they stood still at most, in seconds. */
export async function watchLoss(
  browser: Browser,
  start: (primary: string, secondary: string, whenOnAir: () => Promise<unknown>) => Promise<readonly Encoder[]>,
  happens: (cable: Cable, encoders: readonly Encoder[]) => unknown,
): Promise<{ readonly stoodS: readonly number[]; readonly switches: string }> {
  const headend = await startHeadend({ channel: KEYS })
  const cable = await Cable.lay(headend.rtmpPort)
  const url = (port: number, key: string) => `rtmp://127.0.0.1:${port}/live/${key}`
  const urls = [url(cable.port, KEYS.streamKey), url(headend.rtmpPort, KEYS.secondaryStreamKey)] as const
  const encoders = await start(...urls, () => playingVariant(headend.quickstart.hlsUrl, 1))
  await playingVariant(headend.quickstart.hlsUrl, 4)
  const pages = await Promise.all(
    PROTOCOLS.map((protocol) => WatchPage.open(browser, `${headend.quickstart.playerUrl}&protocol=${protocol}`)),
  )
  try {
    await Promise.all(pages.map((page) => page.playing()))
    const watching = pages.map((page) => page.watch(14))
    happens(cable, encoders)
    const progress = await Promise.all(watching)
    for (const page of pages) {
      const { error, notice, paused } = await page.state()
      expect({ error, notice, paused }).toEqual({ error: undefined, notice: undefined, paused: false })
      expect(page.complaints).toEqual([])
    }
    const metrics = await headend.metrics()
    const switches = /headend_ingest_switches_total\{[^}]*\} 1/.exec(metrics)?.[0] ?? metrics
    return { stoodS: progress.map(({ wallS, mediaS }) => wallS - mediaS), switches }
  } finally {
    await Promise.all(pages.map((page) => page.close()))
    await Promise.all(encoders.map((encoder) => encoder.kill()))
    await cable.remove()
    await headend.stop()
  }
}
