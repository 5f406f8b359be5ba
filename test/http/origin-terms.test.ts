import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/lib/clock.ts'
import type { Published } from '../../src/origin/ports.ts'
import { FakeLive, startOrigin } from './origin-fixture.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

/** An origin with one publication, under these terms. */
async function published(terms: Omit<Partial<Published>, 'view'>) {
  const live = new FakeLive().addTracks().addSegments(4)
  const clock = new VirtualClock(1_800_000_000_000)
  const publications = { find: () => ({ locatorId: 'l', manifestName: 'm', view: live.presentation, ...terms }) }
  const { server, base } = await startOrigin(live, {}, { publications, clock })
  stops.push(() => server.stop())
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${base}${path}`, { headers: { connection: 'close', ...headers } })
    return { status: answer.status, cache: answer.headers.get('cache-control'), text: await answer.text(), answer }
  }
  return { clock, get }
}

describe('the terms of a publication', () => {
  it('hold at each request, to the millisecond, also for what the client has already', async () => {
    const now = 1_800_000_000_000
    const { clock, get } = await published({ notBeforeMs: now + 1_000, notAfterMs: now + 5_000 })
    const before = await get('/l/index.m3u8')
    expect([before.status, JSON.parse(before.text).type]).toEqual([404, 'urn:headend:problem:url-unknown'])
    await clock.advance(999)
    expect((await get('/l/index.mpd')).status).toBe(404)
    await clock.advance(1)
    const during = await get('/l/index.m3u8')
    expect(during.status).toBe(200)
    const etag = { 'if-none-match': during.answer.headers.get('etag') ?? '' }
    expect((await get('/l/index.m3u8', etag)).status).toBe(304)
    await clock.advance(4_000)
    expect((await get('/l/index.m3u8', etag)).status).toBe(404)
    expect((await get('/l/index.m3u8')).text).toBe(before.text)
  })

  it('bound what caches outside may keep', async () => {
    const { get } = await published({ notAfterMs: 1_800_000_090_500 })
    const master = await get('/l/index.m3u8')
    expect(master.cache).toBe('public, max-age=2')
    const playlist = /^c\/.*m3u8$/m.exec(master.text)?.[0] ?? ''
    const media = (await get(`/l/${playlist}`)).text.split('\n').find((line) => line.endsWith('.m4s'))
    const url = `/l/${playlist.replace(/[^/]*$/, '')}${media}`
    expect(await get(url)).toMatchObject({ status: 200, cache: 'public, max-age=90, immutable' })
    const open = await published({})
    expect(await open.get(url)).toMatchObject({ status: 200, cache: 'public, max-age=31536000, immutable' })
  })

  it.each([
    [[], 200, 'public, max-age=2'],
    [['127.0.0.1'], 200, 'private, max-age=2'],
    [['::/0', '127.0.0.0/8'], 200, 'private, max-age=2'],
    [['192.0.2.0/24', '::1'], 403, 'no-store'],
  ])('with the list %j a viewer here meets %i', async (allowIp, status, cache) => {
    const { get } = await published({ allowIp })
    expect(await get('/l/index.m3u8')).toMatchObject({ status, cache })
    expect((await get('/l/c/none/video-1.m3u8')).status).toBe(status === 403 ? 403 : 404)
  })
})
