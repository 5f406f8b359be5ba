import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import hlsParser from 'hls-parser'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

hlsParser.setOptions({ strictMode: true })

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

async function origin(
  live: FakeLive,
  ...rest: [Parameters<typeof startOrigin>[1]?, Parameters<typeof startOrigin>[2]?]
) {
  const started = await startOrigin(live, ...rest)
  running.push(started.server)
  return started
}

function liveWith(segments: number, fragmentBytes?: number): FakeLive {
  return new FakeLive().addTracks().addSegments(segments, fragmentBytes)
}

/** All URIs of a playlist, also those in attributes, against its own URL. */
function urisOf(text: string, url: string): string[] {
  const uris = text.split('\n').flatMap((line) => {
    if (line === '') return []
    if (!line.startsWith('#')) return [line]
    return [...line.matchAll(/URI="([^"]+)"/g)].map((match) => match[1] ?? '')
  })
  return uris.map((uri) => new URL(uri, url).href)
}

async function get(url: string, headers: Record<string, string> = {}) {
  return rawRequest(url, { headers })
}

describe('manifests', () => {
  it('leads from the alias and from the .ism address to the same, working children', async () => {
    const { base } = await origin(liveWith(8))
    const masters = [`${base}/loc-1/index.m3u8`, `${base}/LOC-1/stream.ism/Manifest(format=m3u8-cmaf)`]
    const children = await Promise.all(
      masters.map(async (url) => {
        const master = await get(url)
        expect(master.status).toBe(200)
        expect(master.headers['content-type']).toBe('application/vnd.apple.mpegurl')
        expect(master.headers['cache-control']).toBe('public, max-age=2')
        expect(hlsParser.parse(master.body.toString()).isMasterPlaylist).toBe(true)
        return urisOf(master.body.toString(), url)
      }),
    )
    expect(children[0]?.map((url) => url.toLowerCase())).toEqual(children[1]?.map((url) => url.toLowerCase()))
    expect(children[0]).toHaveLength(3)
    for (const playlistUrl of children.flat()) {
      const playlist = await get(playlistUrl)
      expect(playlist.status).toBe(200)
      expect(playlist.headers['cache-control']).toBe('public, max-age=1')
      const media = urisOf(playlist.body.toString(), playlistUrl)
      expect(media.length).toBeGreaterThanOrEqual(8 + 1)
      for (const url of media) {
        const answer = await get(url)
        expect(answer.status).toBe(200)
        expect(answer.headers['content-type']).toBe(url.includes('audio') ? 'audio/mp4' : 'video/mp4')
        expect(answer.headers['cache-control']).toBe('public, max-age=31536000, immutable')
      }
    }
  })

  it('serves DASH at both addresses, with its template, clock and next MPD where they say', async () => {
    const live = liveWith(4)
    const { base } = await origin(live)
    for (const path of ['/loc-1/index.mpd', '/loc-1/Stream.ism/manifest(format=mpd-time-cmaf)']) {
      const mpd = await get(base + path)
      expect(mpd.status).toBe(200)
      expect(mpd.headers['content-type']).toBe('application/dash+xml')
      const text = mpd.body.toString()
      const media = /media="([^"]+video-1[^"]+)"/.exec(text)?.[1]?.replace('$Time$', String(START_SECONDS * 90_000))
      const segment = await get(new URL(media ?? '', base + path).href)
      expect(segment.body.equals(live.joined(0, 0))).toBe(true)
      const clock = /UTCTiming[^>]* value="([^"]+)"/.exec(text)?.[1] ?? ''
      const time = await get(new URL(clock, base + path).href)
      expect(Math.abs(Date.parse(time.body.toString()) - Date.now())).toBeLessThan(5_000)
      expect(time.headers['cache-control']).toBe('no-store')
      const next = /<Location>([^<]+)</.exec(text)?.[1] ?? ''
      const nextUrl = new URL(next, base + path).href
      const followed = (await get(nextUrl)).body.toString()
      expect(new URL(/<Location>([^<]+)</.exec(followed)?.[1] ?? '', nextUrl).href).toBe(nextUrl)
      const followedMedia = /media="([^"]+video-1[^"]+)"/
        .exec(followed)?.[1]
        ?.replace('$Time$', String(START_SECONDS * 90_000))
      expect((await get(new URL(followedMedia ?? '', nextUrl).href)).status).toBe(200)
    }
  })

  it('leaves the picture out where audio-only is asked for', async () => {
    const { base } = await origin(liveWith(4))
    const hls = await get(`${base}/loc-1/stream.ism/manifest(format=m3u8-cmaf, audio-only=true)`.replaceAll(' ', '%20'))
    expect(hls.body.toString()).not.toContain('video-1')
    expect(hls.body.toString()).toContain('audio-1')
    const dash = await get(`${base}/loc-1/stream.ism/manifest(audio-only=TRUE,format=MPD-time-cmaf)`)
    expect(dash.body.toString()).not.toContain('video-1')
  })

  it('changes ETag with the version only, answers 304, and ends with ENDLIST and a longer age', async () => {
    const live = liveWith(4)
    const { base } = await origin(live)
    const url = urisOf((await get(`${base}/loc-1/index.m3u8`)).body.toString(), `${base}/loc-1/index.m3u8`)[0] ?? ''
    const first = await get(url)
    const etag = String(first.headers.etag)
    const again = await get(url, { 'If-None-Match': `"other", W/${etag}` })
    expect(again.status).toBe(304)
    expect(again.body).toHaveLength(0)
    expect(again.headers).toMatchObject({ etag, vary: 'Accept-Encoding', 'cache-control': 'public, max-age=1' })
    live.addSegments(1)
    expect((await get(url, { 'If-None-Match': etag })).status).toBe(200)
    live.presentation.apply({ type: 'ended' })
    const ended = await get(url)
    expect(ended.body.toString()).toContain('#EXT-X-ENDLIST')
    expect(ended.headers['cache-control']).toBe('public, max-age=60')
  })

  it('compresses once per version, for everybody, and only for who wants it', async () => {
    const live = liveWith(20)
    let compressions = 0
    const compress = (body: Uint8Array) => {
      compressions++
      return promisify(gzip)(body)
    }
    const { base } = await origin(live, {}, { compress })
    const url = `${base}/loc-1/index.mpd`
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => get(url, { 'Accept-Encoding': 'br, gzip;q=0.8' })),
    )
    expect(compressions).toBe(1)
    const plain = await get(url, { 'Accept-Encoding': 'gzip;q=0, *' })
    expect(plain.headers['content-encoding']).toBeUndefined()
    for (const answer of answers) {
      expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
      expect(answer.headers['content-length']).toBe(String(answer.body.byteLength))
      expect(gunzipSync(answer.body).equals(plain.body)).toBe(true)
      expect(answer.headers.etag).not.toBe(plain.headers.etag)
    }
    const validated = await get(url, { 'Accept-Encoding': 'gzip', 'If-None-Match': String(answers[0]?.headers.etag) })
    expect(validated.status).toBe(304)
    live.addSegments(1)
    await get(url, { 'Accept-Encoding': 'gzip' })
    expect(compressions).toBe(2)
  })

  it('says 412, and when to ask again, before the first segment', async () => {
    const { base } = await origin(new FakeLive().addTracks())
    const answer = await get(`${base}/loc-1/index.m3u8`)
    expect(answer.status).toBe(412)
    expect(answer.headers).toMatchObject({ 'retry-after': '1', 'cache-control': 'no-store' })
  })
})

