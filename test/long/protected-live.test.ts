import { randomBytes } from 'node:crypto'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { openBrowser } from '../support/browser.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { until } from '../support/playlist.ts'
import { TokenKeys, watchProtected } from '../support/protected-watch.ts'

const WATCH_S = 120
const ROTATION = 'PT10S'
let headend: Headend
let encoder: Encoder
let browser: Browser
let token: string
const bases: Record<string, string> = {}

beforeAll(async () => {
  ;[headend, browser] = await Promise.all([
    startHeadend({
      config: { storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] } },
      env: { MASTER_KEY_OF_THE_TEST: randomBytes(32).toString('base64') },
    }),
    openBrowser(),
  ])
  encoder = publish(headend.publishUrl)
  const api = await (await ApiUser.of(headend)).inDefaultAccount()
  const keys = new TokenKeys(api)
  const contentKeys: Json[] = []
  for (const kind of ['cenc', 'cbcs', 'envelope'] as const) {
    contentKeys.push({ contentKeyId: await keys.make(kind, { rotating: true }) })
  }
  const [program] = (await api.ask(200, 'GET', '/v1/programs'))['items'] as Json[]
  const assetId = program?.['assetId']
  await api.ask(200, 'PATCH', `/v1/assets/${assetId}`, { contentKeys })
  for (const kind of ['cenc', 'cbcs', 'envelope']) {
    const protocols = kind === 'envelope' ? { hls: [kind] } : { hls: [kind], dash: [kind] }
    const policy = { name: kind, protocols, keyRotationPeriod: ROTATION }
    const { id: deliveryPolicyId } = await api.ask(201, 'POST', '/v1/delivery-policies', policy)
    const { id } = await api.ask(201, 'POST', '/v1/locators', { assetId, deliveryPolicyId })
    bases[kind] = `${headend.quickstart.streamingUrl}/${id}`
  }
  token = await keys.token('1h')
  // More than a rotation of the past, so that all begin in the middle of things.
  const started = Date.now()
  await until(
    'a quarter of a minute of the stream',
    60_000,
    async () => Date.now() - started,
    (ms) => ms > 15_000,
  )
}, 120_000)

afterAll(async () => {
  await browser?.close()
  await encoder?.stop()
  await headend?.stop()
})

const ways = [
  [
    { player: 'hls.js', kind: 'cbcs', manifest: 'index.m3u8' },
    { player: 'dash.js', kind: 'cenc', manifest: 'index.mpd' },
  ],
  [
    { player: 'hls.js', kind: 'envelope', manifest: 'index.m3u8' },
    { player: 'shaka-player', kind: 'cbcs', manifest: 'index.mpd' },
  ],
  [
    { player: 'hls.js', kind: 'cenc', manifest: 'index.m3u8' },
    { player: 'dash.js', kind: 'cbcs', manifest: 'index.mpd' },
  ],
] as const

it.each(ways)('plays over a new key every ten seconds without a stall: $player $kind', async (...pair) => {
  await Promise.all(
    pair.map(async ({ player, kind, manifest }) => {
      const shaka = player === 'shaka-player'
      const watch = await watchProtected(browser, headend, { url: `${bases[kind]}/${manifest}`, token, shaka })
      const asked = new Set<string>()
      watch.page.on('request', (request) => {
        const { pathname } = new URL(request.url())
        if (pathname.startsWith('/keys/')) asked.add(request.postData() ?? pathname)
      })
      expect(await watch.playing()).toMatchObject({ player })
      const progress = await watch.watch(WATCH_S)
      console.log(`${player} ${kind}: ${JSON.stringify(progress)}, ${asked.size} keys`)
      expect(progress.stalls).toBe(0)
      // The player may hold the very first pictures back for a moment, to be as far from the live edge as is advised.
      expect(Math.abs(progress.mediaS - progress.wallS)).toBeLessThan(2)
      // A key for each period that was watched, one less for one that was there before the first look.
      expect(asked.size).toBeGreaterThanOrEqual(WATCH_S / 10 - 1)
      expect(watch.complaints).toEqual([])
      await watch.close()
    }),
  )
})
