import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/lib/clock.ts'
import { PARTS_PER_SEGMENT, PartedLive, TARGET_SECONDS, untilBlocked } from './parted-live.ts'
import { hintIn, partsIn, serveLive, stopServed, tenAnd } from './served-live.ts'

afterEach(stopServed)

describe('parts', () => {
  it('joined are the segment, each under an address that never has another content', async () => {
    const { get, video } = await serveLive(tenAnd(3))
    const { text } = await get()
    const uri =
      text
        .split('\n')
        .filter((line) => line.startsWith('video'))
        .at(-1) ?? ''
    const parts = partsIn(text).slice(-3 - PARTS_PER_SEGMENT, -3)
    const answers = await Promise.all(parts.map((part) => get('', new URL(part, video).href)))
    const segment = await get('', new URL(uri, video).href)
    expect(Buffer.concat(answers.map(({ body }) => body)).equals(segment.body)).toBe(true)
    for (const { status, headers } of answers) {
      expect(status).toBe(200)
      expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
      expect(headers['content-type']).toBe('video/mp4')
    }
    expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(PARTS_PER_SEGMENT)
    const url = new URL(parts[1] ?? '', video).href
    const part = await get('', url, { range: 'bytes=10-19' })
    expect([part.status, part.body.length]).toEqual([206, 10])
    expect((await get('', url, { 'if-none-match': String(answers[1]?.headers.etag) })).status).toBe(304)
  })

  it('that are hinted come when they are whole', async () => {
    const live = tenAnd(3)
    const { get, server, video } = await serveLive(live)
    const url = new URL(hintIn((await get()).text) ?? '', video).href
    const waiting = [get('', url), get('', url)]
    await untilBlocked(server, 2)
    live.part(0)
    for (const { status, body } of await Promise.all(waiting)) {
      expect(status).toBe(200)
      expect(body.equals(live.bytes.get('0/10')?.[3] ?? new Uint8Array())).toBe(true)
    }
  })

  it('that are hinted come though they begin the next segment', async () => {
    const live = tenAnd(PARTS_PER_SEGMENT)
    const { get, server, video } = await serveLive(live)
    const waiting = get('', new URL(hintIn((await get()).text) ?? '', video).href)
    await untilBlocked(server, 1)
    live.part(1, PARTS_PER_SEGMENT).close().open().part(0)
    expect((await waiting).body.equals(live.bytes.get('0/11')?.[0] ?? new Uint8Array())).toBe(true)
  })

  it('that are hinted and never come end with 503, or with 404 when the presentation ends', async () => {
    const clock = new VirtualClock()
    const live = new PartedLive().segments(10)
    const { get, server, video } = await serveLive(live, {}, { clock })
    const url = new URL(hintIn((await get()).text) ?? '', video).href
    const late = get('', url)
    await untilBlocked(server, 1)
    await clock.advance(3 * TARGET_SECONDS * 1_000)
    expect((await late).status).toBe(503)
    const ended = get('', url)
    await untilBlocked(server, 1)
    live.apply({ type: 'ended' })
    expect((await ended).status).toBe(404)
  })

  it('can be fetched for three target durations and more after they left the playlist, and are gone then', async () => {
    const live = new PartedLive().segments(10)
    const { get, video } = await serveLive(live)
    const url = new URL(partsIn((await get()).text)[0] ?? '', video).href
    live.segments(4)
    expect((await get()).text).not.toContain(url.split('/').at(-1))
    expect((await get('', url)).body.equals(live.bytes.get('0/7')?.[0] ?? new Uint8Array())).toBe(true)
    live.segments(2)
    expect((await get('', url)).status).toBe(410)
  })

  it.each([
    ['further ahead than a hint', 'video-1/1.99.m4s', 412],
    ['of another track', 'video-1/7.1.m4s', 404],
    ['of another rendition', 'video-2/1.1.m4s', 404],
    ['without a number', 'video-1/1.0.m4s', 404],
  ])('%s are refused at once', async (_what, path, status) => {
    const { get, video } = await serveLive(tenAnd(3))
    expect((await get('', new URL(path, video).href)).status).toBe(status)
  })
})
