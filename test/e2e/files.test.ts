import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rawRequest } from '../http/raw-request.ts'
import { ApiUser, type Json } from '../support/api.ts'
import { ffmpeg } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchMaster, fetchMedia, until } from '../support/playlist.ts'
import { frames } from '../support/progressive-opinion.ts'
import { type S3Server, startS3 } from '../support/s3-server.ts'

const scratch = mkdtempSync(join(tmpdir(), 'files-'))
const dataDir = temporaryFolder()
const options = {
  dataDir,
  config: {
    origin: { threads: 2 },
    storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }], allowPrivateEndpoints: true },
    bootstrap: { channels: [], programs: [] },
  },
  env: { MASTER_KEY_OF_THE_TEST: randomBytes(32).toString('base64') },
}
let server: S3Server
let headend: Headend
let api: ApiUser
let accountId = ''

const path = (name: string) => join(scratch, name)

/** Fourteen seconds, which are three segments, with B-frames and, at the end, their index. */
async function encode(name: string, size: string, gopFrames = 25, ...more: readonly string[]): Promise<void> {
  const gop = ['-g', `${gopFrames}`, '-keyint_min', `${gopFrames}`, '-sc_threshold', '0', '-bf', '2']
  await ffmpeg(
    ...['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=25`, '-f', 'lavfi', '-i', 'sine=sample_rate=48000'],
    ...['-t', '14', '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', ...gop, '-c:a', 'aac', ...more],
    path(name),
  )
}

beforeAll(async () => {
  await Promise.all([
    encode('film.mp4', '320x180'),
    encode('large.mp4', '640x360', 25, '-movflags', '+faststart'),
    encode('other.mp4', '320x180', 999),
  ])
  writeFileSync(path('broken.mp4'), readFileSync(path('film.mp4')))
  truncateSync(path('broken.mp4'), 20_000)
  server = await startS3()
  headend = await startHeadend(options)
  api = await (await ApiUser.of(headend)).inDefaultAccount()
  const { body } = await api.call('GET', '/v1/accounts?limit=1')
  accountId = String((body['items'] as Json[])[0]?.['id'])
})

afterAll(async () => {
  await headend?.stop()
  await server?.close()
  rmSync(scratch, { recursive: true, force: true })
  rmSync(dataDir, { recursive: true, force: true })
})

async function upload(assetId: unknown, name: string, source = name, more: Json = {}): Promise<Json> {
  const file = await api.ask(201, 'POST', `/v1/assets/${assetId}/files`, { name, ...more })
  const { controlUrl, apiKey } = headend.quickstart
  const answer = await fetch(`${controlUrl}/v1/assets/${assetId}/files/${file['id']}/content`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${apiKey}`, 'headend-account': accountId },
    body: readFileSync(path(source)),
  })
  expect(answer.status).toBe(200)
  return file
}

/** An asset of these files, published: where. */
async function published(name: string, files: readonly string[], more: Json = {}) {
  const { id: assetId } = await api.ask(201, 'POST', '/v1/assets', { name, ...more })
  for (const file of files) await upload(assetId, file)
  const { id } = await api.ask(201, 'POST', '/v1/locators', { assetId })
  return { assetId, id: String(id), base: `${headend.quickstart.streamingUrl}/${id}` }
}

const sums = (url: string, stream: string) => frames(url, stream).map(({ sum }) => sum)

async function segmentsOf(base: string): Promise<Buffer[]> {
  const [variant] = (await fetchMaster(`${base}/index.m3u8`)).variants
  const { segments } = await fetchMedia(variant?.url ?? '')
  return Promise.all(segments.map(async ({ url }) => (await rawRequest(url)).body))
}

async function problemAt(url: string) {
  const answer = await rawRequest(url)
  return { status: answer.status, ...(JSON.parse(answer.body.toString()) as { type: string; detail: string }) }
}

let film: Awaited<ReturnType<typeof published>>
/** What was served before the restart. */
const served = new Map<string, { readonly etag: unknown; readonly body: Buffer }>()

it('plays an uploaded file, as HLS and as DASH, frame by frame', async () => {
  film = await published('film', ['film.mp4'])
  const pictures = sums(path('film.mp4'), 'v')
  expect(pictures).toHaveLength(350)
  for (const url of [`${film.base}/index.m3u8`, `${film.base}/index.mpd`]) expect(sums(url, 'v')).toEqual(pictures)
  const sound = sums(path('film.mp4'), 'a')
  const heard = sums(`${film.base}/index.m3u8`, 'a')
  expect(heard.filter((sum) => sound.includes(sum)).length).toBeGreaterThanOrEqual(sound.length - 2)
  expect(Math.abs(heard.length - sound.length)).toBeLessThanOrEqual(1)
  const shown = await api.ask(200, 'GET', `/v1/locators/${film.id}/paths`)
  const urls = (shown['paths'] as Json[]).map(({ url }) => String(url))
  expect(urls).toContain(`${film.base}/film.ism/manifest(format=m3u8-cmaf)`)
  expect(shown['playerUrl']).toContain(encodeURIComponent(urls[0] ?? ''))
  for (const url of urls) expect((await fetch(url)).status, url).toBe(200)
  const read = () => api.ask(200, 'GET', `/v1/assets/${film.assetId}`)
  const asset = await until('what the asset is', 10_000, read, ({ tracks }) => (tracks as Json[]).length > 0)
  expect(asset).toMatchObject({
    state: 'Ready',
    tracksFrom: 'files',
    duration: expect.stringMatching(/^PT14(\.0\d*)?S$/),
  })
  expect((asset['tracks'] as Json[]).map(({ kind, width }) => [kind, width])).toEqual([
    ['video', 320],
    ['audio', undefined],
  ])
})

it('answers alike on every thread', async () => {
  const [variant] = (await fetchMaster(`${film.base}/index.m3u8`)).variants
  const { segments } = await fetchMedia(variant?.url ?? '')
  const urls = [`${film.base}/index.m3u8`, `${film.base}/index.mpd`, variant?.url ?? '', `${film.base}/film.mp4`]
  urls.push(segments[0]?.initUrl ?? '', ...segments.map(({ url }) => url))
  for (const url of urls) {
    // Each on a connection of its own, which the system gives to one thread or the other.
    const answers = await Promise.all(Array.from({ length: 12 }, () => rawRequest(url)))
    const [first] = answers
    expect(first?.status, url).toBe(200)
    for (const { body, headers } of answers) {
      expect(headers['etag']).toBe(first?.headers['etag'])
      expect(body.equals(first?.body as Buffer)).toBe(true)
    }
    served.set(new URL(url).pathname, { etag: first?.headers['etag'], body: first?.body as Buffer })
  }
})

it('gives the file itself, whole and in ranges', async () => {
  const bytes = readFileSync(path('film.mp4'))
  const url = `${film.base}/film.mp4`
  const whole = await rawRequest(url)
  expect(whole.body.equals(bytes)).toBe(true)
  expect(whole.headers).toMatchObject({
    'content-type': 'video/mp4',
    'content-disposition': 'attachment; filename="film.mp4"',
  })
  for (const [first, last] of [
    [0, 0],
    [17, 65_600],
    [bytes.byteLength - 9, bytes.byteLength - 1],
  ] as const) {
    const part = await rawRequest(url, { headers: { range: `bytes=${first}-${last}` } })
    expect([part.status, part.body.equals(bytes.subarray(first, last + 1))]).toEqual([206, true])
  }
  const known = { 'if-none-match': String(whole.headers['etag']) }
  expect((await rawRequest(url, { headers: known })).status).toBe(304)
})

it('plays several files as one, and follows them as they come and go', async () => {
  const set = await published('set', ['large.mp4'])
  const before = await fetchMaster(`${set.base}/index.m3u8`)
  expect(before.variants).toHaveLength(1)
  const small = await upload(set.assetId, 'small.mp4', 'film.mp4', { isPrimary: true })
  const both = await until(
    'the second file',
    5_000,
    () => fetchMaster(`${set.base}/small.ism/manifest(format=m3u8-cmaf)`),
    ({ variants }) => variants.length === 2,
  )
  const sizes = both.variants.map(({ attributes }) => /RESOLUTION=([\dx]+)/.exec(attributes)?.[1])
  expect(sizes.toSorted()).toEqual(['320x180', '640x360'])
  for (const { url, attributes } of both.variants) {
    const source = attributes.includes('640x360') ? 'large.mp4' : 'film.mp4'
    expect(sums(url, 'v')).toEqual(sums(path(source), 'v'))
  }
  const one = String(before.variants[0]?.url)
  expect((await fetch(one)).status).toBe(404)
  await api.ask(204, 'DELETE', `/v1/assets/${set.assetId}/files/${small['id']}`)
  const again = await until(
    'the first file alone',
    5_000,
    () => fetchMaster(`${set.base}/index.m3u8`),
    ({ variants }) => variants.length === 1,
  )
  // The same file makes the same addresses.
  expect(again.variants[0]?.url).toBe(one)
  await api.ask(204, 'DELETE', `/v1/locators/${set.id}`)
  for (const url of [one, `${set.base}/large.mp4`]) expect((await fetch(url)).status).toBe(404)
})

it('says what is wrong with files that can’t be played, and still gives them', async () => {
  const apart = await published('apart', ['film.mp4', 'other.mp4'])
  const misaligned = await problemAt(`${apart.base}/index.m3u8`)
  expect(misaligned).toMatchObject({ status: 409, type: 'urn:headend:problem:file-unplayable' })
  for (const name of ['film.mp4', 'other.mp4']) expect(misaligned.detail).toContain(name)
  expect(sums(`${apart.base}/other.mp4`, 'v')).toHaveLength(350)
  const broken = await published('broken', ['broken.mp4'])
  expect(await problemAt(`${broken.base}/index.mpd`)).toMatchObject({
    status: 409,
    type: 'urn:headend:problem:file-unplayable',
    detail: expect.stringContaining('broken.mp4'),
  })
  expect((await rawRequest(`${broken.base}/broken.mp4`)).body.equals(readFileSync(path('broken.mp4')))).toBe(true)
  expect(headend.lines().filter(({ level }) => level === 'error')).toEqual([])
})

it('plays a file of an encrypted asset in a bucket, when the bucket is there', async () => {
  const location = { endpoint: server.url, bucket: server.bucket, prefix: 'files' }
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
  const storage = { name: 'bucket', kind: 's3', location, credentials }
  const { id: storageAccountId } = await api.ask(201, 'POST', '/v1/storage-accounts', storage)
  const deliveryPolicyId = 'Predefined_DownloadAndClearStreaming'
  const stored = { storageAccountId, storageEncryption: 'aes256', deliveryPolicyId }
  const sealed = await published('sealed', ['film.mp4'], stored)
  server.fault = () => ({ status: 403, code: 'AccessDenied' })
  const away = await rawRequest(`${sealed.base}/index.m3u8`)
  expect([away.status, away.headers['retry-after']]).toEqual([503, '1'])
  server.fault = undefined
  // The bucket is served by this process, which no decoder may hold up: the same file in clear was decoded above.
  const plain = await segmentsOf(film.base)
  const opened = await segmentsOf(sealed.base)
  expect(opened).toHaveLength(3)
  for (const [index, bytes] of opened.entries()) expect(plain[index]?.equals(bytes)).toBe(true)
  const { body } = await rawRequest(`${sealed.base}/film.mp4`)
  expect(body.equals(readFileSync(path('film.mp4')))).toBe(true)
})

it('publishes nothing while no streaming endpoint runs', async () => {
  const { body } = await api.call('GET', '/v1/streaming-endpoints')
  const [endpoint] = body['items'] as Json[]
  await api.operate('POST', `/v1/streaming-endpoints/${endpoint?.['id']}/stop`)
  const urls = [...served.keys()].map((pathname) => `${headend.quickstart.streamingUrl}${pathname}`)
  for (const url of urls) expect((await rawRequest(url)).status, url).toBe(404)
  await api.operate('POST', `/v1/streaming-endpoints/${endpoint?.['id']}/start`)
  for (const url of urls) expect((await rawRequest(url)).status, url).toBe(200)
})

it('goes on under the same addresses after a restart', async () => {
  await headend.stop()
  headend = await startHeadend(options)
  expect(served.size).toBe(8)
  for (const [pathname, { etag, body }] of served) {
    const answer = await rawRequest(`${headend.quickstart.streamingUrl}${pathname}`)
    expect(answer.headers['etag'], pathname).toBe(etag)
    expect(answer.body.equals(body)).toBe(true)
  }
})
