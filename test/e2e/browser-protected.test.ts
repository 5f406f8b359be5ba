import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { openBrowser, type WatchPage } from '../support/browser.ts'
import { ffmpeg } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { type ProtectedPlay, TokenKeys, watchProtected } from '../support/protected-watch.ts'

const scratch = mkdtempSync(join(tmpdir(), 'protected-'))
let headend: Headend
let browser: Browser
let api: ApiUser
let keys: TokenKeys
let good: string
/** Of locators, by how they protect. */
const bases: Record<string, string> = {}

async function upload(assetId: unknown, accountId: unknown, bytes: Buffer): Promise<void> {
  const file = await api.ask(201, 'POST', `/v1/assets/${assetId}/files`, { name: 'film.mp4' })
  const { controlUrl, apiKey } = headend.quickstart
  const answer = await fetch(`${controlUrl}/v1/assets/${assetId}/files/${file['id']}/content`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${apiKey}`, 'headend-account': String(accountId) },
    body: bytes,
  })
  expect(answer.status).toBe(200)
}

async function publish(assetId: unknown, name: string, protocols: Json): Promise<void> {
  const { id: deliveryPolicyId } = await api.ask(201, 'POST', '/v1/delivery-policies', { name, protocols })
  const { id } = await api.ask(201, 'POST', '/v1/locators', { assetId, deliveryPolicyId })
  bases[name] = `${headend.quickstart.streamingUrl}/${id}`
}

beforeAll(async () => {
  const film = join(scratch, 'film.mp4')
  const made = ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25', '-f', 'lavfi', '-i', 'sine=sample_rate=48000'],
    ...['-t', '8', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-sc_threshold', '0', '-pix_fmt', 'yuv420p'],
    ...['-c:a', 'aac', film],
  )
  ;[headend, browser] = await Promise.all([
    startHeadend({
      config: {
        bootstrap: { channels: [], programs: [] },
        storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] },
      },
      env: { MASTER_KEY_OF_THE_TEST: randomBytes(32).toString('base64') },
    }),
    openBrowser(),
    made,
  ])
  api = await (await ApiUser.of(headend)).inDefaultAccount()
  const { body } = await api.call('GET', '/v1/accounts?limit=1')
  keys = new TokenKeys(api)
  const { id } = await api.ask(201, 'POST', '/v1/assets', { name: 'film' })
  await upload(id, (body['items'] as Json[])[0]?.['id'], readFileSync(film))
  const contentKeys: Json[] = []
  for (const kind of ['cenc', 'cbcs', 'envelope'] as const) contentKeys.push({ contentKeyId: await keys.make(kind) })
  await api.ask(200, 'PATCH', `/v1/assets/${id}`, { contentKeys })
  for (const scheme of ['cenc', 'cbcs']) await publish(id, scheme, { hls: [scheme], dash: [scheme] })
  await publish(id, 'envelope', { hls: ['envelope'] })
  good = await keys.token('10m')
})

afterAll(async () => {
  await browser?.close()
  await headend?.stop()
  rmSync(scratch, { recursive: true, force: true })
})

const open = (play: ProtectedPlay) => watchProtected(browser, headend, play)
/** Half a second of pictures, which is more than a first frame that came in the clear. */
const moving = (watch: WatchPage) =>
  watch.until('moving pictures', 20_000, ({ currentTime, totalFrames, notice }) => {
    return notice === undefined && totalFrames > 10 && currentTime > 0.5
  })
const transport = '/film.ism/manifest(format=m3u8-aapl)'

const ways = [
  { player: 'hls.js', scheme: 'cenc', path: '/index.m3u8' },
  { player: 'hls.js', scheme: 'cbcs', path: '/index.m3u8' },
  { player: 'dash.js', scheme: 'cenc', path: '/index.mpd' },
  { player: 'dash.js', scheme: 'cbcs', path: '/index.mpd' },
  { player: 'shaka-player', scheme: 'cenc', path: '/index.mpd' },
  { player: 'shaka-player', scheme: 'cbcs', path: '/index.mpd' },
  { player: 'hls.js', scheme: 'envelope', path: '/index.m3u8' },
  { player: 'hls.js', scheme: 'envelope', path: transport },
] as const

it('plays what is protected with a token, by every player, and asks no other host', async () => {
  for (let at = 0; at < ways.length; at += 4) {
    const pairs = ways.slice(at, at + 4).map(async ({ player, scheme, path }) => {
      const watch = await open({ url: `${bases[scheme]}${path}`, token: good, shaka: player === 'shaka-player' })
      const state = await moving(watch)
      expect(state, `${player} ${scheme}`).toMatchObject({ player, stalls: 0 })
      expect([...watch.hosts]).toEqual(['127.0.0.1'])
      expect(watch.complaints).toEqual([])
      await watch.close()
    })
    await Promise.all(pairs)
  }
})

it('says why a key was refused, and goes on with a token that is good', async () => {
  const old = await keys.token('-1h')
  const refusals = [
    { player: 'hls.js', scheme: 'cbcs', path: '/index.m3u8', token: old, reason: 'token-expired' },
    { player: 'hls.js', scheme: 'envelope', path: '/index.m3u8', token: old, reason: 'token-expired' },
    {
      player: 'dash.js',
      scheme: 'cenc',
      path: '/index.mpd',
      token: await keys.token('1h', 'others'),
      reason: 'audience-wrong',
    },
    { player: 'shaka-player', scheme: 'cenc', path: '/index.mpd', token: old, reason: 'token-expired' },
  ] as const
  await Promise.all(
    refusals.map(async ({ player, scheme, path, token, reason }) => {
      const watch = await open({ url: `${bases[scheme]}${path}`, token, shaka: player === 'shaka-player' })
      const { error } = await watch.until('the refusal', 20_000, ({ notice }) => notice === 'problem')
      expect(error).toMatchObject({ kind: 'licence', status: 403, reason })
      const text = await watch.notice()
      expect(text).toContain(
        reason === 'token-expired' ? 'The token has expired.' : 'The token is for another audience.',
      )
      expect(text).toContain(`HTTP 403 · ${reason}`)
      expect(JSON.stringify(error)).not.toContain(token)
      await watch.page.fill('#notice-token', good)
      await watch.page.click('#token-form button')
      await moving(watch)
      await watch.close()
    }),
  )
  const watch = await open({ url: `${bases['cbcs']}/index.m3u8` })
  const { error } = await watch.until('the refusal', 20_000, ({ notice }) => notice === 'problem')
  expect(error).toMatchObject({ kind: 'licence', status: 401, reason: 'token-missing' })
  expect(await watch.notice()).toContain('Token needed')
  await watch.close()
  expect(headend.output()).not.toContain(good)
})
