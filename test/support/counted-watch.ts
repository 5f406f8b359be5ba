import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openBrowser, type Progress, WatchPage } from './browser.ts'
import { type Headend, startHeadend, temporaryFolder } from './headend.ts'
import { pictureAges, publishClock } from './picture-clock.ts'
import { until } from './playlist.ts'

const GRID_MS = 2_000
const LADDER = `name: small
videoCodec: avc
preset: superfast
rungs:
  - { width: 320, height: 180, bitrateKbps: 300 }
  - { width: 192, height: 108, bitrateKbps: 120 }
audio: { bitrateKbps: 64 }
`

/** What was seen of a small ladder by low-latency DASH. */
export type CountedSeen = {
  /** How old the picture was each time it was looked at, in seconds, oldest last. */
  readonly ages: readonly number[]
  readonly progress: Progress
  /** What the page shows as its latency. */
  readonly shownS: number
  readonly complaints: readonly string[]
  readonly metrics: string
}

/** A running ladder that shows the wall clock, and where its MPD is. */
export type CountedHouse = { readonly headend: Headend; readonly dashUrl: string }

/** How long a player may take to catch up from where it could begin: on an idle machine a few seconds. */
const CATCH_UP_MS = 60_000

/** Starts a Headend whose one channel makes a small ladder of low latency; nobody publishes to it yet. */
export async function openCounted(): Promise<CountedHouse> {
  const ladderDir = temporaryFolder()
  writeFileSync(join(ladderDir, 'small.yaml'), LADDER)
  const channel = { latency: 'low', encoding: 'standard', ladder: 'small', segmentDuration: `${GRID_MS / 1_000}s` }
  const headend = await startHeadend({ channel, config: { transcode: { ladderDir } } })
  return { headend, dashUrl: headend.quickstart.dashUrl }
}

/**
 * Plays a ladder of low latency in Chromium: when the pictures are younger than `settledS`, `watchS` are measured. `meanwhile` runs beside
 * that.
 */
export async function watchCounted(
  settledS: number,
  watchS: number,
  meanwhile: (house: CountedHouse) => Promise<void> = async () => undefined,
): Promise<CountedSeen> {
  const [{ headend, dashUrl }, browser] = await Promise.all([openCounted(), openBrowser()])
  const encoder = publishClock(headend.publishUrl)
  try {
    const { playerUrl } = headend.quickstart
    const status = async () => (await fetch(dashUrl)).status
    await until('the MPD', 30_000, status, (found) => found === 200)
    const url = new URL(playerUrl)
    url.searchParams.set('protocol', 'dash')
    const watch = await WatchPage.open(browser, url.href)
    await watch.playing()
    const { stalls } = await watch.state()
    await until(
      'young pictures',
      CATCH_UP_MS,
      () => pictureAges(watch, 0.5),
      (ages) => Math.max(...ages) < settledS,
    )
    const [ages, progress] = await Promise.all([
      pictureAges(watch, watchS),
      watch.watch(watchS),
      meanwhile({ headend, dashUrl }),
    ])
    const after = await watch.state()
    return {
      ages: ages.toSorted((a, b) => a - b),
      progress: { ...progress, stalls: after.stalls - stalls },
      shownS: after.latencyS ?? Number.NaN,
      complaints: watch.complaints,
      metrics: await headend.metrics(),
    }
  } finally {
    await browser.close()
    await encoder.stop()
    await headend.stop()
  }
}

/** A segment's first time, in seconds, as it came: chunk by chunk or at once. */
export type CountedArrival = {
  readonly number: number
  readonly nominalS: number
  readonly startS: number
  /** When its bytes came, in seconds after its nominal beginning; and how many chunks it has. */
  readonly firstS: number
  readonly lastS: number
  readonly chunks: number
  readonly bytes: Buffer
}

/** Reads the segment that is the next to be written, of the first representation of a kind. */
export async function readNext(mpdUrl: string, mpd: string, kind: 'video' | 'audio'): Promise<CountedArrival> {
  const media = new RegExp(`media="([^"]*${kind}-1/[^"]*)"`).exec(mpd)?.[1] ?? ''
  const number = Math.floor(Date.now() / GRID_MS) + 1
  const nominalS = (number * GRID_MS) / 1_000
  const answer = await fetch(new URL(media.replace('$Number$', String(number)), mpdUrl))
  const pieces: { readonly bytes: Buffer; readonly atS: number }[] = []
  for await (const bytes of answer.body ?? []) {
    pieces.push({ bytes: Buffer.from(bytes), atS: Date.now() / 1_000 - nominalS })
  }
  const bytes = Buffer.concat(pieces.map((piece) => piece.bytes))
  const timescale = kind === 'video' ? 90_000 : 48_000
  return {
    number,
    nominalS,
    startS: Number(bytes.readBigUInt64BE(bytes.indexOf('tfdt') + 8)) / timescale,
    firstS: pieces[0]?.atS ?? Number.NaN,
    lastS: pieces.at(-1)?.atS ?? Number.NaN,
    chunks: bytes.toString('latin1').split('prft').length - 1,
    bytes,
  }
}
