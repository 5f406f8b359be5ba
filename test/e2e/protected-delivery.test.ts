import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rawRequest } from '../http/raw-request.ts'
import { ApiUser, type Json } from '../support/api.ts'
import { type Encoder, ffmpeg, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMaster, fetchMedia, type MediaPlaylist, until } from '../support/playlist.ts'
import { decoded } from '../support/protected-media.ts'

const dataDir = temporaryFolder()
const keys = { cenc: randomBytes(16), cbcs: randomBytes(16) }
let headend: Headend
let encoder: Encoder
let api: ApiUser
let assetId: string
let base: string
let policyId: string
const kids: Record<string, string> = {}

beforeAll(async () => {
  headend = await startHeadend({
    dataDir,
    config: {
      origin: { threads: 2, conformanceEvery: 1 },
      storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] },
    },
    env: { MASTER_KEY_OF_THE_TEST: randomBytes(32).toString('base64') },
  })
  encoder = publish(headend.publishUrl)
  api = await (await ApiUser.of(headend)).inDefaultAccount()
}, 30_000)

afterAll(async () => {
  await encoder?.stop()
  await headend?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

const status = async (path: string) => (await rawRequest(`${base}${path}`)).status

async function listed(
  path = '/index.m3u8',
  at = base,
): Promise<{ init: string; list: MediaPlaylist; text: string; url: string }> {
  const [variant] = (await fetchMaster(`${at}${path}`)).variants
  const url = variant?.url ?? ''
  const list = await fetchMedia(url)
  const text = (await rawRequest(url)).body.toString()
  const [, init = ''] = /EXT-X-MAP:URI="([^"]+)"/.exec(text) ?? []
  return { init: new URL(init, url).href, list, text, url }
}

const startOf = (url: string) => /(\d+)\.m4s$/.exec(url)?.[1]

it('delivers a live program as its policy says, from the next request on', async () => {
  const options = ['clearkey', 'aes128'].map((delivery) => ({ delivery, restriction: { kind: 'open' } }))
  const { id: keyAuthorizationPolicyId } = await api.ask(201, 'POST', '/v1/key-authorization-policies', {
    name: 'all',
    options,
  })
  for (const kind of ['cenc', 'cbcs'] as const) {
    const value = keys[kind].toString('base64')
    kids[kind] = String(
      (await api.ask(201, 'POST', '/v1/content-keys', { kind, value, keyAuthorizationPolicyId }))['id'],
    )
  }
  const [program] = (await api.ask(200, 'GET', '/v1/programs'))['items'] as Json[]
  assetId = String(program?.['assetId'])
  const locator = await api.ask(201, 'POST', '/v1/locators', { assetId })
  base = `${headend.quickstart.streamingUrl}/${locator['id']}`
  await until(
    'three segments',
    30_000,
    () => listed().catch(() => undefined),
    (found) => (found?.list.segments.length ?? 0) >= 3,
  )
  const clear = await listed()
  const before = clear.list.segments.map(({ url }) => url)

  const protocols = { hls: ['cbcs', 'cenc'], dash: ['cenc'] }
  policyId = String((await api.ask(201, 'POST', '/v1/delivery-policies', { name: 'drm', protocols }))['id'])
  const contentKeys = Object.values(kids).map((contentKeyId) => ({ contentKeyId }))
  await api.ask(200, 'PATCH', `/v1/assets/${assetId}`, { deliveryPolicyId: policyId, contentKeys })
  for (const url of [...before, clear.init]) expect((await rawRequest(url)).status, url).toBe(404)
  expect(await status('/manifest.ism/manifest')).not.toBe(200)
  expect(await status('/main.mp4')).toBe(403)
}, 60_000)

