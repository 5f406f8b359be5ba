import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryFolder } from '../support/headend.ts'
import { outputs } from '../support/matrix/outputs.ts'
import { cells, faultsOf, manifestOf } from '../support/protected/cells.ts'
import { openProtected, type ProtectedHouse } from '../support/protected/house.ts'
import { readHls, readPlaylist } from '../support/protected/readings.ts'
import { decoded } from '../support/protected-media.ts'

/** A few pairs of format and protection: `test/long/protected-delivery.test.ts` has all of them, of all codecs. */

const SECONDS = 3
const folder = temporaryFolder()
let house: ProtectedHouse

beforeAll(async () => {
  house = await openProtected(folder, { pairs: ['H.264 and AAC'], states: ['live', 'MP4 set'], seconds: SECONDS })
})

afterAll(async () => {
  await house?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const sourceIn = (state: 'live' | 'MP4 set') => house.sources.find((one) => one.state === state)!

it.each([
  ['TS v4, AES-128', 'live'],
  ['TS v3, SAMPLE-AES', 'MP4 set'],
  ['HLS CMAF, AES-128', 'live'],
  ['DASH, cenc, shaka-packager', 'MP4 set'],
  ['DASH, envelope', 'live'],
  ['Smooth, envelope', 'MP4 set'],
  ['Smooth, PIFF', 'live'],
] as const)('%s, %s: is what it is in the clear, and with another key is not', async (name, state) => {
  const cell = cells.find((one) => one.name === name)!
  expect(await faultsOf(sourceIn(state), cell, folder, SECONDS)).toEqual([])
})

it('lists every key frame of a file, each of which is decrypted by itself', async () => {
  const source = sourceIn('MP4 set')
  const list = async (as: 'clear' | 'envelope', format: string) => {
    const url = manifestOf(source, as, format)
    const [, uri = ''] = /EXT-X-I-FRAME-STREAM-INF:.*URI="([^"]*)"/.exec(await (await fetch(url)).text()) ?? []
    return (await readPlaylist(new URL(uri, url).href, { folder }))[0]
  }
  const pieces = async (as: 'clear' | 'cenc' | 'cbcs', key?: Uint8Array) => {
    const { tracks } = await outputs['I-frames CMAF'].collect(
      manifestOf(source, as, 'm3u8-cmaf'),
      mkdtempSync(join(folder, 'pieces-')),
    )
    return Promise.all((tracks[0]?.pieces ?? []).map(async (file) => (await decoded(readFileSync(file), key))[0]))
  }
  const clear = await pieces('clear')
  expect([clear.length, new Set(clear).size]).toEqual([SECONDS, SECONDS])
  const read = [list('clear', 'm3u8-aapl'), list('envelope', 'm3u8-aapl'), list('envelope', 'm3u8-cmaf')]
  expect(await Promise.all(read)).toEqual([clear, clear, clear])
  expect(await pieces('cenc', source.keys.cenc.value)).toEqual(clear)
  expect(await pieces('cbcs', source.keys.cbcs.value)).toEqual(clear)
})

it('gives no file of what is protected', async () => {
  const { bases, manifestName } = sourceIn('live')
  const uploaded = sourceIn('MP4 set')
  const file = (base: string) => fetch(`${base}/${uploaded.manifestName}.mp4`, { method: 'HEAD' })
  expect((await file(uploaded.bases.clear)).status).toBe(200)
  for (const as of ['envelope', 'cenc', 'cbcs'] as const) {
    expect((await file(uploaded.bases[as])).status).toBe(403)
    expect((await fetch(`${bases[as]}/${manifestName}.mp4`)).status).toBe(403)
  }
  expect((await fetch(manifestOf(uploaded, 'cbcs', 'fmp4-v20'))).status).toBe(403)
})

it('carries the token of a playlist to the key, which nobody gets without, and follows policies at once', async () => {
  const secret = randomBytes(32)
  const primaryKey = { kind: 'symmetric', value: secret.toString('base64') }
  const restriction = { kind: 'token', issuer: 'https://issuer.example', audience: 'player', primaryKey }
  const options = [{ delivery: 'aes128', restriction }]
  const { api } = house
  const policy = await api.ask(201, 'POST', '/v1/key-authorization-policies', { name: 'viewers', options })
  const source = sourceIn('MP4 set')
  const key = await house.key('envelope', { policyId: String(policy['id']) })
  await api.ask(200, 'PATCH', `/v1/assets/${source.assetId}`, { contentKeys: [{ contentKeyId: key.kid }] })
  const jwt = new SignJWT().setIssuer(restriction.issuer).setAudience('player').setExpirationTime('10m')
  const token = await jwt.setProtectedHeader({ alg: 'HS256' }).sign(secret)
  const url = manifestOf(source, 'envelope', 'm3u8-aapl-v3')
  const clear = await readHls(manifestOf(source, 'clear', 'm3u8-aapl-v3'), { folder })
  expect(await readHls(`${url}?token=${token}`, { folder })).toEqual(clear)
  expect(await readHls(url, { folder })).not.toEqual(clear)
  const answer = await fetch(`${url}?token=${token}`)
  expect([answer.headers.get('cache-control'), answer.headers.get('etag')]).toEqual(['private, no-store', null])
  expect(await answer.text()).toContain(`token=${token}`)

  const master = await (await fetch(url)).text()
  expect(master).not.toContain('token')
  await api.ask(200, 'PATCH', `/v1/delivery-policies/${house.policies.envelope}`, {
    protocols: { hls: 'blocked' },
  })
  expect((await fetch(url)).status).toBe(403)
  const child = new URL(master.split('\n').find((line) => line.endsWith('.m3u8')) ?? '', url)
  expect((await fetch(child)).status).toBe(403)
  // Neither a key nor the token is anywhere in what the server has printed.
  const printed = house.channels.headend.output()
  const values = [secret, key.value, ...Object.values(source.keys).map(({ value }) => value)]
  const secrets = [token, ...values.flatMap((value) => [value.toString('base64'), value.toString('hex')])]
  for (const one of secrets) expect(printed).not.toContain(one)
})
