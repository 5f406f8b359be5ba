import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { playingVariant, until } from '../support/playlist.ts'
import { frames, probe } from '../support/progressive-opinion.ts'

/** Spans come to storage while it is recorded. */
const config = { archive: { spanDuration: '6s' } }

const scratch = mkdtempSync(join(tmpdir(), 'clips-'))
const dataDir = temporaryFolder()
let headend: Headend
let encoder: Encoder
let api: ApiUser
let recording: Json

beforeAll(async () => {
  headend = await startHeadend({ dataDir, config })
  encoder = publish(headend.publishUrl, { gopFrames: 25 })
  await playingVariant(headend.quickstart.hlsUrl, 9)
  api = await (await ApiUser.of(headend)).inDefaultAccount()
  const { body } = await api.call('GET', '/v1/programs')
  recording = (body['items'] as Json[])[0]!
})

afterAll(async () => {
  await encoder?.stop()
  await headend?.stop()
  rmSync(scratch, { recursive: true, force: true })
  rmSync(dataDir, { recursive: true, force: true })
})

async function published(assetId: unknown): Promise<string> {
  const { status, body } = await api.call('POST', '/v1/locators', { body: { assetId } })
  expect(status).toBe(201)
  return `${headend.quickstart.streamingUrl}/${body['id']}`
}

async function download(url: string, headers: Record<string, string> = {}) {
  const answer = await fetch(url, { headers })
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) }
}

function saved(name: string, bytes: Uint8Array): string {
  const path = join(scratch, name)
  writeFileSync(path, bytes)
  return path
}

let clipUrl: string
let clipBytes: Buffer

it('makes a clip of a program that goes on, and it is downloaded at once', async () => {
  const body = { name: 'goal', from: 'PT3.4S', to: 'PT12.2S', description: 'the goal' }
  const made = await api.call('POST', `/v1/assets/${recording['assetId']}/clips?wait=30s`, { body })
  expect(made).toMatchObject({ status: 200, body: { state: 'succeeded', action: 'asset.clip' } })
  const { id } = made.body['subject'] as Json
  const asset = (await api.call('GET', `/v1/assets/${id}`)).body
  expect(asset).toMatchObject({
    ...{ name: 'goal', state: 'Ready', duration: 'PT10S' },
    clip: { assetId: recording['assetId'], from: 'PT3.4S', to: 'PT12.2S', exact: 'gop' },
  })
  expect((asset['tracks'] as Json[]).map(({ kind }) => kind)).toEqual(['video', 'audio'])
  clipUrl = `${await published(id)}/manifest.mp4`
  const { status, bytes, headers } = await download(clipUrl)
  expect(status).toBe(200)
  expect(headers.get('content-disposition')).toMatch(/^attachment; filename="manifest-\d{8}T\d{6}Z\.mp4"$/)
  clipBytes = bytes
  const path = saved('clip.mp4', bytes)
  expect(frames(path, 'v')).toHaveLength(250)
  const { streams } = probe(path)
  expect(streams.map(({ codec_type }) => codec_type)).toEqual(['video', 'audio'])
  expect(Number(streams[0]!.start_time)).toBe(0)
  expect(Math.abs(Number(streams[1]!.duration) - 10)).toBeLessThan(0.05)
  const cut = await api.call('POST', `/v1/assets/${recording['assetId']}/clips?wait=30s`, {
    body: { ...body, name: 'very-goal', exact: 'frame' },
  })
  expect(cut.body).toMatchObject({ state: 'succeeded' })
  const frameUrl = `${await published((cut.body['subject'] as Json)['id'])}/manifest.mp4`
  const exactly = saved('frame.mp4', (await download(frameUrl)).bytes)
  expect(frames(exactly, 'v')).toHaveLength(220)
  const times = probe(exactly)
    .packets.filter(({ stream_index }) => stream_index === 0)
    .map(({ pts }) => pts)
  expect(times.toSorted((a, b) => a - b)[219]).toBe(219 * 3_600)
  const late = await api.call('POST', `/v1/assets/${recording['assetId']}/clips?wait=30s`, {
    body: { name: 'late', from: 'PT5S', to: 'PT2H' },
  })
  expect(late.body).toMatchObject({ state: 'failed', error: { code: 'CLIP_NOT_YET' } })
})

it('gives the program itself as a file when it has ended, and the same after a restart, out of storage', async () => {
  const base = await published(recording['assetId'])
  const early = await download(`${base}/manifest.mp4`)
  expect(early.status).toBe(409)
  const stopped = await api.call('POST', `/v1/programs/${recording['id']}/stop?wait=30s`)
  expect(stopped.body).toMatchObject({ state: 'succeeded' })
  const first = await until(
    'the file',
    10_000,
    () => download(`${base}/manifest.mp4`),
    ({ status }) => status === 200,
  )
  const path = saved('program.mp4', first.bytes)
  const pictures = frames(path, 'v')
  expect(pictures.length).toBeGreaterThanOrEqual(18 * 25)
  const clip = frames(saved('clip.mp4', clipBytes), 'v')
  expect(pictures.slice(75, 325).map(({ sum }) => sum)).toEqual(clip.map(({ sum }) => sum))
  await encoder.stop()
  // All of it is in storage some seconds after its end; the next run has nothing in memory.
  await headend.stop()
  headend = await startHeadend({ dataDir, config: { ...config, bootstrap: {} } })
  const moved = (url: string) => `${headend.quickstart.streamingUrl}${new URL(url).pathname}`
  const again = await until(
    'the file',
    20_000,
    () => download(moved(`${base}/manifest.mp4`)),
    ({ status }) => status === 200,
  )
  expect(again.bytes.equals(first.bytes)).toBe(true)
  const part = await download(moved(`${base}/manifest.mp4`), {
    Range: 'bytes=100000-199999',
    'If-Range': first.headers.get('etag') ?? '',
  })
  expect(part.status).toBe(206)
  expect(part.bytes.equals(first.bytes.subarray(100_000, 200_000))).toBe(true)
  const clipAgain = await download(moved(clipUrl))
  expect(clipAgain.bytes.equals(clipBytes)).toBe(true)
})
