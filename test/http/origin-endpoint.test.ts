import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { afterEach, describe, expect, it } from 'vitest'
import type { EndpointRules } from '../../src/domain/serving-rules.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import type { CmcdReport } from '../../src/origin/cmcd.ts'
import type { OriginOptions } from '../../src/origin/origin-server.ts'
import type { KeyDesk } from '../../src/origin/ports.ts'
import { certificate } from '../support/certificate.ts'
import { FakeLive, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const NOW_MS = 1_800_000_000_000
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

const open: EndpointRules = { hostNames: [], maxCacheAge: 'PT8760H', allowIp: [], cors: undefined, signedUrlKeys: [] }

/** An origin with a publication of an account that has these endpoints. */
async function origin(...endpoints: readonly Partial<EndpointRules>[]) {
  return originWith({}, endpoints)
}

async function originWith(
  options: Partial<OriginOptions>,
  endpoints: readonly Partial<EndpointRules>[],
  keys?: KeyDesk,
) {
  const live = new FakeLive().addTracks().addSegments(4)
  const clock = new VirtualClock(NOW_MS)
  const rules = { accountId: 'a', filters: [], endpoints: endpoints.map((one) => ({ ...open, ...one })) }
  const publications = {
    find: () => ({ locatorId: 'Loc', manifestName: 'm', view: live.presentation, rules }),
    rulesOf: (accountId: string) => (accountId === 'a' ? rules : undefined),
  }
  const reports: CmcdReport[] = []
  const observer = { ...live.ports().observer, cmcd: (report: CmcdReport) => void reports.push(report) }
  const { server, base } = await startOrigin(live, options, { publications, clock, observer, ...(keys && { keys }) })
  stops.push(() => server.stop())
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const { status, headers: answered, body } = await rawRequest(`${base}${path}`, { headers })
    return { status, headers: answered, text: body.toString(), cache: answered['cache-control'] }
  }
  return { get, clock, reports, base }
}

describe('a streaming endpoint', () => {
  it('bounds what caches outside keep', async () => {
    const { get } = await origin({ maxCacheAge: 'PT30S' })
    const master = await get('/loc/index.m3u8')
    expect(master.cache).toBe('public, max-age=2')
    const playlist = /^c\/.*m3u8$/m.exec(master.text)?.[0] ?? ''
    const segment = /^.*m4s$/m.exec((await get(`/loc/${playlist}`)).text)?.[0]
    const url = `/loc/${playlist.replace(/[^/]*$/, '')}${segment}`
    expect((await get(url)).cache).toBe('public, max-age=30, immutable')
    expect((await (await origin({})).get(url)).cache).toBe('public, max-age=31536000, immutable')
  })

  it('answers for its hosts, and for others only where one of the account lists none', async () => {
    const listed = await origin({ hostNames: ['video.example.com', 'tv.example.com'] })
    const host = (name: string) => ({ host: name })
    expect((await listed.get('/loc/index.m3u8', host('TV.example.com.:8080'))).status).toBe(200)
    for (const name of ['example.com', 'video.example.com.evil.org', '127.0.0.1']) {
      const { status, text } = await listed.get('/loc/index.m3u8', host(name))
      expect([status, JSON.parse(text).type]).toEqual([404, 'urn:headend:problem:url-unknown'])
    }
    const both = await origin({ hostNames: ['video.example.com'], maxCacheAge: 'PT1S' }, {})
    expect((await both.get('/loc/index.m3u8', host('video.example.com'))).cache).toBe('public, max-age=1')
    expect((await both.get('/loc/index.m3u8', host('other'))).cache).toBe('public, max-age=2')
    expect((await (await origin()).get('/loc/index.m3u8')).status).toBe(404)
  })

  it('knows its host over HTTP/2, and tells caches there what an answer differs by', async () => {
    const rules = { hostNames: ['video.example.com'], cors: { allowedOrigins: ['https://www.example.com'] } }
    const { base } = await originWith({ tls: certificate('video.example.com') }, [rules])
    const client = connect(base, { rejectUnauthorized: false })
    const headersOf = async (authority: string) => {
      const stream = client.request({
        ':path': '/loc/index.m3u8',
        ':authority': authority,
        origin: 'https://www.example.com',
      })
      const [headers] = await once(stream, 'response')
      stream.resume()
      await once(stream, 'close')
      return headers
    }
    expect(await headersOf('video.example.com:443')).toMatchObject({
      ':status': 200,
      'access-control-allow-origin': 'https://www.example.com',
      vary: 'Accept-Encoding, Origin',
    })
    expect(await headersOf('127.0.0.1')).toMatchObject({ ':status': 404 })
    await new Promise<void>((resolve) => client.close(resolve))
  })

  it('admits whom it lists, and then nobody else’s cache', async () => {
    const { get } = await origin({ allowIp: ['127.0.0.0/8'] })
    expect(await get('/loc/index.m3u8')).toMatchObject({ status: 200, cache: 'private, max-age=2' })
    const denied = await origin({ allowIp: ['192.0.2.0/24'] })
    expect((await denied.get('/loc/index.m3u8')).status).toBe(403)
  })

  it('lets the pages read it that it lists', async () => {
    const { get } = await origin({ cors: { allowedOrigins: ['https://www.example.com'] } })
    const from = async (origin: string) => (await get('/loc/index.m3u8', { origin })).headers
    const allowed = await from('https://www.example.com')
    expect(allowed['access-control-allow-origin']).toBe('https://www.example.com')
    expect(allowed['vary']).toBe('Accept-Encoding, Origin')
    const other = await from('https://evil.example.org')
    expect(other['access-control-allow-origin']).toBeUndefined()
    expect(other['vary']).toBe('Accept-Encoding, Origin')
    expect((await (await origin({})).get('/loc/index.m3u8')).headers['access-control-allow-origin']).toBe('*')
  })
})

