import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Channel } from '../../src/domain/channel.ts'
import { RtmpListener } from '../../src/ingest/rtmp-listener.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { OriginServer } from '../../src/origin/origin-server.ts'
import { type EncodedTrack, encode, picture, tone } from '../support/flv-encoded.ts'
import type { FlvMessage } from '../support/flv-file.ts'
import { interleave, legacyMessages } from '../support/flv-publish.ts'
import { LiveNode } from '../support/live-node.ts'
import { RecordingObserver } from '../support/rtmp-ingest.ts'
import { RtmpPublisher, RtmpRefused } from '../support/rtmp-publisher.ts'
import { until } from '../support/until.ts'

/** Real encoders into channels that are started and changed as the supervisor does it, and viewers over HTTP. */

const SECONDS = 6
const GOP = ['-bf', '0', '-g', '12', '-keyint_min', '12', '-sc_threshold', '0', '-pix_fmt', 'yuv420p']
const CUT = { output: { segmentDuration: 'PT0.5S' }, input: { keyFrameInterval: 'PT0.5S' } }

let messages: FlvMessage[] = []
let node: LiveNode
let origin: OriginServer
let listener: RtmpListener
let base = ''
let clockAheadMs = 0
const publishers: RtmpPublisher[] = []

/** The viewers' clock may be set ahead, to see what comes. */
const viewersClock = { ...systemClock, now: () => systemClock.now() + clockAheadMs }

beforeAll(async () => {
  const pictures = encode([...picture('160x90', '24', SECONDS), '-c:v', 'libx264', '-preset', 'ultrafast', ...GOP])
  const sounds = encode([...tone(44_100, 2, SECONDS), '-c:a', 'aac'])
  messages = interleave(
    legacyMessages(pictures.tracks[0] as EncodedTrack),
    legacyMessages(sounds.tracks[0] as EncodedTrack),
  )
  node = await LiveNode.start({ clock: systemClock, heartbeatMs: 1_000 })
  const { directory, gate, pool } = node
  listener = new RtmpListener({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    gate,
    observer: new RecordingObserver(),
    logger: silentLogger,
    pool,
    limits: { lingerMs: 500 },
  })
  await listener.start()
  origin = new OriginServer(
    { host: '127.0.0.1', port: 0 },
    {
      publications: directory,
      fragments: directory,
      observer: { started: () => undefined, request: () => undefined },
      clock: viewersClock,
    },
  )
  base = `http://127.0.0.1:${(await origin.start()).port}`
})

afterEach(async () => {
  clockAheadMs = 0
  await Promise.all(publishers.splice(0).map((publisher) => publisher.close()))
})

afterAll(async () => {
  await listener.stop()
  await origin.stop()
  await node.stop()
})

async function publish(key: string, layer?: string): Promise<RtmpPublisher> {
  const publisher = await RtmpPublisher.publish({
    host: '127.0.0.1',
    port: listener.port,
    streamName: layer === undefined ? key : `${key}/${layer}`,
    chunkSize: 4096,
  })
  publishers.push(publisher)
  return publisher
}

/** Sends the milliseconds from `fromMs` to `toMs`, at once. */
async function send(publisher: RtmpPublisher, fromMs: number, toMs: number): Promise<void> {
  for (const { messageType, timestampMs, payload } of messages) {
    const isHeader = timestampMs === 0 && fromMs === 0
    if (isHeader || (timestampMs >= fromMs && timestampMs < toMs))
      await publisher.send(messageType, timestampMs, payload)
  }
}

const get = (path: string) => fetch(`${base}${path}`, { headers: { connection: 'close' } })
const statusOf = async (path: string) => (await get(path)).status

async function sequences(locatorId: string): Promise<string[]> {
  const master = await (await get(`/${locatorId}/index.m3u8`)).text()
  const media = /^c\/.*m3u8$/m.exec(master)?.[0] ?? ''
  const playlist = await (await get(`/${locatorId}/${media}`)).text()
  return playlist.split('\n').filter((line) => line !== '')
}

const segmentsOf = async (locatorId: string) =>
  (await sequences(locatorId)).filter((line) => line.endsWith('.m4s')).length

