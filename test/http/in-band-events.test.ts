import { afterEach, expect, it } from 'vitest'
import { Program } from '../../src/channel/program.ts'
import { readBoxes } from '../../src/media/isobmff/boxes.ts'
import { readEventMessage } from '../../src/media/isobmff/event-message.ts'
import { eventId } from '../../src/presentation/marker-events.ts'
import type { Marker } from '../../src/presentation/markers.ts'
import { Presentation } from '../../src/presentation/presentation.ts'
import { FedOrigins } from './fed-origins.ts'
import { START_SECONDS } from './origin-fixture.ts'
import { PARTS_PER_SEGMENT, PartedLive, TARGET_SECONDS } from './parted-live.ts'
import { rawRequest } from './raw-request.ts'

const started: FedOrigins[] = []
afterEach(async () => {
  for (const fed of started.splice(0)) await fed.stop()
})

const scte35 = Uint8Array.of(0xfc, 0x30, 1)

/** A channel's records, a program that takes them, its log, and who reads that. */
function setUp() {
  const live = new PartedLive({ rewindWindowMs: 600_000 })
  const { header, renditions } = live.presentation
  const fed = new FedOrigins(header, 1 << 22)
  started.push(fed)
  const { log, directory } = fed
  const tracks = renditions.flatMap((rendition) => rendition.tracks)
  const program = new Program(log, { nextSequence: 0, discontinuitySequence: undefined }, () => undefined)
  live.onRecord = (record, bytes) => program.take(bytes ? { record, bytes } : { record }, tracks)
  const tell = (id: string, seconds: number, more: Partial<Marker> = {}) => {
    const startTicks = (START_SECONDS + seconds) * 90_000
    const marker: Marker = {
      version: 1,
      id,
      kind: 'ad-break',
      startTicks,
      wallMs: startTicks / 90,
      revision: 0,
      ...more,
    }
    program.take({ record: { type: 'marker', ...marker } }, tracks)
    return marker
  }
  return { live, fed, log, directory, tell }
}

async function originOf(fed: FedOrigins) {
  const { base: address, replica } = await fed.start()
  const base = `${address}/l/`
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const { status, headers: answered, body } = await rawRequest(new URL(path, base).href, { headers })
    return { status, etag: answered.etag, body }
  }
  const folder = /c\/[^/]+\//.exec((await get('index.m3u8')).body.toString())?.[0] ?? ''
  const caughtUp = () => replica.waitForPart('p1', fed.log.view.live?.partVersion ?? 0, AbortSignal.timeout(5_000))
  return { get, caughtUp, child: (path: string, headers = {}) => get(folder + path, headers) }
}

const segmentOf = (sequence: number, track = 'video-1', timescale = 90_000) =>
  `${track}/${(START_SECONDS + sequence * TARGET_SECONDS) * timescale}.m4s`

/** The fixtures' fragments are no boxes: what stands before them is. */
function eventsIn(body: Uint8Array, stored: number) {
  return readBoxes(body.subarray(0, body.byteLength - stored), '').map(readEventMessage)
}