describe('signed URLs', () => {
  const keys = [
    { name: 'old.key', secret: 'a secret of the operator' },
    { name: 'new', secret: 'another secret entirely' },
  ]
  const sign = (secret: string, locatorId: string, expiry: number) =>
    createHmac('sha256', secret).update(`${locatorId}\n${expiry}`).digest('base64url')
  const expiry = NOW_MS / 1_000 + 60
  const prefix = (key = keys[0], locatorId = 'loc', until = expiry) =>
    `/signed/${key?.name}.${until}.${sign(key?.secret ?? '', locatorId, until)}`

  it('are the only ones that are answered for, down to the media, until they expire', async () => {
    const { get, clock, base } = await origin({ signedUrlKeys: keys })
    for (const key of keys) {
      const at = `${prefix(key)}/Loc/index.m3u8`
      const master = await get(at)
      expect(master).toMatchObject({ status: 200, cache: 'public, max-age=2' })
      const playlist = new URL(/^c\/.*m3u8$/m.exec(master.text)?.[0] ?? '', `${base}${at}`)
      const media = new URL(/^.*m4s$/m.exec((await get(playlist.pathname)).text)?.[0] ?? '', playlist)
      expect(media.pathname.startsWith('/signed/')).toBe(true)
      expect(await get(media.pathname)).toMatchObject({ status: 200, cache: 'public, max-age=60, immutable' })
      expect((await get(media.pathname.replace(/^\/signed\/[^/]*/, ''))).status).toBe(403)
    }
    const mpd = await get(`${prefix()}/loc/index.mpd`)
    const time = new URL(/value="([^"]*time)"/.exec(mpd.text)?.[1] ?? '', `${base}${prefix()}/loc/index.mpd`)
    expect((await get(time.pathname)).status).toBe(200)
    await clock.advance(60_000)
    expect((await get(`${prefix()}/loc/index.m3u8`)).status).toBe(403)
  })

  it.each([
    ['none at all', ''],
    ['of another locator', prefix(keys[0], 'other')],
    ['with another time', prefix().replace(String(expiry), String(expiry + 1))],
    ['under another name', prefix().replace('old.key', 'new')],
    ['of no key', prefix({ name: 'x', secret: 'x' })],
    ['of a key without a secret', prefix({ name: 'x', secret: '' })],
    ['expired', prefix(keys[0], 'loc', NOW_MS / 1_000)],
    ['not of this form', '/signed/x'],
    ['empty', '/signed/'],
  ])('are refused: %s', async (_what, signed) => {
    const { get } = await origin({ signedUrlKeys: keys })
    const { status, text } = await get(`${signed}/loc/index.m3u8`)
    expect([status, JSON.parse(text).type]).toEqual([403, 'urn:headend:problem:signature-invalid'])
  })
})