describe('the AMS grammar', () => {
  it('serves playlists and fragments of a quality level, with validators', async () => {
    const live = liveWith(6)
    const { base } = await origin(live)
    const level = `${base}/loc-1/Stream.ism/QualityLevels(2500000)`
    for (const type of ['', ',type=keyframes']) {
      const url = `${level}/Manifest(video,format=m3u8-cmaf${type})`
      const playlist = await get(url)
      expect(playlist.status).toBe(200)
      const media = urisOf(playlist.body.toString(), url)
      expect((await get(media[0] ?? '')).status).toBe(200)
      expect((await get(media[1] ?? '')).status).toBe(200)
      expect(playlist.body.toString().includes('I-FRAMES-ONLY')).toBe(type !== '')
    }
    const fragment = await get(`${level}/Fragments(video=${START_SECONDS * 90_000},format=m3u8-cmaf)`)
    expect(fragment.body.equals(live.joined(0, 0))).toBe(true)
    expect(fragment.headers['cache-control']).toBe('public, max-age=60')
    expect(fragment.headers.etag).toBeDefined()
    const init = await get(
      `${base}/loc-1/stream.ism/qualitylevels(128000)/fragments(audio-1=i, format=mpd-time-cmaf)`.replace(' ', '%20'),
    )
    expect(init.body).toHaveLength(600)
    expect(init.headers['content-type']).toBe('audio/mp4')
    const encoded = `${base}/loc-1/stream.ism/manifest%28format%3Dm3u8-cmaf%2C%20audio-only%3Dfalse%29?CMCD=bl%3D1`
    expect((await get(encoded)).status).toBe(200)
  })

  it.each([
    ['manifest(format=m3u8-aapl-v5)', 400],
    ['manifest(format=nonsense)', 400],
    ['manifest(format=m3u8-cmaf,format=m3u8-cmaf)', 400],
    ['manifest(format=m3u8-cmaf,colour=red)', 400],
    ['manifest(format=m3u8-cmaf,audio-only=maybe)', 400],
    ['manifest(format=m3u8-cmaf,encryption=cenc)', 400],
    ['manifest(format=m3u8-cmaf,filter=hd)', 404],
    ['manifest(format=m3u8-cmaf', 404],
    ['manifests(format=m3u8-cmaf)', 404],
    ['QualityLevels(2500000)', 404],
    ['QualityLevels(abc)/Manifest(video,format=m3u8-cmaf)', 400],
    ['QualityLevels(1)/Manifest(video,format=m3u8-cmaf)', 404],
    ['QualityLevels(2500000)/Manifest(video,format=mpd-time-cmaf)', 400],
    ['QualityLevels(2500000)/Manifest(format=m3u8-cmaf)', 400],
    ['QualityLevels(128000)/Manifest(audio,format=m3u8-cmaf,type=keyframes)', 404],
    ['QualityLevels(2500000)/Fragments(video,format=m3u8-cmaf)', 400],
    ['QualityLevels(2500000)/Fragments(video=-1,format=m3u8-cmaf)', 400],
    ['QualityLevels(2500000)/Fragments(video=1)', 404],
    ['QualityLevels(2500000)/Fragments(video=i)', 400],
    ['QualityLevels(2500000)/FragmentInfo(video=1,format=m3u8-cmaf)', 400],
    ['QualityLevels(2500000)/Fragments(video=153000000000001,format=m3u8-cmaf)', 404],
    ['QualityLevels(2500000)/Fragments(video=9000000000000000,format=m3u8-cmaf)', 412],
  ])('%s is %i', async (path, status) => {
    const { base } = await origin(liveWith(3))
    const answer = await get(`${base}/loc-1/stream.ism/${path}`)
    expect(answer.status).toBe(status)
    const problem = JSON.parse(answer.body.toString())
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(problem).toMatchObject({ status, type: expect.stringMatching(/^urn:headend:problem:/) })
    if (path.startsWith('manifest') && status === 400 && !/encryption|audio-only|colour|m3u8-cmaf,format/.test(path)) {
      expect(problem.detail).toContain('mpd-time-cmaf')
    }
  })
})
