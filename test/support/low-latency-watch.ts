import { openBrowser, type Progress, WatchPage } from './browser.ts'
import { startHeadend } from './headend.ts'
import { pictureAges, publishClock } from './picture-clock.ts'
import { playingVariant } from './playlist.ts'

/** What was seen of a pass-through channel of low latency. */
export type LowLatencySeen = {
  /** How old the picture was each time it was looked at, in seconds, oldest last. */
  readonly ages: readonly number[]
  readonly progress: Progress
  /** What the page shows as its latency. */
  readonly shownS: number
  readonly complaints: readonly string[]
  /** Requests that were answered, by the label of their kind. */
  readonly requests: (kind: string, status: number) => number
  /** The playlist that was played. */
  readonly playlist: string
}

/** Plays a channel that shows the wall clock in Chromium: `settleS` for the player to catch up, then `watchS` are measured. */
export async function watchLowLatency(
  channel: Readonly<Record<string, unknown>>,
  settleS: number,
  watchS: number,
): Promise<LowLatencySeen> {
  const [headend, browser] = await Promise.all([
    startHeadend({ channel: { latency: 'low', ...channel } }),
    openBrowser(),
  ])
  const encoder = publishClock(headend.publishUrl)
  try {
    const { url: variant } = await playingVariant(headend.quickstart.hlsUrl, 1)
    const url = new URL(headend.quickstart.playerUrl)
    url.searchParams.set('protocol', 'hls')
    const watch = await WatchPage.open(browser, url.href)
    await watch.playing()
    const settling = await watch.watch(settleS)
    const [ages, progress] = await Promise.all([pictureAges(watch, watchS), watch.watch(watchS)])
    const { latencyS = Number.NaN } = await watch.state()
    const playlist = await (await fetch(variant)).text()
    const metrics = await headend.metrics()
    const requests = (kind: string, status: number) =>
      Number(new RegExp(`origin_requests_total\\{kind="${kind}",status="${status}"\\} (\\d+)`).exec(metrics)?.[1] ?? 0)
    return {
      ages: ages.toSorted((a, b) => a - b),
      progress: { ...progress, stalls: progress.stalls + settling.stalls },
      shownS: latencyS,
      complaints: watch.complaints,
      requests,
      playlist,
    }
  } finally {
    await browser.close()
    await encoder.stop()
    await headend.stop()
  }
}