describe('a door for keys', () => {
  const asked: string[] = []
  const desk = {
    async answer({
      address,
      entry,
    }: {
      readonly address: string
      readonly entry?: (accountId: string) => string | undefined
    }) {
      asked.push(`${address} ${entry?.('a') ?? 'in'} ${entry?.('b')}`)
      return {
        status: 200,
        headers: ['Content-Type', 'text/plain', 'Cache-Control', 'no-store'],
        body: Buffer.from('k'),
      }
    },
  }

  it('keeps to the endpoint of the key’s account: hosts, addresses, pages, and whether one runs', async () => {
    const cors = { allowedOrigins: ['https://www.example.com'] }
    const endpoint = { hostNames: ['video.example.com'], allowIp: ['192.0.2.0/24'], cors }
    const { get } = await originWith({ trustedProxies: ['127.0.0.0/8'] }, [endpoint], desk)
    const from = async (host: string, forwarded: string) => {
      const { headers } = await get('/keys/x', {
        host,
        'x-forwarded-for': forwarded,
        origin: 'https://www.example.com',
      })
      return [asked.at(-1), headers['access-control-allow-origin']]
    }
    expect(await from('video.example.com', '192.0.2.7')).toEqual([
      '192.0.2.7 in endpoint-unknown',
      'https://www.example.com',
    ])
    expect((await from('video.example.com', '198.51.100.7'))[0]).toBe(
      '198.51.100.7 address-not-allowed endpoint-unknown',
    )
    expect((await from('other.example.com', '192.0.2.7'))[0]).toBe('192.0.2.7 endpoint-unknown endpoint-unknown')
    const evil = await get('/keys/x', {
      host: 'video.example.com',
      'x-forwarded-for': '192.0.2.7',
      origin: 'https://evil.example',
    })
    expect(evil.headers['access-control-allow-origin']).toBeUndefined()
    const stopped = await originWith({}, [], desk)
    await stopped.get('/keys/x')
    expect(asked.at(-1)).toBe('127.0.0.1 endpoint-unknown endpoint-unknown')
  })
})

describe('signed cookies', () => {
  it('let through what they are for, and no shared cache keeps it', async () => {
    const secret = 'a secret of the operator'
    const { get, clock } = await origin({ signedUrlKeys: [{ name: 'k', secret }] })
    const expiry = NOW_MS / 1_000 + 60
    const signed = (prefix: string) => {
      const mac = createHmac('sha256', secret).update(`prefix\n${prefix}\n${expiry}\n`).digest('base64url')
      return { cookie: `a=b; headend-access=k.${expiry}.p${Buffer.from(prefix).toString('base64url')}.${mac}` }
    }
    const master = await get('/loc/index.m3u8', signed('/loc'))
    expect(master).toMatchObject({ status: 200, cache: 'private, max-age=2' })
    const playlist = /^c\/.*m3u8$/m.exec(master.text)?.[0] ?? ''
    expect((await get(`/loc/${playlist}`, signed('/loc'))).cache).toMatch(/^private, max-age=\d+/)
    expect((await get('/loc/index.m3u8', signed('/other'))).status).toBe(403)
    expect((await get('/loc/index.m3u8')).status).toBe(403)
    const page = 'https://www.example.com'
    const listed = await origin({ signedUrlKeys: [{ name: 'k', secret }], cors: { allowedOrigins: [page] } })
    const { headers } = await listed.get('/loc/index.m3u8', { ...signed('/loc'), origin: page })
    expect(headers).toMatchObject({ 'access-control-allow-origin': page, 'access-control-allow-credentials': 'true' })
    const evil = await listed.get('/loc/index.m3u8', { ...signed('/loc'), origin: 'https://evil.example' })
    expect(evil.headers['access-control-allow-credentials']).toBeUndefined()
    // One that stands in the URL is what is asked by: a cookie doesn't mend it.
    expect((await get('/signed/x/loc/index.m3u8', signed('/loc'))).status).toBe(403)
    await clock.advance(60_000)
    expect((await get('/loc/index.m3u8', signed('/loc'))).status).toBe(403)
  })
})

describe('reports of players', () => {
  it('are taken from query and headers, change no answer, and may be sent from any page', async () => {
    const { get, reports } = await origin({})
    const plain = await get('/loc/index.m3u8')
    const long = `CMCD=${encodeURIComponent(`ot=m,bl=1200,nor="${'x'.repeat(3_000)}"`)}`
    const reported = await get(`/loc/index.m3u8?${long}`, { 'CMCD-Status': 'bs' })
    expect([reported.text, reported.headers.etag]).toEqual([plain.text, plain.headers.etag])
    expect(reports).toMatchObject([{ object: 'm', isStarved: true, samples: [{ figure: 'bl', value: 1_200 }] }])
    const { headers } = await rawRequest(`${(await origin({})).base}/loc/index.m3u8`, { method: 'OPTIONS' })
    for (const name of ['CMCD-Object', 'CMCD-Request', 'CMCD-Session', 'CMCD-Status']) {
      expect(headers['access-control-allow-headers']).toContain(name)
    }
  })
})
