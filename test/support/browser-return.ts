import type { Browser } from 'playwright-core'
import { expect } from 'vitest'
import { WatchPage, type WatchProtocol, type WatchState } from './browser.ts'
import { publish } from './ffmpeg.ts'
import { startHeadend } from './headend.ts'
import { fetchMaster, fetchMedia, type MediaPlaylist, playingVariant, until } from './playlist.ts'

const PROTOCOLS: readonly WatchProtocol[] = ['hls', 'dash']
type Seen = Pick<WatchState, 'latencyS' | 'notice'>

/** From media being there again to the picture that moves. */
const RESUME_LIMIT_S = 15
const LATENCY_TOLERANCE_S = 2
const SOURCE = { gopFrames: 50 }

/** When, by the encoder's clock, the stretch after the n-th discontinuity began. */
function startOfStretch({ segments }: MediaPlaylist, stretch: number): number | undefined {
  return segments.find((segment) => !segment.gap && segment.discontinuitySequence === stretch)?.programDateTimeMs
}

/**
 * Watches one pass-through stream in both protocols side by side while its encoder goes away and comes back, once for each
 * entry of `awaySeconds`: both pages go on by themselves, as far behind the live edge as before.
 */
export async function watchReturn(browser: Browser, awaySeconds: readonly number[]): Promise<void> {
  const headend = await startHeadend()
  let encoder = publish(headend.publishUrl, SOURCE)
  const { url } = await playingVariant(headend.quickstart.hlsUrl, 5)
  const pages = await Promise.all(
    PROTOCOLS.map((protocol) => WatchPage.open(browser, `${headend.quickstart.playerUrl}&protocol=${protocol}`)),
  )
  try {
    await Promise.all(pages.map((page) => page.playing()))
    for (const [index, seconds] of awaySeconds.entries()) {
      const latencies = await Promise.all(pages.map(async (page) => (await page.state()).latencyS ?? 0))
      await encoder.stop()
      const goneAtMs = Date.now()
      await until(
        'the end of the absence',
        seconds * 1_000 + 20_000,
        async () => Date.now() - goneAtMs,
        (ms) => ms > seconds * 1_000,
      )
      if (seconds > 10)
        await Promise.all(pages.map((page) => page.until('the notice', 30_000, ({ notice }) => notice === 'away')))
      encoder = publish(headend.publishUrl, SOURCE)
      const playlist = await until(
        'new media',
        30_000,
        () => fetchMedia(url),
        (listed) => startOfStretch(listed, index + 1) !== undefined,
      )
      const thereAtMs = Date.now()
      const startMs = startOfStretch(playlist, index + 1) ?? 0
      await Promise.all(
        pages.map(async (page, at) => {
          // The picture is as old as the delay says.
          const isBack = ({ latencyS = Number.POSITIVE_INFINITY, notice }: Seen) =>
            notice === undefined && Date.now() - latencyS * 1_000 > startMs + 500
          const { latencyS = 0 } = await page.until(`${PROTOCOLS[at]} behind the hole of ${seconds} s`, 60_000, isBack)
          expect(Math.abs(latencyS - (latencies[at] ?? 0)), `${PROTOCOLS[at]} after ${seconds} s`).toBeLessThan(
            LATENCY_TOLERANCE_S,
          )
          expect((Date.now() - thereAtMs) / 1_000, `${PROTOCOLS[at]} after ${seconds} s`).toBeLessThan(RESUME_LIMIT_S)
          const { mediaS, wallS, stalls } = await page.watch(4)
          expect(Math.abs(mediaS - wallS), `${PROTOCOLS[at]} after ${seconds} s`).toBeLessThan(0.5)
          expect(stalls).toBe(0)
        }),
      )
    }
    const { segments } = await fetchMedia(url)
    expect(segments.at(-1)?.discontinuitySequence).toBe(awaySeconds.length)
    for (const page of pages) expect(page.complaints).toEqual([])
    expect((await fetchMaster(headend.quickstart.hlsUrl)).variants).toHaveLength(1)
  } finally {
    await Promise.all(pages.map((page) => page.close()))
    await encoder.stop()
    await headend.stop()
  }
}
