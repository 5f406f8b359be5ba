import { afterEach, describe, expect, it } from 'vitest'
import { FakeLive, SEGMENT_SECONDS, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

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

describe('segments', () => {
  /** Where the children of the fixture's presentation are. */
  async function children(base: string): Promise<string> {
    const url = `${base}/loc-1/index.m3u8`
    const playlist = urisOf((await get(url)).body.toString(), url)[0] ?? ''
    return playlist.slice(0, playlist.lastIndexOf('/'))
  }
  const videoAt = (sequence: number) => (START_SECONDS + sequence * SEGMENT_SECONDS) * 90_000

  it('says whether an absent one is unknown, gone or to come', async () => {
    const live = liveWith(6)
    const { base } = await origin(live)
    const at = await children(base)
    const status = async (path: string) => (await get(`${at}/${path}`)).status
    expect(await status(`video-1/${videoAt(6)}.m4s`)).toBe(412)
    expect(await status(`audio-1/${(START_SECONDS + 12) * 48_000 - 900}.m4s`)).toBe(412)
    expect(await status(`video-1/${videoAt(3) + 1}.m4s`)).toBe(404)
    expect(await status(`video-1/${videoAt(-1)}.m4s`)).toBe(404)
    expect(await status('video-9/0.m4s')).toBe(404)
    expect(await status('video-1/2.init.mp4')).toBe(404)
    expect(await status('video-1/1.init.mp4')).toBe(200)
    live.presentation.apply({ type: 'evicted', firstSequence: 3 })
    const gone = await get(`${at}/video-1/${videoAt(2)}.m4s`)
    expect(gone.status).toBe(410)
    expect(JSON.parse(gone.body.toString()).type).toBe('urn:headend:problem:segment-gone')
    live.bytes.delete('0/4')
    expect(await status(`video-1/${videoAt(4)}.m4s`)).toBe(410)
    live.presentation.apply({ type: 'ended' })
    expect(await status(`video-1/${videoAt(6)}.m4s`)).toBe(404)
    const wrongDigest = at.replace(/[^/]+$/, 'AAAAAAAAAAAA')
    expect((await get(`${wrongDigest}/video-1/${videoAt(4)}.m4s`)).status).toBe(404)
    expect((await get(`${wrongDigest}/video-1.m3u8`)).status).toBe(404)
    live.published = false
    expect(await status('video-1/1.init.mp4')).toBe(404)
  })

  it('gives other addresses to another epoch of the same presentation', async () => {
    const [one, two] = await Promise.all(
      ['e1', 'e2'].map(async (epoch) => {
        const { base } = await origin(new FakeLive({ epoch }).addTracks().addSegments(2))
        return (await children(base)).slice(base.length)
      }),
    )
    expect(one).not.toBe(two)
  })

  it.each([
    ['bytes=0-99', 206, 0, 99],
    ['bytes=990-1010', 206, 990, 1010],
    ['bytes=1000-', 206, 1000, 2000],
    ['bytes=-1', 206, 2000, 2000],
    ['bytes=-5000', 206, 0, 2000],
    ['bytes=0-99999', 206, 0, 2000],
    ['bytes=2001-', 416, 0, 0],
    ['bytes=-0', 416, 0, 0],
    ['bytes=5-2', 200, 0, 2000],
    ['bytes=0-1,3-4', 200, 0, 2000],
    ['lines=0-1', 200, 0, 2000],
  ])('Range %s', async (range, status, first, last) => {
    const live = liveWith(2)
    const { base } = await origin(live)
    const answer = await get(`${await children(base)}/video-1/${videoAt(0)}.m4s`, { Range: range })
    expect(answer.status).toBe(status)
    if (status === 416) {
      expect(answer.headers['content-range']).toBe('bytes */2001')
      return
    }
    expect(answer.body.equals(live.joined(0, 0).subarray(first, last + 1))).toBe(true)
    expect(answer.headers['accept-ranges']).toBe('bytes')
    expect(answer.headers['content-range']).toBe(status === 206 ? `bytes ${first}-${last}/2001` : undefined)
  })

  it('honours If-Range, If-None-Match and HEAD', async () => {
    const live = liveWith(2)
    const { base } = await origin(live)
    const url = `${await children(base)}/video-1/${videoAt(0)}.m4s`
    const etag = String((await get(url)).headers.etag)
    expect((await get(url, { Range: 'bytes=0-1', 'If-Range': etag })).status).toBe(206)
    expect((await get(url, { Range: 'bytes=0-1', 'If-Range': '"else"' })).status).toBe(200)
    const same = await get(url, { 'If-None-Match': etag })
    expect(same.status).toBe(304)
    expect(same.headers['content-type']).toBeUndefined()
    expect(same.headers.etag).toBe(etag)
    for (const path of [url, `${base}/loc-1/index.m3u8`]) {
      const whole = await get(path)
      const head = await rawRequest(path, { method: 'HEAD', headers: { Range: 'bytes=0-1' } })
      expect(head.status).toBe(200)
      expect(head.body).toHaveLength(0)
      for (const name of ['content-length', 'content-type', 'etag', 'cache-control']) {
        expect(head.headers[name]).toBe(whole.headers[name])
      }
    }
    expect(live.signals.every((signal) => signal.aborted)).toBe(true)
  })

  it('answers 500 without saying why, and goes on, when the bytes can not be read', async () => {
    const live = liveWith(2)
    const { base } = await origin(live)
    const url = `${await children(base)}/video-1/${videoAt(0)}.m4s`
    live.failReads = true
    const failed = await get(url)
    expect(failed.status).toBe(500)
    expect(failed.body.toString()).not.toContain('fire')
    live.failReads = false
    expect((await get(url)).status).toBe(200)
  })
})

describe('every answer', () => {
  it('may be read by any page, and is not guessed at', async () => {
    const { base } = await origin(liveWith(2))
    for (const path of ['/loc-1/index.m3u8', '/nothing/index.m3u8', '/time', '/%ff']) {
      const { headers } = await get(base + path)
      expect(headers).toMatchObject({
        'access-control-allow-origin': '*',
        'timing-allow-origin': '*',
        'x-content-type-options': 'nosniff',
      })
      expect(headers['access-control-expose-headers']).toContain('Content-Range')
      expect(headers.location).toBeUndefined()
    }
  })

  it('is a cached preflight for OPTIONS, and 405 for what would change something', async () => {
    const live = liveWith(2)
    const { base } = await origin(live)
    const preflight = await rawRequest(`${base}/loc-1/index.m3u8`, {
      method: 'OPTIONS',
      headers: { Origin: 'https://a.example', 'Access-Control-Request-Headers': 'range' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-max-age']).toBe('86400')
    expect(preflight.headers['access-control-allow-methods']).toContain('GET')
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const refused = await rawRequest(`${base}/loc-1/index.m3u8`, {
        method,
        body: 'x'.repeat(10),
        headers: { 'Content-Length': '10' },
      })
      expect(refused.status).toBe(405)
      expect(refused.headers).toMatchObject({ allow: 'GET, HEAD, OPTIONS', connection: 'close' })
    }
    expect(live.requests.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
      'other 204',
      'other 405',
      'other 405',
      'other 405',
    ])
  })
})
