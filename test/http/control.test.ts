import { describe, expect, it } from 'vitest'
import type { HealthCheck } from '../../src/api/ports.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { ask, open, setUp } from './control-harness.ts'

setUp()

describe('over HTTP/1.1', () => {
  it('serves the page fresh and its hashed assets for ever', async () => {
    const { port } = await open()
    const page = await ask(port, '/player/')
    expect(page).toMatchObject({ status: 200, body: expect.stringContaining('<title>player') })
    expect(page.headers['cache-control']).toBe('no-cache')
    const asset = await ask(port, '/player/assets/page-1a2b.js')
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(asset.headers['content-type']).toContain('javascript')
    expect(asset.body).toHaveLength(420_000)
    expect((await ask(port, '/player')).headers['location']).toBe('/player/')
  })

  it('answers HEAD with the headers and nothing else', async () => {
    const { port } = await open()
    for (const path of ['/player/', '/healthz', '/metrics', '/']) {
      expect(await ask(port, path, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' })
    }
  })

  it.each([
    '/nothing',
    '/player/nothing.js',
    '/player/.secret',
    '/player/..%2foutside.txt',
    '/player/assets/../../../outside.txt',
  ])('answers %s with a problem document', async (path) => {
    const { port } = await open()
    const answer = await ask(port, path)
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(answer.headers['cache-control']).toBe('no-store')
    expect([403, 404]).toContain(answer.status)
    expect(JSON.parse(answer.body)).toMatchObject({ status: answer.status, title: expect.any(String) })
  })

  it('names the code of an unknown address', async () => {
    const { port } = await open()
    expect(JSON.parse((await ask(port, '/nothing')).body)).toEqual({
      type: 'urn:headend:problem:url-unknown',
      title: 'Not Found',
      status: 404,
      detail: 'There is nothing at this address.',
      code: 'URL_UNKNOWN',
    })
  })

  it('blames the client for a range that is not there and shows no stack', async () => {
    const { port } = await open()
    const answer = await ask(port, '/player/', { headers: { range: 'bytes=99999-' } })
    expect(answer.status).toBe(416)
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(answer.body).not.toMatch(/node_modules|\bat /)
  })

  it.each(['POST', 'PUT', 'DELETE'])('refuses to %s what can only be read', async (method) => {
    const { port } = await open()
    expect(await ask(port, '/metrics', { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
  })
})

describe('/metrics and /healthz', () => {
  it('hands the registry’s text on with its own media type', async () => {
    const { port } = await open()
    const answer = await ask(port, '/metrics')
    expect(answer).toMatchObject({ status: 200, body: 'headend_up 1\n' })
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers['etag']).toBeUndefined()
  })

  it('stays alive while nothing is ready', async () => {
    const { port } = await open({ health: { checks: async () => Promise.reject(new Error('broken')) } })
    expect(await ask(port, '/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' })
  })
})

describe('/readyz', () => {
  it('is 200 when every check is fine and 503 when one is not, with the checks by name', async () => {
    const checks: HealthCheck[] = [{ name: 'rtmp', ok: true }]
    const { port } = await open({ health: { checks: async () => checks } })
    expect(await ask(port, '/readyz')).toMatchObject({ status: 200 })
    checks.push({ name: 'ffmpeg', ok: false, detail: 'No ffmpeg was found.' })
    const answer = await ask(port, '/readyz')
    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.body)).toEqual({ status: 'not-ready', checks })
  })

  it('answers 503 rather than wait for ever on a check that hangs', async () => {
    const clock = new VirtualClock()
    let asked = () => {}
    const reached = new Promise<void>((resolve) => {
      asked = resolve
    })
    const { port } = await open({
      clock,
      health: {
        checks: () => {
          asked()
          return new Promise(() => {})
        },
      },
    })
    const answer = ask(port, '/readyz')
    await reached
    await clock.advance(5_000)
    expect(await answer).toMatchObject({ status: 503 })
  })

  it('turns errors into problems by their kind and keeps internals to itself', async () => {
    const failures = [
      { error: new AppError('FFMPEG_CRASHED', 'ffmpeg ended.'), status: 503, says: 'ffmpeg ended.', retry: '2' },
      {
        error: new AppError('INTERNAL', 'the password is x'),
        status: 500,
        says: /^((?!password).)*$/,
        retry: undefined,
      },
      { error: new Error('/secret/path'), status: 500, says: /^((?!secret).)*$/, retry: undefined },
    ]
    let failure: Error = new Error()
    const { port } = await open({ health: { checks: () => Promise.reject(failure) } })
    for (const { error, status, says, retry } of failures) {
      failure = error
      const answer = await ask(port, '/readyz')
      expect(answer.status).toBe(status)
      expect(answer.headers['retry-after']).toBe(retry)
      expect(JSON.parse(answer.body).detail).toMatch(says)
    }
  })
})

describe('/player/default.json and /', () => {
  it('names the host by which the asker came, unless the operator has named one', async () => {
    const { port } = await open()
    const answer = await ask(port, '/player/default.json', { host: 'studio.local:8080' })
    expect(JSON.parse(answer.body)).toEqual({
      title: 'Main <stage>',
      hlsUrl: 'http://studio.local:8088/abc/index.m3u8',
      dashUrl: 'https://cdn.example/abc/index.mpd',
    })
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  it.each([
    ['[::1]:8080', 'http://[::1]:8088/abc/index.m3u8'],
    ['10.0.0.7', 'http://10.0.0.7:8088/abc/index.m3u8'],
    ['evil"><script>', 'http://localhost:8088/abc/index.m3u8'],
    ['user@elsewhere', 'http://localhost:8088/abc/index.m3u8'],
    ['a/b', 'http://localhost:8088/abc/index.m3u8'],
  ])('reads the host %s', async (host, hlsUrl) => {
    const { port } = await open()
    expect(JSON.parse((await ask(port, '/player/default.json', { host })).body).hlsUrl).toBe(hlsUrl)
  })

  it('is a 404 while nothing is published', async () => {
    const { port } = await open({ watch: { current: () => undefined } })
    expect((await ask(port, '/player/default.json')).status).toBe(404)
    expect((await ask(port, '/')).body).toContain('Nothing is published yet')
  })

  it('lists where to watch, with titles escaped', async () => {
    const { port } = await open()
    const { body, headers } = await ask(port, '/', { host: 'studio.local:8080' })
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(body).toContain('Main &#60;stage&#62;')
    expect(body).not.toContain('<stage>')
    for (const href of ['/player/', '/metrics', '/readyz', 'http://studio.local:8088/abc/index.m3u8'])
      expect(body).toContain(`href="${href}"`)
  })
})

describe('headers for browsers', () => {
  it('let the player be framed, fetch media from anywhere and run nobody else’s code', async () => {
    const { port } = await open()
    const { headers } = await ask(port, '/player/')
    const policy = headers['content-security-policy'] ?? ''
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("connect-src 'self' http: https:;")
    expect(policy).toMatch(/media-src [^;]*blob:/)
    expect(policy).toContain('frame-ancestors *')
    expect(policy).not.toContain('upgrade-insecure-requests')
    expect(headers['x-frame-options']).toBeUndefined()
    expect(headers['strict-transport-security']).toBeUndefined()
    expect(headers['x-powered-by']).toBeUndefined()
  })

  it('keep everything else out of frames', async () => {
    const { port } = await open()
    const { headers } = await ask(port, '/')
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['x-frame-options']).toBe('DENY')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })
})
