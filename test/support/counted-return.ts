import { openBrowser, WatchPage } from './browser.ts'
import { type CountedHouse, openCounted } from './counted-watch.ts'
import { type Encoder, publish } from './ffmpeg.ts'
import { until } from './playlist.ts'

/** How playback stood still while the encoder was away, as the page saw it. */
export type Standstill = {
  /** From the last picture before the hole to the first behind it: seconds that went by, and seconds of media. */
  readonly wallS: number
  readonly mediaS: number
}

export type CountedReturn = {
  readonly standstills: readonly Standstill[]
  /** Manifests that were asked for as if the page had just been opened. */
  readonly beginnings: number
  readonly notices: readonly string[]
  readonly latencies: readonly number[]
}

type Look = { readonly atS: number; readonly timeS: number; readonly notice?: string }

/** Looks at the position for as long as the page is there. */
const WATCH = `(() => {
  window.looks = []
  const video = document.querySelector('video')
  const look = () => {
    const { notice } = window.headend.state()
    window.looks.push({ atS: performance.now() / 1000, timeS: video.currentTime, notice })
  }
  setInterval(look, 40)
})()`
/** Shorter than this is no standstill: a picture comes every 40 ms, and is looked at as often. */
const STANDSTILL_S = 0.6

/** Watches a small ladder by low-latency DASH while its encoder goes away and comes back, once for each entry of `awaySeconds`. */
export async function watchCountedReturn(awaySeconds: readonly number[]): Promise<CountedReturn> {
  const [house, browser] = await Promise.all([openCounted(), openBrowser()])
  let encoder = begin(house)
  let beginnings = 0
  try {
    const url = new URL(house.headend.quickstart.playerUrl)
    url.searchParams.set('protocol', 'dash')
    await until(
      'the MPD',
      30_000,
      async () => (await fetch(house.dashUrl)).status,
      (status) => status === 200,
    )
    const watch = await WatchPage.open(browser, url.href, undefined, async (page) => {
      page.on('request', (request) => {
        if (request.url() === house.dashUrl) beginnings += 1
      })
    })
    await watch.playing()
    await watch.watch(4)
    await watch.page.evaluate(WATCH)
    const latencies = [(await watch.state()).latencyS ?? Number.NaN]
    for (const seconds of awaySeconds) {
      await encoder.stop()
      const goneAtMs = Date.now()
      await until(
        'the end of the absence',
        seconds * 1_000 + 20_000,
        async () => Date.now() - goneAtMs,
        (ms) => ms > seconds * 1_000,
      )
      const before = await watch.page.evaluate('document.querySelector("video").currentTime')
      encoder = begin(house)
      await watch.until('pictures behind the hole', 60_000, ({ currentTime }) => currentTime > Number(before) + 4)
      await watch.watch(4)
      latencies.push((await watch.state()).latencyS ?? Number.NaN)
    }
    const looks = (await watch.page.evaluate('window.looks')) as readonly Look[]
    const notices = [...new Set(looks.flatMap(({ notice }) => notice ?? []))]
    return { standstills: standstillsOf(looks), beginnings, notices, latencies }
  } finally {
    await browser.close()
    await encoder.stop()
    await house.headend.stop()
  }
}

function begin({ headend }: CountedHouse): Encoder {
  return publish(headend.publishUrl, { gopFrames: 50 })
}

/** The stretches in which nothing moved but by a leap, those as one that are hardly apart. */
function standstillsOf(looks: readonly Look[]): readonly Standstill[] {
  const found: { from: Look; to: Look }[] = []
  let from = looks[0]
  for (const look of looks) {
    if (from && look.timeS === from.timeS) continue
    if (from && look.atS - from.atS > STANDSTILL_S) {
      const last = found.at(-1)
      if (last && from.atS - last.to.atS < STANDSTILL_S) last.to = look
      else found.push({ from, to: look })
    }
    from = look
  }
  return found.map(({ from, to }) => ({ wallS: to.atS - from.atS, mediaS: to.timeS - from.timeS }))
}
