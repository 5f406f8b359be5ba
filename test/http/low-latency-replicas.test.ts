import { afterEach, expect, it } from 'vitest'
import { FedOrigins } from './fed-origins.ts'
import { PartedLive, untilBlocked } from './parted-live.ts'
import { rawRequest } from './raw-request.ts'

const started: FedOrigins[] = []
afterEach(async () => {
  for (const fed of started.splice(0)) await fed.stop()
})

/** A log that is written as `live` is made, and origins that are fed by it. */
function setUp() {
  const live = new PartedLive({ rewindWindowMs: 60_000 })
  const { header, renditions } = live.presentation
  const fed = new FedOrigins(header, 1 << 22)
  started.push(fed)
  const { log, directory } = fed
  for (const track of renditions.flatMap(({ tracks }) => tracks)) log.append({ type: 'track-added', track })
  live.onRecord = (record, bytes) => void log.append(record, bytes)
  return { live, directory, origin: () => fed.start() }
}

const PLAYLISTS = ['video-1.m3u8', 'audio-1.m3u8', 'video-1.m3u8?_HLS_skip=YES', 'audio-1.m3u8?_HLS_msn=1']

/** Each playlist, plain and compressed, and what the newest and the oldest part in it are. */
async function answersOf(base: string): Promise<readonly unknown[]> {
  const master = (await rawRequest(`${base}/l/index.m3u8`)).body.toString()
  const folder = new URL(/c\/[^/]+\//.exec(master)?.[0] ?? '', `${base}/l/`).href
  const answers: unknown[] = [master]
  for (const name of PLAYLISTS) {
    const url = new URL(name, folder).href
    const plain = await rawRequest(url)
    const zipped = await rawRequest(url, { headers: { 'accept-encoding': 'gzip' } })
    const parts = [...plain.body.toString().matchAll(/#EXT-X-PART:.*URI="([^"]+)"/g)].map((match) => match[1] ?? '')
    const ends = await Promise.all([parts[0], parts.at(-1)].map((uri) => rawRequest(new URL(uri ?? '', url).href)))
    for (const { status, body, headers } of [plain, zipped, ...ends]) {
      answers.push([status, headers.etag, headers['cache-control'], body.toString('base64')])
    }
  }
  return answers
}

it('gives the same bytes and validators from every origin, whenever it began to read the log', async () => {
  const { live, directory, origin } = setUp()
  live.segments(12)
  const first = await origin()
  await directory.publish({ locatorId: 'l', manifestName: 'm', presentationId: 'p1' })
  live.open().part(0, 2).part(1)
  const second = await origin()
  await directory.publish({ locatorId: 'l', manifestName: 'm', presentationId: 'p1' })
  const steps: (() => void)[] = [
    () => undefined,
    () => live.part(0, 3).part(1, 2),
    () => live.part(0, 4).part(1, 6).close(),
    () => live.gap().discontinuity().open().part(0),
    () => live.part(0, 8).close().segments(2).open().part(0).part(1),
  ]
  for (const step of steps) {
    step()
    await directory.publish({ locatorId: 'l', manifestName: 'm', presentationId: 'p1' })
    const [a, b] = await Promise.all([answersOf(first.base), answersOf(second.base)])
    expect(a).toHaveLength(1 + 4 * PLAYLISTS.length)
    expect(b).toEqual(a)
  }
})

it('wakes who waits on every origin when the part has come there', async () => {
  const { live, directory, origin } = setUp()
  live.segments(4).open()
  const origins = [await origin(), await origin()]
  await directory.publish({ locatorId: 'l', manifestName: 'm', presentationId: 'p1' })
  const waiting = origins.map(async ({ base }) => {
    const master = (await rawRequest(`${base}/l/index.m3u8`)).body.toString()
    const folder = new URL(/c\/[^/]+\//.exec(master)?.[0] ?? '', `${base}/l/`).href
    const [playlist, part] = await Promise.all([
      rawRequest(`${folder}video-1.m3u8?_HLS_msn=4&_HLS_part=0`),
      rawRequest(`${folder}video-1/1.37.m4s`),
    ])
    return [playlist.body.toString(), part.body.toString('base64')]
  })
  for (const { server } of origins) await untilBlocked(server, 2)
  live.part(0)
  await directory.publish({ locatorId: 'l', manifestName: 'm', presentationId: 'p1' })
  const [a, b] = await Promise.all(waiting)
  expect(a?.[0]).toContain('URI="video-1/1.37.m4s",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT')
  expect(Buffer.from(a?.[1] ?? '', 'base64').equals(live.bytes.get('0/4')?.[0] ?? new Uint8Array())).toBe(true)
  expect(b).toEqual(a)
})
