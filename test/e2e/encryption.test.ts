import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, type MediaPlaylist, playingVariant, until } from '../support/playlist.ts'
import { sharedRun } from '../support/shared-run.ts'

const dataDir = temporaryFolder()
/** Spans come to storage soon, and memory holds little of what has come there. */
const options = {
  dataDir,
  config: {
    archive: { spanDuration: '4s' },
    log: { budget: '1MiB' },
    storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] },
  },
  env: { MASTER_KEY_OF_THE_TEST: randomBytes(32).toString('base64') },
}

let headend: Headend
let encoder: Encoder
let api: ApiUser
let program: Json
let url: string
/** What was served while it was live, by URL path. */
const live = new Map<string, Uint8Array>()
/** The salts of all journals and blobs that were ever seen, by file. */
const salts = new Map<string, string>()

beforeAll(async () => {
  headend = await startHeadend(options)
  encoder = publish(headend.publishUrl)
  api = await (await ApiUser.of(headend)).inDefaultAccount()
})

afterAll(async () => {
  await encoder?.stop()
  await headend?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

async function made(path: string, body: object): Promise<Json> {
  const answer = await api.call('POST', path, { body })
  expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  return answer.body
}

/** Every file of the asset, wherever in the data folder it is. */
function assetFiles(): string[] {
  return readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.split('/').includes(String(program['assetId'])))
    .map((path) => join(dataDir, path))
    .filter((path) => existsSync(path) && statSync(path).isFile())
}

const journals = () => assetFiles().filter((path) => path.endsWith('.jrn'))
const spans = () => assetFiles().filter((path) => path.endsWith('.cmfs'))

/** Each salt stands in one file alone. */
function noteSalts(): void {
  for (const path of assetFiles()) {
    const head = readFileSync(path).subarray(0, 40)
    const isSealed = ['HEADJRS1', 'HDSB\x01\x11\0\0'].includes(head.toString('latin1', 0, 8))
    if (isSealed) salts.set(`${path} ${head.toString('hex', 8)}`, head.toString('hex', 8))
  }
}

async function keep(playlist: MediaPlaylist): Promise<void> {
  for (const segment of playlist.segments) {
    const { pathname } = new URL(segment.url)
    if (!segment.gap && !live.has(pathname)) live.set(pathname, await fetchBytes(segment.url))
  }
  noteSalts()
}

async function variantUrl(): Promise<string> {
  const master = await fetchMaster(`${headend.quickstart.streamingUrl}${new URL(url).pathname}`)
  return master.variants[0]?.url ?? ''
}

it('records an encrypted asset, on through a crash', async () => {
  const [channel] = (await api.call('GET', '/v1/channels')).body['items'] as Json[]
  program = await made('/v1/programs', { name: 'sealed', channelId: channel?.['id'], storageEncryption: 'aes256' })
  expect((await api.call('POST', `/v1/programs/${program['id']}/start?wait=30s`)).body['state']).toBe('succeeded')
  // What is stored encrypted is delivered as a policy says, or not at all.
  const refused = await api.call('POST', '/v1/locators', { body: { assetId: program['assetId'] } })
  expect([refused.status, refused.body['detail']]).toEqual([409, expect.stringContaining('delivery policy')])
  const deliveryPolicyId = 'Predefined_DownloadAndClearStreaming'
  const locator = await made('/v1/locators', { assetId: program['assetId'], deliveryPolicyId })
  url = `${headend.quickstart.streamingUrl}/${locator['id']}/index.m3u8`
  const variant = await playingVariant(url, 3)
  await until(
    'a span in storage',
    30_000,
    async () => spans().length,
    (count) => count > 0,
  )
  await keep(await fetchMedia(variant.url))
  const { mediaSequence, segments } = await fetchMedia(variant.url)
  await headend.kill()
  await encoder.stop()
  headend = await startHeadend(options)
  encoder = publish(headend.publishUrl)
  const isOn = (playlist: MediaPlaylist) =>
    playlist.mediaSequence + playlist.segments.filter(({ gap }) => !gap).length >= mediaSequence + segments.length + 3
  await keep(await until('the recording going on', 60_000, async () => fetchMedia(await variantUrl()), isOn))
}, 180_000)

it('leaves no run of the media on the disk, in journals and in storage', async () => {
  const media = Buffer.concat([...live.values()])
  expect(journals().length + spans().length).toBeGreaterThan(2)
  let readBytes = 0
  for (const path of assetFiles()) {
    const stored = readFileSync(path)
    readBytes += stored.byteLength
    expect(sharedRun(media, stored, 16), path).toBeUndefined()
  }
  expect(readBytes).toBeGreaterThan(media.byteLength / 2)
}, 120_000)

it('uses no salt twice, so that no nonce is', () => {
  expect(salts.size).toBeGreaterThan(4)
  expect(new Set(salts.values()).size).toBe(salts.size)
})

it('gives it back byte for byte out of storage after a restart, but for what was altered there', async () => {
  api = await (await ApiUser.of(headend)).inDefaultAccount()
  expect((await api.call('POST', `/v1/programs/${program['id']}/stop?wait=30s`)).body['state']).toBe('succeeded')
  await encoder.stop()
  await until(
    'the end in storage',
    60_000,
    async () => journals(),
    (names) => names.length === 0,
  )
  await headend.stop()
  // A bit near the end of the largest span: of the last segment in it.
  const [target = ''] = spans().toSorted((a, b) => statSync(b).size - statSync(a).size)
  const intact = readFileSync(target)
  const altered = Buffer.from(intact)
  altered[altered.byteLength - 1_000] = (altered[altered.byteLength - 1_000] ?? 0) ^ 4
  writeFileSync(target, altered)
  headend = await startHeadend(options)
  const playlist = await fetchMedia(await variantUrl())
  expect(playlist.ended).toBe(true)
  const failed: string[] = []
  let compared = 0
  for (const { url: segment, gap } of playlist.segments) {
    if (gap) continue
    const { pathname } = new URL(segment)
    const answer = await fetch(segment)
    const bytes = Buffer.from(await answer.arrayBuffer().catch(() => new ArrayBuffer(0)))
    if (answer.status !== 200) failed.push(`${answer.status} ${pathname}`)
    else if (live.has(pathname)) {
      expect(bytes.equals(live.get(pathname) ?? Buffer.alloc(0)), pathname).toBe(true)
      compared += 1
    }
  }
  // The chunk of 128 KiB may reach into the segment before.
  expect(failed.length).toBeGreaterThanOrEqual(1)
  expect(failed.length).toBeLessThanOrEqual(2)
  expect(failed.every((line) => line.startsWith('503 '))).toBe(true)
  expect(compared).toBeGreaterThan(3)
  writeFileSync(target, intact)
  for (const line of failed) {
    const again = await fetch(`${headend.quickstart.streamingUrl}${line.slice(4)}`)
    expect(again.status, line).toBe(200)
  }
}, 180_000)

it('is worth nothing once the asset is deleted: its key is gone', async () => {
  api = await (await ApiUser.of(headend)).inDefaultAccount()
  expect((await api.call('DELETE', `/v1/programs/${program['id']}`)).status).toBe(204)
  expect((await api.call('DELETE', `/v1/assets/${program['assetId']}?force=true`)).status).toBe(204)
  await until(
    'its files gone',
    60_000,
    async () => assetFiles(),
    (files) => files.length === 0,
  )
}, 90_000)