async function whenServed(locatorId: string, segments: number): Promise<void> {
  for (
    let tries = 0;
    (await statusOf(`/${locatorId}/index.m3u8`)) !== 200 || (await segmentsOf(locatorId)) < segments;
  ) {
    if (++tries > 200) throw new Error(`never ${segments} segments under ${locatorId}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function running(name: string, given: Record<string, unknown> = {}) {
  const channel = await node.channel({ name, ...CUT, ...given })
  return { channel, live: await node.run(channel) }
}

describe('a channel of the store', () => {
  it('runs overlapping programs, each to be watched under a locator chosen in advance, and on after its end', async () => {
    const { channel, live } = await running('overlap')
    const first = await node.program(channel, { name: 'first' })
    const second = await node.program(channel, { name: 'second', manifestName: 'other' })
    const inAdvance = '6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b'
    await node.locator(first.assetId, { id: inAdvance })
    expect(await statusOf(`/${inAdvance}/index.m3u8`)).toBe(404)
    await live.startProgram(first)
    expect(await statusOf(`/${inAdvance}/index.m3u8`)).toBe(412)

    const encoder = await publish(channel.streamKeys.primary)
    await send(encoder, 0, 2_000)
    await whenServed(inAdvance, 2)
    await live.startProgram(second)
    const later = await node.locator(second.assetId)
    await send(encoder, 2_000, 4_000)
    await whenServed(later.id, 2)
    expect(await statusOf(`/${later.id}/other.ism/manifest(format=mpd-time-cmaf)`)).toBe(200)
    expect(await statusOf(`/${later.id}/manifest.ism/manifest(format=mpd-time-cmaf)`)).toBe(404)
    expect(await segmentsOf(later.id)).toBeLessThan(await segmentsOf(inAdvance))

    const stopping = live.stopProgram(first.id)
    await send(encoder, 4_000, 6_000)
    const recorded = await stopping
    expect(recorded.durationMs).toBeGreaterThan(3_000)
    expect(recorded.tracks).toMatchObject([
      { kind: 'video', width: 160, height: 90, codec: expect.stringMatching(/^avc1/) },
      { kind: 'audio', codec: 'mp4a.40.2' },
    ])
    const ended = await sequences(inAdvance)
    expect(ended).toContain('#EXT-X-ENDLIST')
    expect(await sequences(later.id)).not.toContain('#EXT-X-ENDLIST')
    await live.stop()
    expect(await sequences(inAdvance)).toEqual(ended)

    await node.remove('program', first)
    await node.remove('locator', (await node.repository.get('locator', inAdvance, node.accountId)) as never)
    await node.remove('asset', await node.repository.get('asset', first.assetId, node.accountId))
    await until(() => node.shelf.find(first.assetId) === undefined)
    expect(await statusOf(`/${inAdvance}/index.m3u8`)).toBe(404)
  })

  it('keeps to start and expiry of a locator, to its revocation and to the endpoint, at the next request', async () => {
    const { channel, live } = await running('times')
    const program = await node.program(channel, { name: 'timed' })
    await live.startProgram(program)
    const inMs = (ms: number) => new Date(systemClock.now() + ms).toISOString()
    const [open, timed, coming] = await Promise.all([
      node.locator(program.assetId),
      node.locator(program.assetId, { expiry: inMs(600_000) }),
      node.locator(program.assetId, { start: inMs(600_000) }),
    ])
    const encoder = await publish(channel.streamKeys.secondary)
    await send(encoder, 0, 3_000)
    await whenServed(open.id, 2)
    await whenServed(timed.id, 2)
    const all = () => Promise.all([open, timed, coming].map(({ id }) => statusOf(`/${id}/index.m3u8`)))
    expect(await all()).toEqual([200, 200, 404])
    const media = (await sequences(timed.id)).find((line) => line.endsWith('.m4s')) ?? ''
    const master = await (await get(`/${timed.id}/index.m3u8`)).text()
    const folder = (/^c\/[^/]+\//m.exec(master)?.[0] ?? '').slice(0, -1)
    const segment = await get(`/${timed.id}/${folder}/${media}`)
    expect(segment.status).toBe(200)
    const maxAge = Number(/max-age=(\d+)/.exec(segment.headers.get('cache-control') ?? '')?.[1])
    expect(maxAge).toBeLessThanOrEqual(600)
    expect(maxAge).toBeGreaterThan(500)
    clockAheadMs = 600_500
    expect(await all()).toEqual([200, 404, 200])
    expect(await statusOf(`/${timed.id}/${folder}/${media}`)).toBe(404)
    const etag = { 'if-none-match': segment.headers.get('etag') ?? '' }
    expect((await fetch(`${base}/${timed.id}/${folder}/${media}`, { headers: etag })).status).toBe(404)
    clockAheadMs = 0

    await node.remove('locator', open)
    await node.publisher.withdrawn(open.id)
    expect(await all()).toEqual([404, 200, 404])
    await node.publisher.endpoints.stop(node.endpoint)
    expect(await all()).toEqual([404, 404, 404])
    await node.publisher.endpoints.start(node.endpoint)
    expect(await all()).toEqual([404, 200, 404])
    await live.stop()
  })

  it('shows its preview to whom it allows, from its start to its stop', async () => {
    const { channel, live } = await running('preview')
    const preview = `/${channel.previewLocatorId}`
    expect(await statusOf(`${preview}/index.m3u8`)).toBe(412)
    const encoder = await publish(channel.streamKeys.primary)
    await send(encoder, 0, 3_000)
    await whenServed(channel.previewLocatorId, 2)
    expect(await statusOf(`${preview}/preview.ism/manifest(format=m3u8-cmaf)`)).toBe(200)
    const allow = (allowIp: string[]) => node.change({ ...channel, preview: { allowIp } } as Channel)
    allow(['192.0.2.0/24'])
    const denied = await get(`${preview}/index.m3u8`)
    expect([denied.status, await denied.json()]).toMatchObject([403, { type: 'urn:headend:problem:address-denied' }])
    allow(['127.0.0.0/8', '2001:db8::/32'])
    const allowed = await get(`${preview}/index.m3u8`)
    expect([allowed.status, allowed.headers.get('cache-control')]).toEqual([200, expect.stringMatching(/^private/)])
    await live.stop()
    expect(await statusOf(`${preview}/index.m3u8`)).toBe(404)
  })

  it('disconnects who published with a key that was changed, and takes the new one', async () => {
    const { channel, live } = await running('rotated')
    const encoder = await publish(channel.streamKeys.primary)
    const other = await publish(channel.streamKeys.secondary, 'second')
    await send(encoder, 0, 1_000)
    await send(other, 0, 1_000)
    const changed = { ...channel, streamKeys: { ...channel.streamKeys, primary: 'a-new-primary-key' } } as Channel
    node.change(changed)
    await until(() => encoder.statuses.some(({ code }) => code !== 'NetStream.Publish.Start'))
    expect(encoder.statuses.at(-1)).toMatchObject({ description: 'The stream key was changed: ask for the new one.' })
    await until(() => node.told('channel.encoder-disconnected').some(({ reason }) => reason === 'key-rotated'))
    await expect(publish(channel.streamKeys.primary)).rejects.toThrow(RtmpRefused)
    const returned = await publish('a-new-primary-key')
    await send(returned, 0, 500)
    await send(other, 1_000, 2_000)
    expect(other.socket.destroyed).toBe(false)
    const about = (layer: string, input: string) => expect.objectContaining({ layer, input, address: '127.0.0.1' })
    const mine = node.events.filter(({ subject }) => subject.id === channel.id)
    expect(mine.filter(({ type }) => type === 'channel.encoder-connected').map(({ data }) => data)).toEqual([
      about('default', 'primary'),
      about('second', 'secondary'),
      about('default', 'primary'),
    ])
    await live.stop()
    await until(() => returned.statuses.at(-1)?.description === 'The channel was stopped.')
  })

  it('goes on after a reset with a new stretch, its encoder told to come back', async () => {
    const { channel, live } = await running('reset')
    const program = await node.program(channel, { name: 'through-reset' })
    const locator = await node.locator(program.assetId)
    await live.startProgram(program)
    const encoder = await publish(channel.streamKeys.primary)
    await send(encoder, 0, 2_000)
    await whenServed(locator.id, 2)
    await live.reset()
    await until(() => encoder.statuses.at(-1)?.description === 'The channel was reset: connect again.')
    const before = await segmentsOf(locator.id)
    const again = await publish(channel.streamKeys.primary)
    await send(again, 0, 3_000)
    await whenServed(locator.id, before + 2)
    const lines = await sequences(locator.id)
    expect(lines.filter((line) => line === '#EXT-X-DISCONTINUITY')).toHaveLength(1)
    expect(lines).not.toContain('#EXT-X-ENDLIST')
    expect(node.told('channel.encoder-disconnected').map(({ reason }) => reason)).toContain('reset')
    await live.stop()
  })

  it('turns encoders away with what it is, and tells of it once', async () => {
    const channel = await node.channel({ name: 'idle', ...CUT })
    await expect(publish(channel.streamKeys.primary)).rejects.toThrow(
      'The channel idle is not running: start it first.',
    )
    await expect(publish(channel.streamKeys.primary)).rejects.toThrow('not running')
    await expect(publish('nobodys-key')).rejects.toThrow('The stream key is not known here.')
    const rejected = node.events.filter(({ type }) => type === 'channel.encoder-rejected')
    expect(rejected).toMatchObject([
      { subject: { id: channel.id }, data: { reason: 'not-running', address: '127.0.0.1', layer: 'default' } },
    ])
    const nobody = { ...channel, input: { ...channel.input, allowIp: [] } } as Channel
    node.change(nobody)
    await node.run(nobody)
    await expect(publish(channel.streamKeys.primary)).rejects.toThrow('Publishing from 127.0.0.1 is not allowed.')
    await node.channels.find(channel.id)?.stop()
  })
})
