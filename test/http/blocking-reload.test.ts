import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/lib/clock.ts'
import { START_SECONDS } from './origin-fixture.ts'
import { PARTS_PER_SEGMENT, PartedLive, TARGET_SECONDS, untilBlocked } from './parted-live.ts'
import { partsIn, serveLive, stopServed, tenAnd } from './served-live.ts'

afterEach(stopServed)

describe('blocking reload', () => {
  it('answers with the part that was waited for, and what is there at once', async () => {
    const live = tenAnd(3)
    const { get, server } = await serveLive(live)
    expect(partsIn((await get('?_HLS_msn=10&_HLS_part=2')).text).at(-1)).toBe('video-1/1.93.m4s')
    const waiting = get('?_HLS_msn=10&_HLS_part=3&_HLS_skip=YES')
    await untilBlocked(server, 1)
    live.part(1)
    expect(server.blockedRequests).toBe(1)
    live.part(0)
    expect(partsIn((await waiting).text).at(-1)).toBe('video-1/1.94.m4s')
    expect(server.blockedRequests).toBe(0)
  })

  it('waits without a part for the whole segment', async () => {
    const live = tenAnd(3)
    const { get, server } = await serveLive(live)
    const waiting = get('?_HLS_msn=10')
    await untilBlocked(server, 1)
    live.part(0, 6).part(1, 9)
    expect(server.blockedRequests).toBe(1)
    live.close()
    expect((await waiting).text.match(/#EXTINF/g)).toHaveLength(11)
  })

  it('takes a part past the end of its segment for the first one of the next', async () => {
    const live = tenAnd(PARTS_PER_SEGMENT)
    const { get, server } = await serveLive(live)
    const waiting = get(`?_HLS_msn=10&_HLS_part=${PARTS_PER_SEGMENT}`)
    await untilBlocked(server, 1)
    live.part(1, 9).close()
    expect(server.blockedRequests).toBe(1)
    live.open().part(0)
    expect(partsIn((await waiting).text).at(-1)).toBe('video-1/1.100.m4s')
    expect((await get('?_HLS_msn=10&_HLS_part=70')).status).toBe(200)
  })

  it.each([
    ['a part without a segment', '?_HLS_part=1'],
    ['a segment that is no number', '?_HLS_msn=ten'],
    ['a negative segment', '?_HLS_msn=-1'],
    ['an empty segment', '?_HLS_msn='],
    ['a part that is no number', '?_HLS_msn=10&_HLS_part=0x1'],
    ['a segment twice', '?_HLS_msn=10&_HLS_msn=11'],
    ['a segment more than two past the last', '?_HLS_msn=12'],
    ['a part in it', '?_HLS_msn=12&_HLS_part=0'],
    ['a part further ahead than three seconds of parts', '?_HLS_msn=10&_HLS_part=9'],
  ])('refuses %s with 400', async (_what, query) => {
    const { get } = await serveLive(tenAnd(3))
    const { status, text, headers } = await get(query)
    expect(status).toBe(400)
    expect(JSON.parse(text)).toMatchObject({ type: 'urn:headend:problem:url-invalid', status: 400 })
    expect(headers['cache-control']).toBe('no-store')
  })

  it('waits for two past the last segment and for a part three seconds ahead', async () => {
    const live = tenAnd(3)
    const clock = new VirtualClock()
    const { get, server } = await serveLive(live, {}, { clock })
    const waiting = [get('?_HLS_msn=11'), get('?_HLS_msn=10&_HLS_part=8')]
    await untilBlocked(server, 2)
    live.part(0, 6)
    expect((await waiting[1])?.status).toBe(200)
    live.part(1, 9).close().segments(1)
    expect((await waiting[0])?.status).toBe(200)
  })

  it('ignores directives that it does not know', async () => {
    const { get } = await serveLive(tenAnd(3))
    expect((await get('?_HLS_push=1&_HLS_report=x&_HLS_start_offset=a&CMCD=sid%3D%221%22')).text).toBe(
      (await get()).text,
    )
  })

  it('answers at once what has ended, and who waits when it ends', async () => {
    const live = new PartedLive().segments(10)
    const { get, server } = await serveLive(live)
    const waiting = get('?_HLS_msn=10&_HLS_part=0')
    await untilBlocked(server, 1)
    live.apply({ type: 'ended' })
    expect((await waiting).text).toMatch(/#EXT-X-ENDLIST\n$/)
    expect((await get('?_HLS_msn=500&_HLS_part=4')).status).toBe(200)
    expect((await get('?_HLS_part=4')).status).toBe(400)
  })

  it('answers 503 after three target durations', async () => {
    const clock = new VirtualClock()
    const { get, server } = await serveLive(tenAnd(3), {}, { clock })
    const waiting = get('?_HLS_msn=10&_HLS_part=3')
    await untilBlocked(server, 1)
    await clock.advance(3 * TARGET_SECONDS * 1_000 - 1)
    expect(server.blockedRequests).toBe(1)
    await clock.advance(1)
    const { status, headers, text } = await waiting
    expect([status, headers['retry-after'], headers['cache-control']]).toEqual([503, '1', 'no-store'])
    expect(JSON.parse(text).type).toBe('urn:headend:problem:live-edge-late')
    expect(server.blockedRequests).toBe(0)
  })

  it.each([
    ['in all', { blockedRequests: 3 }],
    ['for one presentation', { blockedPerPresentation: 3 }],
  ])('answers 503 at once past the number that may wait %s', async (_what, limits) => {
    const live = tenAnd(3)
    const { get, server } = await serveLive(live, { limits })
    const waiting = [1, 2, 3].map(() => get('?_HLS_msn=10&_HLS_part=3'))
    await untilBlocked(server, 3)
    const refused = await get('?_HLS_msn=10')
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])
    expect((await get()).status).toBe(200)
    live.part(0)
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(200)
  })

  it('ends a wait with its connection', async () => {
    const { server, video } = await serveLive(tenAnd(3))
    const leaving = new AbortController()
    const waiting = fetch(`${video}?_HLS_msn=10&_HLS_part=3`, { signal: leaving.signal }).catch(() => 'left')
    await untilBlocked(server, 1)
    leaving.abort()
    expect(await waiting).toBe('left')
    await untilBlocked(server, 0)
  })

  it('ends all waits at once with 503 when the server stops', async () => {
    const { get, server } = await serveLive(tenAnd(3))
    const waiting = [get('?_HLS_msn=10&_HLS_part=3'), get('?_HLS_msn=10'), get('?_HLS_msn=11')]
    await untilBlocked(server, 3)
    const stopped = server.stop()
    for (const { status, headers } of await Promise.all(waiting)) {
      expect([status, headers['retry-after'], headers.connection]).toEqual([503, '1', 'close'])
    }
    await stopped
  })

  it('answers by what is published when the wait is over', async () => {
    const live = tenAnd(3)
    const { get, server } = await serveLive(live)
    const waiting = get('?_HLS_msn=10&_HLS_part=3')
    await untilBlocked(server, 1)
    live.published = false
    live.part(0)
    expect((await waiting).status).toBe(404)
  })

  it('may be kept by caches for six target durations where it was asked for by its newest part, else for a second', async () => {
    const live = tenAnd(3)
    const { get } = await serveLive(live)
    const kept = async (query: string) => (await get(query)).headers['cache-control']
    expect(await kept('?_HLS_msn=10&_HLS_part=2')).toBe('public, max-age=24')
    expect(await kept('?_HLS_msn=9')).toBe('public, max-age=24')
    expect(await kept('?_HLS_msn=8')).toBe('public, max-age=1')
    expect(await kept('')).toBe('public, max-age=1')
  })

  it('waits for the end of what a URL shows, where that is the live edge', async () => {
    const live = tenAnd(3)
    const { get, server } = await serveLive(live)
    const over = await get(`?end=${START_SECONDS + 20}&_HLS_msn=99&_HLS_part=1`)
    expect(over.text).toMatch(/#EXT-X-ENDLIST\n$/)
    expect(over.text).not.toContain('EXT-X-PART')
    const waiting = get(`?start=${START_SECONDS + 20}&_HLS_msn=10&_HLS_part=3`)
    await untilBlocked(server, 1)
    live.part(0)
    const { text } = await waiting
    expect(partsIn(text).at(-1)).toBe('video-1/1.94.m4s')
    expect(text).toContain('#EXT-X-MEDIA-SEQUENCE:5\n')
    expect(text).toContain(`#EXT-X-RENDITION-REPORT:URI="audio-1.m3u8?start=${START_SECONDS + 20}",LAST-MSN=9`)
  })

  it('serves the playlists of the AMS grammar in the same way', async () => {
    const live = tenAnd(3)
    const { get, server, base } = await serveLive(live)
    const url = `${base}/loc-1/Stream.ism/QualityLevels(2500000)/Manifest(video,format=m3u8-cmaf)`
    const waiting = get('?_HLS_msn=10&_HLS_part=3', url)
    await untilBlocked(server, 1)
    live.part(0)
    expect(partsIn((await waiting).text).at(-1)).toMatch(/^\.\.\/\.\.\/c\/[^/]+\/video-1\/1\.94\.m4s$/)
    expect((await get('?_HLS_part=3', url)).status).toBe(400)
  })
})