it('a marker is in the first segment that opens after it was told, and changes nothing of what was served before', async () => {
  const { live, fed, log, directory, tell } = setUp()
  live.segments(2)
  await directory.publish({ locatorId: 'l', manifestName: 'Stream', presentationId: 'p1', accountId: 'a' })
  const early = await originOf(fed)
  live.open().part(0, 2).part(1)
  const seen = new Map<string, unknown>()
  const look = async (...paths: string[]) => {
    await early.caughtUp()
    for (const path of paths) {
      const answer = await early.child(path)
      expect(answer.status, path).toBe(200)
      seen.set(path, answer)
    }
  }
  await look(segmentOf(1), 'video-1/1.19.m4s')
  const begun = tell('b', 11, { plannedTicks: 2_700_000, scte35 })
  tell('t', 9, { kind: 'text', values: { text: 'Grüße' } })
  await look('video-1/1.20.m4s')
  live
    .part(0, PARTS_PER_SEGMENT - 2)
    .part(1, PARTS_PER_SEGMENT - 1)
    .close()
  await look(segmentOf(2))
  live.open().part(0, 3).part(1, 3)
  await look('video-1/1.28.m4s', 'video-1/1.29.m4s', 'audio-1/2.28.m4s')
  tell('b', 11, { ...begun, durationTicks: 360_000, scte35In: scte35, revision: 1 })
  tell('c', 30, { scte35 })
  tell('c', 30, { scte35, isCancelled: true, revision: 1 })
  live
    .part(0, PARTS_PER_SEGMENT - 3)
    .part(1, PARTS_PER_SEGMENT - 3)
    .close()
    .segments(2)
  await look(segmentOf(3), segmentOf(4), segmentOf(5), segmentOf(3, 'audio-1', 48_000))

  const bodyOf = (path: string) => (seen.get(path) as { body: Buffer }).body
  const stored = (sequence: number) => live.joined(0, sequence).byteLength
  const told = eventsIn(bodyOf(segmentOf(3)), stored(3))
  expect(told).toMatchObject([
    { schemeIdUri: 'https://aomedia.org/emsg/ID3', id: eventId('t'), presentationTime: (START_SECONDS + 9) * 90_000 },
    { schemeIdUri: 'urn:scte:scte35:2013:bin', value: '', id: eventId('b'), timescale: 90_000, duration: 2_700_000 },
  ])
  expect(told[1]?.presentationTime).toBe(begun.startTicks)
  expect(Uint8Array.from(told[1]?.data ?? [])).toEqual(scte35)
  expect(eventsIn(bodyOf(segmentOf(4)), stored(4))).toMatchObject([
    { id: eventId('b/in'), presentationTime: begun.startTicks + 360_000 },
  ])
  for (const sequence of [1, 2, 5]) expect(bodyOf(segmentOf(sequence)).equals(live.joined(0, sequence))).toBe(true)
  expect(bodyOf(segmentOf(3, 'audio-1', 48_000)).equals(live.joined(1, 3))).toBe(true)
  const parts = ['video-1/1.28.m4s', 'video-1/1.29.m4s'].map(bodyOf)
  expect(bodyOf(segmentOf(3)).subarray(0, Buffer.concat(parts).byteLength).equals(Buffer.concat(parts))).toBe(true)

  // Who comes later, and who reads what a log leaves, finds the same under every address.
  const late = await originOf(fed)
  const copy = new Presentation(log.view.header)
  for (const record of log.records()) copy.apply(record)
  for (let sequence = 0; sequence < 6; sequence++) expect(copy.events(sequence)).toEqual(log.view.events(sequence))
  for (const [path, answer] of seen) {
    expect(await early.child(path), path).toEqual(answer)
    expect(await late.child(path), path).toEqual(answer)
  }
  const mpds = await Promise.all([early, late].map(({ get }) => get('index.mpd')))
  expect(mpds[1]).toEqual(mpds[0])
  const mpd = mpds[0]?.body.toString() ?? ''
  expect(mpd.match(/<InbandEventStream schemeIdUri="[^"]+"\/>/g)).toHaveLength(2)
  expect(mpd).toContain(`id="${eventId('b')}"`)
})

it('playlists of key frames name the bytes behind the events', async () => {
  const { live, fed, directory, tell } = setUp()
  live.segments(1)
  tell('b', 5, { scte35 })
  live.segments(2)
  await directory.publish({ locatorId: 'l', manifestName: 'Stream', presentationId: 'p1', accountId: 'a' })
  const { child } = await originOf(fed)
  const ranges = (await child('video-1-iframes.m3u8')).body.toString().match(/BYTERANGE:\d+@\d+/g)
  const eventBytes = (await child(segmentOf(1))).body.byteLength - live.joined(0, 1).byteLength
  expect(eventBytes).toBeGreaterThan(40)
  expect(ranges).toEqual(['BYTERANGE:100@0', `BYTERANGE:100@${eventBytes}`, 'BYTERANGE:100@0'])
  const range = { range: `bytes=${eventBytes}-${eventBytes + 99}` }
  expect((await child(segmentOf(1), range)).body.equals(live.joined(0, 1).subarray(0, 100))).toBe(true)
})

it('an evicted segment takes its events with it', () => {
  const { live, log, tell } = setUp()
  tell('b', 5, { scte35 })
  live.segments(3)
  expect(log.view.events(0)?.kind).toBe('video')
  log.append({ type: 'evicted', firstSequence: 1 })
  expect(log.view.events(0)).toBeUndefined()
})
