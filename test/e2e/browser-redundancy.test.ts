import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBrowser, WatchPage, type WatchProtocol } from '../support/browser.ts'
import { Cable } from '../support/cable.ts'
import { type Encoder, publish, startFfmpeg, testSource } from '../support/ffmpeg.ts'
import { startHeadend } from '../support/headend.ts'
import { playingVariant } from '../support/playlist.ts'

const KEYS = { streamKey: 'key-of-primary', secondaryStreamKey: 'key-of-secondary' }
const SOURCE = { gopFrames: 50 }
const GOP_S = 2
const PROTOCOLS: readonly WatchProtocol[] = ['hls', 'dash']

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

/** One encoder, live, that publishes by both inputs; the loss of one leaves the other alone. */
function publishByBoth(primary: string, secondary: string): Encoder {
  const to = [primary, secondary].map((url) => `[f=flv:onfail=ignore]${url}`).join('|')
  return startFfmpeg([...testSource(SOURCE), '-map', '0:v', '-map', '1:a', '-flags', '+global_header', '-f', 'tee', to])
}

/** Both players watch while `happens` does; how long they stood still at most, in seconds. */
async function watchLoss(
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

describe('a player of a channel whose primary input is lost while the secondary runs', () => {
  it.each([
    ['the connection is closed', 'ended', (cable: Cable) => cable.cut()],
    ['the cable is pulled', 'silent', (cable: Cable) => cable.pull()],
  ] as const)('notices nothing where one encoder feeds both: %s', async (_name, reason, happens) => {
    const { stoodS, switches } = await watchLoss(async (...urls) => [publishByBoth(urls[0], urls[1])], happens)
    expect(switches).toContain(`reason="${reason}",seamless="true"`)
    for (const seconds of stoodS) expect(seconds).toBeLessThan(0.5)
  })

  it('stands still for less than a GOP where two encoders do', async () => {
    const { stoodS, switches } = await watchLoss(
      async (primary, secondary, whenOnAir) => {
        const first = publish(primary, SOURCE)
        await whenOnAir()
        return [first, publish(secondary, { ...SOURCE, bitrate: '500k' })]
      },
      (_cable, [primary]) => primary?.kill(),
    )
    expect(switches).toContain('reason="ended",seamless="false"')
    for (const seconds of stoodS) expect(seconds).toBeLessThan(GOP_S)
  })
})
