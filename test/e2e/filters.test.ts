import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { type Encoder, ffprobe, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { fetchMaster, fetchMedia, playingVariant, until } from '../support/playlist.ts'

let headend: Headend
let encoder: Encoder
let user: ApiUser
/** `http://host:port/{locator}/` */
let base: string

beforeAll(async () => {
  headend = await startHeadend({ config: { origin: { threads: 2, conformanceEvery: 1 } } })
  encoder = publish(headend.publishUrl)
  user = await (await ApiUser.of(headend)).inDefaultAccount()
  base = headend.quickstart.hlsUrl.replace(/index\.m3u8$/, '')
  await playingVariant(headend.quickstart.hlsUrl, 3)
}, 40_000)

afterAll(async () => {
  await encoder?.stop()
  await headend?.stop()
})

const status = async (url: string) => (await fetch(url, { headers: { connection: 'close' } })).status
/** Each thread has to have heard of it: connections are dealt out among them. */
const everywhere = (url: string, wanted: number) =>
  until(
    `${wanted} of ${url}`,
    5_000,
    () => Promise.all(Array.from({ length: 8 }, () => status(url))),
    (all) => all.every((one) => one === wanted),
  )

describe('a running program', () => {
  it('is shown by the filters that the API has, from the moment they are made to that of their deletion', async () => {
    const tracks = [[{ property: 'type', value: 'video' }]]
    const url = `${base}index.m3u8?filter=silent`
    expect(await status(url)).toBe(404)
    const { id } = await user.ask(201, 'POST', '/v1/filters', { name: 'silent', tracks })
    await everywhere(url, 200)
    expect((await fetchMaster(url)).audio).toEqual([])
    const variant = (await fetchMaster(url)).variants[0]?.url ?? ''
    expect(new URL(variant).search).toBe('?filter=silent')
    expect((await fetchMedia(variant)).segments.length).toBeGreaterThan(1)
    const [asset] = (await user.ask(200, 'GET', '/v1/assets'))['items'] as Json[]
    const locator = await user.ask(201, 'POST', '/v1/locators', { assetId: asset?.['id'], filters: ['silent'] })
    const own = `${new URL(base).origin}/${String(locator['id'])}/index.m3u8`
    await everywhere(own, 200)
    expect((await fetchMaster(own)).audio).toEqual([])
    await user.ask(204, 'DELETE', `/v1/filters/${String(id)}`)
    await everywhere(url, 404)
    await everywhere(own, 404)
  })

  it('is caught up with by times: ffmpeg reads just those segments', async () => {
    const { url } = await playingVariant(headend.quickstart.hlsUrl, 3)
    const dates = [...(await (await fetch(url)).text()).matchAll(/#EXT-X-PROGRAM-DATE-TIME:(\S+)/g)]
    const firstMs = Date.parse(dates[0]?.[1] ?? '')
    const part = `start=${firstMs / 1_000}&end=${(firstMs + 3_000) / 1_000}`
    const frames = await ffprobe(
      ...['-count_frames', '-select_streams', 'v:0', '-show_entries', 'stream=nb_read_frames'],
      `${base}index.m3u8?${part}`,
    )
    const [stream] = frames['streams'] as Json[]
    expect(stream?.['nb_read_frames']).toBe('100')
    expect(await (await fetch(`${base}index.mpd?${part}`)).text()).toContain('type="static"')
  })

  it('is only for signed URLs where its endpoint has keys, and reports of players are counted', async () => {
    const [endpoint] = (await user.ask(200, 'GET', '/v1/streaming-endpoints'))['items'] as Json[]
    const path = `/v1/streaming-endpoints/${String(endpoint?.['id'])}`
    const secret = 'c2VjcmV0IG9mIHRoZSBvcGVyYXRvcg'
    await user.ask(200, 'PATCH', path, { signedUrlKeys: [{ name: 'k', secret }], maxCacheAge: 'PT1S' })
    await everywhere(`${base}index.m3u8`, 403)
    const { origin, pathname } = new URL(base)
    const locatorId = pathname.replaceAll('/', '')
    const expiry = Math.ceil(Date.now() / 1_000) + 60
    const signature = createHmac('sha256', secret).update(`${locatorId}\n${expiry}`).digest('base64url')
    const signed = `${origin}/signed/k.${expiry}.${signature}/${locatorId}/index.m3u8`
    const { variants } = await fetchMaster(signed)
    const { segments } = await fetchMedia(variants[0]?.url ?? '')
    const segment = await fetch(segments[0]?.url ?? '', {
      headers: { 'CMCD-Request': 'bl=2000', 'CMCD-Object': 'ot=v' },
    })
    expect([segment.status, segment.headers.get('cache-control')]).toEqual([200, 'public, max-age=1, immutable'])
    await user.ask(200, 'PATCH', path, { signedUrlKeys: null, maxCacheAge: null })
    await everywhere(`${base}index.m3u8`, 200)
    const reported = () => headend.metric('headend_cmcd_buffer_length_seconds_sum', 'object="v"')
    expect(await until('the report', 5_000, reported, (sum) => sum > 0)).toBe(2)
  })
})
