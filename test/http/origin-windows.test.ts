import { gunzipSync } from 'node:zlib'
import { Parser } from 'm3u8-parser'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeLive, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const HOUR_MS = 3_600_000
const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

async function originOf(live: FakeLive): Promise<string> {
  const { server, base } = await startOrigin(live)
  running.push(server)
  return base
}

function longLive(segments: number): FakeLive {
  const windows = { rewindWindowMs: 25 * HOUR_MS, archiveWindowMs: 26 * HOUR_MS }
  return new FakeLive(windows).addTracks().addSegments(segments, 1)
}

async function get(url: string, headers: Record<string, string> = {}) {
  const answer = await rawRequest(url, { headers })
  expect(answer.status).toBe(200)
  return answer
}

async function videoUrl(base: string): Promise<string> {
  const master = await get(`${base}/loc-1/index.m3u8`)
  return new URL(/^[^#].*$/m.exec(master.body.toString())?.[0] ?? '', `${base}/loc-1/index.m3u8`).href
}

function parse(text: string): Parser['manifest'] {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest
}

const locationOf = (mpd: string) => /<Location>([^<]+)</.exec(mpd)?.[1]?.replaceAll('&amp;', '&') ?? ''

describe('a live window of hours', () => {
  it('is answered whole, compressed or not, and as a delta update to who asks', async () => {
    const base = await originOf(longLive(1_500))
    const url = await videoUrl(base)
    const plain = await get(url)
    const zipped = await get(url, { 'Accept-Encoding': 'gzip' })
    expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
    expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true)
    expect(parse(plain.body.toString())).toMatchObject({ mediaSequence: 0, serverControl: { canSkipUntil: 24 } })
    for (const value of ['YES', 'v2']) {
      const delta = await get(`${url}?_HLS_msn=1500&_HLS_skip=${value}&CMCD=bl%3D1`)
      const { skip, segments } = parse(delta.body.toString())
      expect([skip, segments.length]).toEqual([{ skippedSegments: 1_487 }, 13])
      expect(delta.headers['cache-control']).toBe('public, max-age=1')
      expect(delta.headers.etag).not.toBe(plain.headers.etag)
    }
    const notAsked = await get(`${url}?_HLS_skip=no&_HLS_msn=1500`)
    expect(notAsked.body.equals(plain.body)).toBe(true)
    const validated = await rawRequest(url, {
      headers: { 'Accept-Encoding': 'gzip', 'If-None-Match': String(zipped.headers.etag) },
    })
    expect(validated.status).toBe(304)
    const head = await rawRequest(url, { method: 'HEAD' })
    expect([head.headers['content-length'], head.body.byteLength]).toEqual([String(plain.body.byteLength), 0])
  })

  it('ends where it stood, and is on-demand as a whole once it is archived', async () => {
    const live = new FakeLive({ rewindWindowMs: 40_000, archiveWindowMs: HOUR_MS }).addTracks().addSegments(400, 1)
    live.presentation.apply({ type: 'evicted', firstSequence: 30 })
    const base = await originOf(live)
    const url = await videoUrl(base)
    live.presentation.apply({ type: 'ended' })
    const liveMpd = /<Location>([^<]+)</
    const before = parse((await get(url)).body.toString())
    expect(before).toMatchObject({ mediaSequence: 380, endList: true })
    expect(before.playlistType).toBeUndefined()
    live.presentation.apply({ type: 'archived' })
    const after = await get(url)
    expect(parse(after.body.toString())).toMatchObject({ mediaSequence: 30, endList: true, playlistType: 'VOD' })
    expect((await get(`${url}?_HLS_skip=YES`)).body.equals(after.body)).toBe(true)
    const mpd = (await get(`${base}/loc-1/index.mpd`)).body.toString()
    expect(mpd).toContain('type="static"')
    expect(mpd).toContain('mediaPresentationDuration="PT740S"')
    expect(liveMpd.test(mpd)).toBe(false)
  })

  it('is two hours of an MPD, or all of it where that is asked for, then and with every reload', async () => {
    const base = await originOf(longLive(3_700))
    const depth = (text: string) => [/timeShiftBufferDepth="(\w+)"/.exec(text)?.[1], /r="(\d+)"/.exec(text)?.[1]]
    const reload = async (url: string) => {
      const text = (await get(url)).body.toString()
      const next = new URL(locationOf(text), url).href
      const again = (await get(next)).body.toString()
      expect(new URL(locationOf(again), next).href).toBe(next)
      return [depth(text), depth(again)]
    }
    const usual = ['PT7200S', '3599']
    const full = ['PT90000S', '3699']
    expect(await reload(`${base}/loc-1/index.mpd`)).toEqual([usual, usual])
    expect(await reload(`${base}/loc-1/index.mpd?rewind=full`)).toEqual([full, full])
    expect(await reload(`${base}/loc-1/stream.ism/manifest(format=mpd-time-cmaf)?rewind=full`)).toEqual([full, full])
    const wrong = await rawRequest(`${base}/loc-1/index.mpd?rewind=30m`)
    expect([wrong.status, JSON.parse(wrong.body.toString()).detail]).toEqual([400, expect.stringContaining('rewind')])
  })

  it('lets others be answered while it is made', async () => {
    const base = await originOf(longLive(20_000))
    const url = await videoUrl(base)
    const order: string[] = []
    const long = get(url, { 'Accept-Encoding': 'gzip' }).then(() => order.push('playlist'))
    const short = get(`${base}/time`).then(() => order.push('time'))
    await Promise.all([long, short])
    expect(order).toEqual(['time', 'playlist'])
  })
})
