import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, statSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readDash, readHls } from '../support/agreement.ts'
import { ffprobe, run } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { ladderFaults, watchLadder } from '../support/ladder-watch.ts'
import { playingVariant } from '../support/playlist.ts'
import { download, mp4boxReading, readServed, shakaComplaints, writeStretch } from '../support/served.ts'

/** From the start of the program to manifests that play. */
const READY_LIMIT_MS = 30_000

const folder = temporaryFolder()
const dataDir = temporaryFolder()
let headend: Headend
let startedMs: number

beforeAll(async () => {
  startedMs = performance.now()
  headend = await startHeadend({ args: ['--demo'], dataDir })
})

afterAll(async () => {
  expect(await headend.stop()).toBe(0)
  rmSync(folder, { recursive: true, force: true })
  rmSync(dataDir, { recursive: true, force: true })
})

/** ffmpeg's HLS demuxer reads the init segment before every segment, and tells itself so. */
const ownRemark = /Found duplicated MOOV Atom\. Skipped it/

async function complaintsOf(...args: readonly string[]): Promise<string[]> {
  const { code, stderr } = await run('ffmpeg', ['-v', 'warning', '-nostdin', ...args])
  const lines = stderr.split('\n').filter((line) => line !== '' && !ownRemark.test(line))
  return code === 0 ? lines : [...lines, `exit code ${code}`]
}

describe('npm start -- --demo', () => {
  it('plays by HLS and by DASH within thirty seconds, read by ffprobe and ffmpeg without a complaint', async () => {
    const { hlsUrl, dashUrl } = headend.quickstart
    await playingVariant(hlsUrl, 3, READY_LIMIT_MS - (performance.now() - startedMs))
    expect(performance.now() - startedMs).toBeLessThan(READY_LIMIT_MS)
    for (const url of [hlsUrl, dashUrl]) {
      const { streams } = (await ffprobe('-show_streams', url)) as {
        streams: { codec_type: string; height?: number }[]
      }
      const heights = streams.filter(({ codec_type }) => codec_type === 'video').map(({ height }) => height)
      expect(heights.length, url).toBeGreaterThanOrEqual(1)
      expect(new Set(heights).size, url).toBe(heights.length)
      expect(streams.some(({ codec_type }) => codec_type === 'audio')).toBe(true)
      expect(await complaintsOf('-i', url, '-t', '6', '-f', 'null', '-'), url).toEqual([])
    }
  })

  it('writes a complete quickstart.json for its owner alone', async () => {
    const file = join(dataDir, 'quickstart.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const { controlUrl, streamingUrl, rtmpUrl, streamKey, hlsUrl, dashUrl, playerUrl, apiKey, ...more } =
      headend.quickstart
    expect(more).toEqual({})
    expect(apiKey).toMatch(/^hk_[0-9A-Za-z]{22}_[0-9A-Za-z_-]{43}$/)
    expect(streamKey).toMatch(/^[A-Za-z0-9_-]{24}$/)
    expect(rtmpUrl).toMatch(/^rtmp:\/\/127\.0\.0\.1:\d+\/live$/)
    expect([hlsUrl, dashUrl].every((url) => url.startsWith(`${streamingUrl}/`))).toBe(true)
    expect(playerUrl.startsWith(`${controlUrl}/player/`)).toBe(true)
  })

  it('has manifests that three parsers accept and that agree with each other', async () => {
    const { hlsUrl, dashUrl } = headend.quickstart
    const hls = await readHls(hlsUrl)
    const dash = await readDash(dashUrl)
    expect(hls.video.size).toBeGreaterThanOrEqual(2)
    expect([...hls.keyFrames.values()].every((count) => count >= 3)).toBe(true)
    expect(hls.keyFrames.size).toBe(hls.video.size)
    expect([dash.video.size, dash.audio.size]).toEqual([hls.video.size, hls.audio.size])
    for (const kind of ['video', 'audio'] as const) {
      const inDash = new Map([...dash[kind].values()].flatMap((listing) => [...listing]))
      const inHls = new Map([...hls[kind].values()].flatMap((listing) => [...listing]))
      expect(inHls.size).toBeGreaterThanOrEqual(3)
      // The MPD came later: it may list more at the end, and nothing else.
      for (const [key, { seconds, initUrl }] of inHls) {
        expect(inDash.get(key)?.initUrl, key).toBe(initUrl)
        expect(inDash.get(key)?.seconds ?? 0, key).toBeCloseTo(seconds, 3)
      }
    }
  })

  it('serves segments that mp4box.js and shaka-packager read, in every rendition', async () => {
    const { renditions } = await readServed(headend.quickstart.hlsUrl)
    expect(renditions.length).toBeGreaterThanOrEqual(3)
    for (const [index, rendition] of renditions.entries()) {
      for (const [part, stretch] of (await download(rendition)).entries()) {
        const { codec, samples } = mp4boxReading(stretch)
        expect(codec).toMatch(rendition.kind === 'video' ? /^avc1\./ : /^mp4a\.40\.2$/)
        expect(samples.length).toBeGreaterThan(20)
        const times = samples.map(({ dtsSeconds }) => dtsSeconds)
        expect(times.every((time, i) => i === 0 || time > (times[i - 1] ?? 0))).toBe(true)
        const file = writeStretch(join(folder, `${index}-${part}.mp4`), stretch)
        expect(shakaComplaints(file, rendition.kind)).toBe('')
      }
    }
  })

  it('cuts all renditions at the same instants, and tells the truth about their lengths', async () => {
    const renditions = await watchLadder(headend.quickstart.hlsUrl, 12_000)
    expect(await ladderFaults(renditions)).toEqual([])
    for (const { bytes, mediaSequences } of renditions) {
      expect(mediaSequences.length).toBeGreaterThan(5)
      expect(bytes.size).toBeGreaterThanOrEqual(6)
    }
  })

  it('tells Prometheus in its own words', async () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await headend.metrics(),
      encoding: 'utf8',
    })
    expect([status, stdout, stderr]).toEqual([0, '', ''])
  })

  it('answers on the control listener', async () => {
    const { controlUrl, hlsUrl, dashUrl, playerUrl } = headend.quickstart
    expect(await (await fetch(`${controlUrl}/healthz`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`${controlUrl}/readyz`)
    expect([ready.status, ((await ready.json()) as { status: string }).status]).toEqual([200, 'ready'])
    const landing = await (await fetch(controlUrl)).text()
    for (const url of [hlsUrl, dashUrl, '/player/']) expect(landing).toContain(url)
    expect((await fetch(playerUrl, { method: 'HEAD' })).status).toBeLessThan(500)
    expect((await fetch(`${controlUrl}/nothing`)).status).toBe(404)
    expect((await fetch(`${controlUrl}/healthz`, { method: 'DELETE' })).status).toBe(405)
  })
})

