import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser, WatchPage, type WatchProtocol } from '../support/browser.ts'
import { type Encoder, startFfmpeg } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { fetchMaster, playingVariant, until } from '../support/playlist.ts'

const PROTOCOLS: readonly WatchProtocol[] = ['hls', 'dash']
const HEIGHTS = [180, 90]

let headend: Headend
let encoder: Encoder
let browser: Browser

/** One encoder, two layers on one clock, key frames at the same instants. */
function publishLayers(url: string): Encoder {
  const video = (size: string, bitrate: string) => [
    ...['-map', '0:v', '-map', '1:a', '-s', size, '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'],
    ...['-b:v', bitrate, '-bf', '0', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0'],
    ...['-c:a', 'aac', '-b:a', '64k', '-ac', '2', '-f', 'flv'],
  ]
  return startFfmpeg([
    ...['-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25'],
    ...['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'],
    ...[...video('320x180', '400k'), `${url}/hi`],
    ...[...video('160x90', '100k'), `${url}/lo`],
  ])
}

beforeAll(async () => {
  ;[headend, browser] = await Promise.all([startHeadend(), openBrowser()])
  encoder = publishLayers(headend.publishUrl)
  await until(
    'both layers',
    30_000,
    () => fetchMaster(headend.quickstart.hlsUrl),
    ({ variants }) => variants.length === 2,
  )
  await playingVariant(headend.quickstart.hlsUrl, 4)
})

afterAll(async () => {
  await browser?.close()
  await encoder?.stop()
  await headend?.stop()
})

async function switchByHand(protocol: WatchProtocol): Promise<void> {
  const watch = await WatchPage.open(browser, `${headend.quickstart.playerUrl}&protocol=${protocol}`)
  const { levels } = await watch.playing()
  expect(levels.map(({ height }) => height).sort()).toEqual([...HEIGHTS].sort())
  for (const height of [90, 180]) {
    await watch.page.hover('#seek')
    await watch.page.click('#quality')
    await watch.page.click(`#qualities button:has-text("${height}p")`)
    await until(
      `a picture of ${height} lines`,
      30_000,
      () => watch.videoHeight(),
      (shown) => shown === height,
    )
    const state = await watch.until(
      `the level of ${height} lines`,
      10_000,
      ({ level, levels: on }) => on[level]?.height === height,
    )
    expect(state.levels[state.selectedLevel]?.height).toBe(height)
    expect(await watch.page.textContent('#quality')).toBe(`${height}p`)
  }
  const { mediaS, wallS, stalls } = await watch.watch(5)
  expect(Math.abs(mediaS - wallS)).toBeLessThan(0.5)
  expect(stalls).toBe(0)
  await watch.page.hover('#seek')
  await watch.page.click('#quality')
  await watch.page.click('#qualities [data-index="-1"]')
  await watch.until('automatic quality', 5_000, ({ selectedLevel }) => selectedLevel === -1)
  expect(watch.complaints).toEqual([])
  await watch.close()
}

it('switches the quality by hand in the menu, in both protocols', async () => {
  await Promise.all(PROTOCOLS.map(switchByHand))
})
