import { rmSync } from 'node:fs'
import { Parser } from 'm3u8-parser'
import { parse as parseMpd } from 'mpd-parser'
import { afterAll, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { publishCued, SPLICE_OUT } from '../support/cued-stream.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchMaster, playingVariant, until } from '../support/playlist.ts'

const dataDir = temporaryFolder()
let headend: Headend | undefined

afterAll(async () => {
  await headend?.kill()
  rmSync(dataDir, { recursive: true, force: true })
})

/** What the encoder says of breaks and texts. */
const SAID = [
  { atMs: 2_000, values: ['onAdCue', { cue: SPLICE_OUT, type: 'scte35', id: 'x', time: 4, duration: 60 }] },
  { atMs: 3_000, values: ['onTextData', { text: 'Grüße & mehr', language: 'de' }] },
]

const text = async (url: string) => (await fetch(url)).text()

/** What the two manifests say of markers, as players' parsers read them. */
async function markersOf({ quickstart }: Headend) {
  const [variant] = (await fetchMaster(quickstart.hlsUrl)).variants
  const parser = new Parser()
  parser.push(await text(variant?.url ?? ''))
  parser.end()
  const events = parseMpd(await text(quickstart.dashUrl), { manifestUri: quickstart.dashUrl }).eventStream ?? []
  return { dateRanges: parser.manifest.dateRanges, events }
}

it('the markers of an encoder and of the API stand in both manifests, also after a restart, and to the end', async () => {
  headend = await startHeadend({ dataDir })
  const { streamKey } = headend.quickstart
  const publisher = await publishCued(headend.rtmpPort, streamKey, SAID)
  await playingVariant(headend.quickstart.hlsUrl, 4)
  const user = await (await ApiUser.of(headend)).inDefaultAccount()
  const [channel] = (await user.ask(200, 'GET', '/v1/channels'))['items'] as Json[]
  const path = `/v1/channels/${String(channel?.['id'])}/ad-markers`
  const made = await user.ask(201, 'POST', path, { type: 'splice-out', id: 'api-1', values: { campaign: 'summer' } })
  expect(await user.ask(200, 'POST', path, { type: 'splice-out', id: 'api-1' })).toMatchObject({ id: 'api-1' })

  const running = headend
  const isComplete = ({ dateRanges, events }: Awaited<ReturnType<typeof markersOf>>) =>
    dateRanges.length === 3 && events.length === 3
  const live = await until('the markers', 5_000, () => markersOf(running), isComplete)
  const splice = live.dateRanges.find(({ id }) => id === 'splice-1207959695')
  const hex = Buffer.from(SPLICE_OUT, 'base64').toString('hex').toUpperCase()
  expect(splice).toMatchObject({ class: 'org.headend.ad-break', plannedDuration: 60.294, scte35Out: `0x${hex}` })
  const ad = live.dateRanges.find(({ id }) => id === 'api-1')
  expect(ad).toMatchObject({ xCampaign: 'summer', startDate: new Date(String(made['at'])) })
  expect(live.dateRanges.find(({ class: kind }) => kind === 'org.headend.text')).toMatchObject({
    xText: 'Grüße & mehr',
  })
  expect(live.events.map(({ schemeIdUri }) => schemeIdUri).toSorted()).toEqual([
    'urn:org.headend:marker:1',
    'urn:scte:scte35:2014:xml+bin',
    'urn:scte:scte35:2014:xml+bin',
  ])
  // The encoder's own time: four seconds behind where its media begins.
  const { playlist } = await playingVariant(headend.quickstart.hlsUrl, 1)
  expect(playlist.mediaSequence).toBe(0)
  const beginsMs = playlist.segments[0]?.programDateTimeMs ?? 0
  expect(Math.abs(Number(splice?.startDate) - beginsMs - 4_000)).toBeLessThanOrEqual(50)
  const told = () => user.ask(200, 'GET', '/v1/events?types=channel.ad-marker-changed')
  await until('the events', 5_000, told, ({ items }) => (items as Json[]).length === 2)

  await publisher.close()
  expect(await headend.stop()).toBe(0)
  headend = await startHeadend({ dataDir })
  const again = headend
  const back = await until('the markers after a restart', 10_000, () => markersOf(again), isComplete)
  expect(back.dateRanges).toEqual(live.dateRanges)
  const later = await (await ApiUser.of(headend)).inDefaultAccount()
  const ended = await later.ask(200, 'POST', path, { type: 'splice-in', id: 'api-1' })
  expect(ended).toMatchObject({ id: 'api-1', state: 'ended', scte35: made['scte35'] })
  const isOver = ({ dateRanges }: typeof back) =>
    dateRanges.some(({ id, duration }) => id === 'api-1' && Number(duration) > 0)
  const over = await until('the end of the break', 5_000, () => markersOf(again), isOver)
  expect(over.dateRanges.find(({ id }) => id === 'api-1')).toMatchObject({
    ...ad,
    scte35In: expect.stringMatching(/^0xFC/),
  })

  const [program] = (await later.ask(200, 'GET', '/v1/programs'))['items'] as Json[]
  await later.operate('POST', `/v1/programs/${String(program?.['id'])}/stop`)
  const onDemand = await markersOf(again)
  expect(onDemand.dateRanges.map(({ id }) => id)).toEqual(expect.arrayContaining(['api-1', 'splice-1207959695']))
  expect(onDemand.events.length).toBeGreaterThanOrEqual(4)
})
