import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, type MediaPlaylist, playingVariant, until } from '../support/playlist.ts'
import { type S3Server, startS3 } from '../support/s3-server.ts'

/** Spans come to storage soon, and memory holds little of what has come there. */
const config = { archive: { spanDuration: '4s' }, storage: { allowPrivateEndpoints: true }, log: { budget: '1MiB' } }

const dataDir = temporaryFolder()
let server: S3Server
let headend: Headend
let encoder: Encoder
let api: ApiUser
let program: Json
let url: string
/** What was served while it was live, by URL path. */
const live = new Map<string, Uint8Array>()

beforeAll(async () => {
  server = await startS3()
  headend = await startHeadend({ dataDir, config })
  encoder = publish(headend.publishUrl)
  api = await (await ApiUser.of(headend)).inDefaultAccount()
})

afterAll(async () => {
  await encoder?.stop()
  await headend?.stop()
  await server?.close()
  rmSync(dataDir, { recursive: true, force: true })
})

async function made(path: string, body: object): Promise<Json> {
  const answer = await api.call('POST', path, { body })
  expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  return answer.body
}

const spans = () => server.requests.filter(({ method, key }) => method === 'PUT' && key.endsWith('.cmfs'))

async function keep(playlist: MediaPlaylist): Promise<void> {
  for (const segment of playlist.segments) {
    const { pathname } = new URL(segment.url)
    if (!segment.gap && !live.has(pathname)) live.set(pathname, await fetchBytes(segment.url))
  }
}

it('records into a bucket, through a time in which it is away', async () => {
  const place = { endpoint: server.url, bucket: server.bucket, prefix: 'headend' }
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
  const storage = await made('/v1/storage-accounts', { name: 'bucket', kind: 's3', location: place, credentials })
  const asset = await made('/v1/assets', { name: 'kept', storageAccountId: storage['id'] })
  const [channel] = (await api.call('GET', '/v1/channels')).body['items'] as Json[]
  program = await made('/v1/programs', { name: 'kept', channelId: channel!['id'], assetId: asset['id'] })
  expect((await api.call('POST', `/v1/programs/${program['id']}/start?wait=30s`)).body['state']).toBe('succeeded')
  const locator = await made('/v1/locators', { assetId: asset['id'] })
  url = `${headend.quickstart.streamingUrl}/${locator['id']}/index.m3u8`
  const variant = await playingVariant(url, 3)
  await until(
    'a span in the bucket',
    30_000,
    async () => spans().length,
    (count) => count > 0,
  )
  await keep(await fetchMedia(variant.url))
  server.fault = () => ({ status: 503, code: 'SlowDown' })
  const { mediaSequence, segments } = await fetchMedia(variant.url)
  const isOn = (playlist: MediaPlaylist) =>
    playlist.mediaSequence + playlist.segments.length >= mediaSequence + segments.length + 3
  const later = await until('live going on', 30_000, () => fetchMedia(variant.url), isOn)
  expect(later.segments.some(({ gap }) => gap)).toBe(false)
  await keep(later)
  server.fault = undefined
  const before = spans().length
  await until(
    'recording going on',
    60_000,
    async () => spans().length,
    (count) => count > before + 2,
  )
  await keep(await fetchMedia(variant.url))
}, 180_000)

it('gives it back out of the bucket after a restart, byte for byte', async () => {
  expect((await api.call('POST', `/v1/programs/${program['id']}/stop?wait=30s`)).body['state']).toBe('succeeded')
  await encoder.stop()
  await until(
    'the end in the bucket',
    60_000,
    async () => journals(),
    (names) => names.length === 0,
  )
  await headend.stop()
  headend = await startHeadend({ dataDir, config })
  const { pathname } = new URL(url)
  const master = await fetchMaster(`${headend.quickstart.streamingUrl}${pathname}`)
  const playlist = await fetchMedia(master.variants[0]?.url ?? '')
  expect(playlist.ended).toBe(true)
  expect(playlist.segments.length).toBeGreaterThanOrEqual(live.size)
  const gets = server.requests.length
  const recorded = new Map<string, Uint8Array>()
  for (const { url: segment } of playlist.segments) recorded.set(new URL(segment).pathname, await fetchBytes(segment))
  expect(server.requests.slice(gets).some(({ method, key }) => method === 'GET' && key.endsWith('.cmfs'))).toBe(true)
  expect(live.size).toBeGreaterThan(5)
  for (const [path, bytes] of live) expect(Buffer.compare(recorded.get(path) ?? Buffer.alloc(0), bytes), path).toBe(0)
}, 120_000)

/** What of this recording is on this node's disk alone. */
function journals(): string[] {
  const folder = join(dataDir, 'spool', String(program['assetId']))
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.jrn')) : []
}

it('counts it, and removes it with its asset', async () => {
  api = await (await ApiUser.of(headend)).inDefaultAccount()
  const assetId = String(program['assetId'])
  const { body } = await api.call('GET', `/v1/assets/${assetId}/usage`)
  const media = [...live.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
  expect(body['bytes']).toBeGreaterThan(media)
  expect((await api.call('DELETE', `/v1/programs/${program['id']}`)).status).toBe(204)
  expect((await api.call('DELETE', `/v1/assets/${assetId}?force=true`)).status).toBe(204)
  const held = () => server.requests.filter(({ method, key }) => method === 'DELETE' && key.includes(assetId)).length
  await until(
    'its objects gone',
    60_000,
    async () => held(),
    (count) => count >= Number(body['objects']),
  )
}, 120_000)
