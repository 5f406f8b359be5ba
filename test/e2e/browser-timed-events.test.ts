import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parse as parseMpd } from 'mpd-parser'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readBoxes } from '../../src/media/isobmff/boxes.ts'
import { type EventMessage, readEventMessage } from '../../src/media/isobmff/event-message.ts'
import { ApiUser, type Json } from '../support/api.ts'
import { openBrowser } from '../support/browser.ts'
import { CUED_SECONDS, publishCued, SPLICE_OUT } from '../support/cued-stream.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { playingVariant } from '../support/playlist.ts'
import { mp4boxReading, shakaComplaints, writeStretch } from '../support/served.ts'
import { SmoothPage } from '../support/smooth-page.ts'

const MODULES = resolve(import.meta.dirname, '../../node_modules')
const SCTE35 = 'urn:scte:scte35:2013:bin'
const ID3 = 'https://aomedia.org/emsg/ID3'
const folder = mkdtempSync(join(tmpdir(), 'timed-events-'))
let headend: Headend
let browser: Browser

beforeAll(async () => {
  ;[headend, browser] = await Promise.all([startHeadend({ channel: { segmentDuration: '2s' } }), openBrowser()])
})

afterAll(async () => {
  await browser?.close()
  await headend?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** After three seconds a text, and before that a break that is to come at four. */
const SAID = [
  { atMs: 1_000, values: ['onAdCue', { cue: SPLICE_OUT, type: 'scte35', id: 'x', time: 4, duration: 60 }] },
  { atMs: 3_000, values: ['onTextData', { text: 'Grüße' }] },
]

/** Both players at once, and each event that they give at its time: the scheme, its id, its text, and where the picture was. */
type Told = { readonly scheme: string; readonly id?: number; readonly text?: string; readonly at: number }

function watchBoth(hls: string, dash: string): string {
  return `(() => {
    window.told = { hls: [], dash: [] }
    const [one, two] = document.querySelectorAll('video')
    const player = new Hls()
    one.textTracks.addEventListener('addtrack', ({ track }) => {
      track.addEventListener('cuechange', () => {
        for (const cue of track.activeCues ?? []) {
          if (cue.value?.key !== 'TXXX' || cue.seen) continue
          cue.seen = true
          window.told.hls.push({ scheme: cue.value.info, text: cue.value.data, at: cue.startTime })
        }
      })
    })
    player.on(Hls.Events.ERROR, (_, { fatal, details }) => fatal && console.error('hls.js: ' + details))
    player.loadSource(${JSON.stringify(hls)})
    player.attachMedia(one)
    one.play()
    const dash = dashjs.MediaPlayer().create()
    dash.updateSettings({ debug: { logLevel: 0 }, streaming: { utcSynchronization: { enabled: false } } })
    dash.on('error', ({ error }) => console.error('dash.js: ' + JSON.stringify(error)))
    for (const scheme of ['${SCTE35}', '${ID3}', 'urn:org.headend:marker:1', 'urn:scte:scte35:2014:xml+bin']) {
      dash.on(scheme, ({ event }) => {
        const frame = event.parsedMessageData?.find?.((each) => each.info === 'text')
        window.told.dash.push({ scheme, id: event.id, text: frame?.data, at: event.calculatedPresentationTime })
      })
    }
    dash.initialize(two, ${JSON.stringify(dash)}, true)
  })()`
}

it('segments carry what an encoder says; tools read them, and hls.js and dash.js tell it at its time', async () => {
  const { streamKey, hlsUrl, dashUrl } = headend.quickstart
  const publisher = await publishCued(headend.rtmpPort, streamKey, SAID)
  await playingVariant(hlsUrl, 5)
  await publisher.close()
  const user = await (await ApiUser.of(headend)).inDefaultAccount()
  const [program] = (await user.ask(200, 'GET', '/v1/programs'))['items'] as Json[]
  await user.operate('POST', `/v1/programs/${String(program?.['id'])}/stop`)

  const text = await (await fetch(dashUrl)).text()
  expect(text).toContain(`<InbandEventStream schemeIdUri="${SCTE35}"/>`)
  const [representation] = parseMpd(text, { manifestUri: dashUrl }).playlists ?? []
  const get = async (url = '') => Buffer.from(await (await fetch(url)).arrayBuffer())
  const listed = representation?.segments ?? []
  const initUrl = new URL(listed[0]?.map?.uri ?? '', dashUrl).href
  const init = await get(initUrl)
  const segments = await Promise.all(listed.map(({ resolvedUri }) => get(resolvedUri)))
  const events = segments.flatMap((bytes, at) =>
    readBoxes(bytes, '')
      .filter(({ type }) => type === 'emsg')
      .map((box): EventMessage & { readonly segment: number } => ({ ...readEventMessage(box), segment: at })),
  )
  expect(events.map(({ schemeIdUri }) => schemeIdUri)).toEqual([SCTE35, ID3])
  // No later than in the segment that begins after it was said.
  for (const [at, latest] of [1, 2].entries()) expect(events[at]?.segment).toBeLessThanOrEqual(latest)
  expect(Buffer.from(events[0]?.data ?? []).toString('base64')).toBe(SPLICE_OUT)
  const stretch = { initUrl, init, segments }
  expect(mp4boxReading(stretch).samples).toHaveLength(CUED_SECONDS * 25)
  expect(shakaComplaints(writeStretch(join(folder, 'events.mp4'), stretch), 'video')).toBe('')

  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.setContent('<video muted></video><video muted></video>')
  for (const path of ['hls.js/dist/hls.js', 'dashjs/dist/modern/umd/dash.all.min.js'])
    await page.addScriptTag({ path: join(MODULES, path) })
  await page.evaluate(watchBoth(hlsUrl, dashUrl))
  await page.waitForFunction(
    '[...document.querySelectorAll("video")].every((each) => each.currentTime > 4.5)',
    undefined,
    {
      timeout: 20_000,
    },
  )
  const told = (await page.evaluate('window.told')) as Record<'hls' | 'dash', readonly Told[]>
  await page.close()
  expect(complaints).toEqual([])
  const words = told.hls.find(({ scheme }) => scheme === 'text')
  expect(words?.text).toBe('Grüße')
  expect(words?.at).toBeCloseTo(3, 1)
  const inDash = (scheme: string) => told.dash.filter((each) => each.scheme === scheme)
  // In segments and in the MPD an event has one id and one time, by which an application knows it again.
  for (const [own, other, seconds] of [
    [SCTE35, 'urn:scte:scte35:2014:xml+bin', 4],
    [ID3, 'urn:org.headend:marker:1', 3],
  ] as const) {
    expect(inDash(own).map(({ id }) => id)).toEqual(
      events.filter((each) => each.schemeIdUri === own).map(({ id }) => id),
    )
    expect(inDash(other).map(({ id }) => Number(id))).toEqual(inDash(own).map(({ id }) => id))
    for (const { at } of [...inDash(own), ...inDash(other)]) expect(at).toBeCloseTo(seconds, 1)
  }
  expect(inDash(ID3)[0]?.text).toBe('Grüße')

  // A player of Smooth Streaming that knows nothing of sparse streams plays on beside them.
  const smoothUrl = hlsUrl.replace(/index\.m3u8$/, 'manifest.ism/manifest')
  expect(await (await fetch(smoothUrl)).text()).toContain(`<f i="0">${SPLICE_OUT}</f>`)
  const smooth = await SmoothPage.open(browser, smoothUrl)
  await smooth.playing()
  expect(smooth.complaints).toEqual([])
  await smooth.close()
})