/** One request with nothing added and nothing unpacked. */
async function ask(url: string, method = 'GET', headers: Readonly<Record<string, string>> = {}) {
  const call = request(url, { method, headers, agent: false })
  call.end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  const body = Buffer.concat(await response.toArray())
  return { status: response.statusCode, headers: response.headers, body }
}

describe('HTTP', () => {
  it('validates, compresses and shares manifests', async () => {
    const { hlsUrl, dashUrl } = headend.quickstart
    for (const [url, type] of [
      [hlsUrl, 'application/vnd.apple.mpegurl'],
      [dashUrl, 'application/dash+xml'],
    ] as const) {
      const full = await ask(url, 'GET', { origin: 'https://viewer.example' })
      expect(full).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining(type) } })
      expect(full.headers['access-control-allow-origin']).toBe('*')
      const preflight = await ask(url, 'OPTIONS', {
        origin: 'https://viewer.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'range',
      })
      expect(preflight.status).toBe(204)
      expect(preflight.headers['access-control-allow-headers']?.toLowerCase()).toContain('range')
      const head = await ask(url, 'HEAD')
      expect([head.status, head.body.byteLength]).toEqual([200, 0])
      const zipped = await ask(url, 'GET', { 'accept-encoding': 'gzip' })
      expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', vary: expect.stringMatching(/encoding/i) })
      expect(zipped.body.subarray(0, 2).toString('hex')).toBe('1f8b')
    }
    // The master stays the same from one moment to the next: its validator must be good for a 304.
    const { etag } = (await ask(hlsUrl)).headers
    expect(etag).toMatch(/^(W\/)?".+"$/)
    const unchanged = await ask(hlsUrl, 'GET', { 'if-none-match': etag ?? '' })
    expect([unchanged.status, unchanged.body.byteLength]).toEqual([304, 0])
    expect((await ask(hlsUrl, 'GET', { 'if-none-match': '"other"' })).status).toBe(200)
  })

  it('gives media whole, in ranges, for ever', async () => {
    const { playlist } = await playingVariant(headend.quickstart.hlsUrl, 2)
    const url = playlist.segments.find(({ gap }) => !gap)?.url ?? ''
    const whole = await ask(url)
    expect(whole).toMatchObject({ status: 200, headers: { 'content-type': 'video/mp4', 'accept-ranges': 'bytes' } })
    expect(whole.headers['cache-control']).toContain('immutable')
    const size = whole.body.byteLength
    expect(Number(whole.headers['content-length'])).toBe(size)
    const part = await ask(url, 'GET', { range: 'bytes=100-199' })
    expect(part).toMatchObject({ status: 206, headers: { 'content-range': `bytes 100-199/${size}` } })
    expect(Buffer.compare(part.body, whole.body.subarray(100, 200))).toBe(0)
    const tail = await ask(url, 'GET', { range: 'bytes=-10' })
    expect(Buffer.compare(tail.body, whole.body.subarray(size - 10))).toBe(0)
    expect(await ask(url, 'GET', { range: `bytes=${size}-` })).toMatchObject({
      status: 416,
      headers: { 'content-range': `bytes */${size}` },
    })
    const head = await ask(url, 'HEAD')
    expect([head.status, Number(head.headers['content-length']), head.body.byteLength]).toEqual([200, size, 0])
    expect((await ask(url, 'GET', { 'if-none-match': whole.headers.etag ?? '' })).status).toBe(304)
  })

  it('tells what was never there from what is not there yet', async () => {
    const { streamingUrl, hlsUrl } = headend.quickstart
    const { playlist } = await playingVariant(hlsUrl, 2)
    const last = playlist.segments.at(-1)?.url ?? ''
    const [ticks] = /\d+(?=\.m4s$)/.exec(last) ?? []
    const ahead = last.replace(`${ticks}.m4s`, `${Number(ticks) + 3600 * 90_000}.m4s`)
    expect(await ask(ahead)).toMatchObject({ status: 412, headers: { 'cache-control': 'no-store' } })
    const problem = JSON.parse((await ask(ahead)).body.toString()) as Record<string, unknown>
    expect(problem).toMatchObject({ status: 412, type: 'urn:headend:problem:segment-not-yet' })
    const between = last.replace(`${ticks}.m4s`, `${Number(ticks) + 1}.m4s`)
    for (const url of [`${streamingUrl}/`, `${streamingUrl}/none/index.m3u8`, `${hlsUrl}x`, between]) {
      expect((await ask(url)).status, url).toBe(404)
    }
    expect((await ask(hlsUrl, 'POST')).status).toBe(405)
    expect((await ask(`${streamingUrl}/%zz/index.m3u8`)).status).toBe(400)
  })
})