it('encrypts what players get, and gives them the keys that its manifests name', async () => {
  const forms = [
    ['cbcs', '/index.m3u8'],
    ['cenc', `/${await manifestName()}.ism/manifest(format=m3u8-cmaf,encryption=cenc)`],
  ] as const
  for (const [kind, path] of forms) {
    const { init, list, text, url } = await listed(path)
    const key = keys[kind]
    const [, keyUrl = ''] = /EXT-X-KEY:.*URI="([^"]*\/keys\/aes128\/[^"]+)"/.exec(text) ?? []
    expect(Buffer.compare((await rawRequest(new URL(keyUrl, url).href)).body, key), keyUrl).toBe(0)
    const segment = list.segments.at(-1)?.url ?? ''
    const file = Buffer.concat([await fetchBytes(init), await fetchBytes(segment)])
    const frames = await decoded(file, key)
    expect(frames.length).toBeGreaterThan(20)
    expect(new Set(frames).size).toBeGreaterThan(20)
    expect(await decoded(file, randomBytes(16))).not.toEqual(frames)
    decodedFrames.set(`${kind} ${startOf(segment)}`, frames)
  }
  const mpd = (await rawRequest(`${base}/index.mpd`)).body.toString()
  expect(mpd).toContain(`cenc:default_KID="${kids['cenc']}"`)
  const [, licenceUrl = ''] = /<dashif:laurl>([^<]+)</.exec(mpd) ?? []
  const kid = Buffer.from((kids['cenc'] ?? '').replaceAll('-', ''), 'hex').toString('base64url')
  const licence = await fetch(licenceUrl, { method: 'POST', body: JSON.stringify({ kids: [kid], type: 'temporary' }) })
  expect(await licence.json()).toMatchObject({ keys: [{ kty: 'oct', kid, k: keys.cenc.toString('base64url') }] })
}, 60_000)

const decodedFrames = new Map<string, string[]>()

async function manifestName(): Promise<string> {
  const asset = await api.ask(200, 'GET', `/v1/locators/${base.split('/').at(-1)}/paths`)
  return /\/([^/]+)\.ism\//.exec(JSON.stringify(asset))?.[1] ?? ''
}

it('protects uploaded files alike, and gives none of them as it is', async () => {
  const file = join(dataDir, 'film.mp4')
  const picture = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=320x180:rate=25',
    '-t',
    '3',
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
  ]
  await ffmpeg(...picture, '-g', '25', '-bf', '2', '-pix_fmt', 'yuv420p', '-movflags', '+faststart', file)
  const contentKeys = [{ contentKeyId: kids['cbcs'] }]
  const asset = await api.ask(201, 'POST', '/v1/assets', { name: 'film', deliveryPolicyId: policyId, contentKeys })
  const announced = await api.ask(201, 'POST', `/v1/assets/${asset['id']}/files`, { name: 'film.mp4' })
  const { controlUrl, apiKey } = headend.quickstart
  const put = await fetch(`${controlUrl}/v1/assets/${asset['id']}/files/${announced['id']}/content`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${apiKey}`, 'headend-account': String(asset['accountId']) },
    body: readFileSync(file),
  })
  expect(put.status).toBe(200)
  const locator = await api.ask(201, 'POST', '/v1/locators', { assetId: asset['id'] })
  const at = `${headend.quickstart.streamingUrl}/${locator['id']}`
  expect((await rawRequest(`${at}/film.mp4`)).status).toBe(403)
  const { init, list } = await listed('/index.m3u8', at)
  const segments = await Promise.all(list.segments.map(({ url }) => fetchBytes(url)))
  const sent = Buffer.concat([await fetchBytes(init), ...segments])
  const stored = await decoded(readFileSync(file))
  expect(stored).toHaveLength(75)
  expect(await decoded(sent, keys.cbcs)).toEqual(stored)
}, 60_000)

it('gives in the clear again, frame for frame, what the policy then allows', async () => {
  await api.ask(200, 'PATCH', `/v1/delivery-policies/${policyId}`, { protocols: { hls: ['clear'], dash: 'blocked' } })
  expect(await status('/index.mpd')).toBe(403)
  const { init, list } = await listed()
  for (const [name, frames] of decodedFrames) {
    const [, start] = name.split(' ')
    const same = list.segments.find(({ url }) => startOf(url) === start)
    expect(same, name).toBeDefined()
    const file = Buffer.concat([await fetchBytes(init), await fetchBytes(same?.url ?? '')])
    expect(await decoded(file), name).toEqual(frames)
  }
  await api.ask(200, 'PATCH', `/v1/delivery-policies/${policyId}`, { protocols: { hls: 'blocked' } })
  expect(await status('/index.m3u8')).toBe(403)
  const log = headend.output()
  for (const key of Object.values(keys)) {
    for (const secret of [key.toString('hex'), key.toString('base64')]) expect(log).not.toContain(secret)
  }
}, 60_000)
