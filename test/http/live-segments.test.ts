import { type ClientRequest, get as httpGet, type IncomingMessage } from 'node:http'
import { connect } from 'node:http2'
import { afterEach, describe, expect, it } from 'vitest'
import { checkSegment } from '../../src/conformance/cmaf-rules.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import type { Delivery } from '../../src/origin/deliveries.ts'
import { LiveSegments } from '../../src/origin/live-segments.ts'
import type { ResponseWatch } from '../../src/origin/response-watch.ts'
import { certificate } from '../support/certificate.ts'
import { CountedLive, FIRST_NUMBER, serveCounted, stopCounted, turnsUntil } from './counted-live.ts'
import { rawRequest } from './raw-request.ts'

afterEach(stopCounted)

/** A request whose answer is read as it comes. */
class Reading {
  readonly chunks: Buffer[] = []
  answer: IncomingMessage | undefined
  isOver = false
  isCut = false
  readonly request: ClientRequest

  constructor(url: string) {
    this.request = httpGet(url, { agent: false }, (answer) => {
      this.answer = answer
      answer.on('data', (chunk: Buffer) => this.chunks.push(chunk))
      answer.on('error', () => undefined)
      answer.on('close', () => {
        this.isOver = true
        this.isCut = !answer.complete
      })
    })
    this.request.on('error', () => {
      this.isOver = true
      this.isCut = true
    })
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get references(): number {
    return this.body.toString('latin1').split('prft').length - 1
  }

  /** Until so many chunks are there. */
  has(count: number): Promise<void> {
    return turnsUntil(() => this.references >= count && this.body.length > 1_500 * count)
  }
}

describe('a segment that is being written', () => {
  it('is sent chunk by chunk, and has the same bytes when it is closed', async () => {
    const live = new CountedLive().segments(0, 3).open(3).part(0)
    const { url } = await serveCounted(live)
    const early = new Reading(url(3))
    await early.has(1)
    live.part(0).part(1)
    await early.has(2)
    const late = new Reading(url(3))
    await late.has(2)
    expect([early.isOver, late.isOver]).toEqual([false, false])
    live.part(0, 2).part(1, 3).close()
    await turnsUntil(() => early.isOver && late.isOver)
    expect([early.isCut, late.isCut]).toEqual([false, false])
    expect(early.answer?.headers).toMatchObject({
      'transfer-encoding': 'chunked',
      'content-type': 'video/mp4',
      'cache-control': 'public, max-age=31536000, immutable',
    })
    expect(early.answer?.headers['content-length']).toBeUndefined()

    const closed = await rawRequest(url(3))
    expect(closed.status).toBe(200)
    expect(closed.headers['content-length']).toBe(String(closed.body.length))
    expect(early.body.equals(closed.body)).toBe(true)
    expect(late.body.equals(closed.body)).toBe(true)
    expect(checkSegment(closed.body)).toEqual([])
    expect(closed.body.length).toBe(live.joined(0, 3).length + 4 * 32)
    const kinds = live.requests.map(({ kind, status, bytes }) => [kind, status, bytes])
    expect(kinds.slice(0, 2)).toEqual([
      ['live-segment', 200, closed.body.length],
      ['live-segment', 200, closed.body.length],
    ])
  })

  it('has a wall clock before each chunk, which is that of its media', async () => {
    const { url } = await serveCounted(new CountedLive().segments(0, 2))
    for (const [at, wanted, timescale] of [
      [0, url(1), 90_000],
      [1, url(1, { name: 'audio-1', track: 2 }), 48_000],
    ] as const) {
      const { body } = await rawRequest(wanted)
      const times = [...body.toString('latin1').matchAll(/prft/g)].map(({ index }) => ({
        seconds: body.readUInt32BE(index + 12) - 2_208_988_800 + body.readUInt32BE(index + 16) / 2 ** 32,
        media: Number(body.readBigUInt64BE(index + 20)) / timescale,
        next: body.toString('latin1', index + 32, index + 36),
      }))
      const start = (FIRST_NUMBER + 1) * 2
      expect(times.map(({ media }) => media - start)).toEqual([0, 0.5, 1, 1.5])
      for (const { seconds, media, next } of times) {
        expect(Math.abs(seconds - media)).toBeLessThan(0.001)
        expect(next).toBe('moof')
      }
      expect(at).toBeLessThan(2)
    }
  })

  it('gives ranges and validators once it is closed', async () => {
    const { url } = await serveCounted(new CountedLive().segments(0, 2))
    const whole = await rawRequest(url(1))
    const etag = String(whole.headers.etag)
    const part = await rawRequest(url(1), { headers: { range: 'bytes=10-99' } })
    expect([part.status, part.body.equals(whole.body.subarray(10, 100))]).toEqual([206, true])
    expect((await rawRequest(url(1), { headers: { 'if-none-match': etag } })).status).toBe(304)
    const head = await rawRequest(url(1), { method: 'HEAD' })
    expect(head.headers['content-length']).toBe(String(whole.body.length))
  })

  it('goes on where a slow client left off, unless its bytes have gone meanwhile', async () => {
    const live = new CountedLive().segments(0, 2).open(2).part(0)
    const { presentation, bytes } = live
    const [rendition] = presentation.renditions
    if (!rendition) throw new Error('no rendition')
    const read = (_id: string, index: number, sequence: number) => bytes.get(`${index}/${sequence}`)
    const segments = new LiveSegments({ read }, { waitFor: async () => undefined })
    const watch = { kind: 'segment' } as ResponseWatch
    const { signal } = new AbortController()
    const request = { headers: {} } as IncomingMessage
    const delivery: Delivery = { protection: 'clear', digest: 'd', protocols: ['dash'] }
    const media = { request, view: presentation, digest: 'd', delivery, caching: 'immutable' as const, signal }
    const asked = { ...media, rendition, watch }
    const wanted = { track: 1, discontinuitySequence: 0, number: FIRST_NUMBER + 2 }
    const open = async () => (await segments.answer(asked, wanted)).stream?.open()[Symbol.asyncIterator]()
    const [slow, late] = [await open(), await open()]
    const sizes: number[] = []
    const take = async (chunks: typeof slow) => {
      const piece = await chunks?.next()
      if (!piece || piece.done) return false
      sizes.push(piece.value.byteLength)
      return true
    }
    expect([await take(slow), await take(late)]).toEqual([true, true])
    live.part(0, 2)
    await take(slow)
    live.part(0).part(1, 4).close().segments(3, 5)
    sizes.length = 0
    while (await take(slow));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(live.joined(0, 2).length + 4 * 32 - 24 - 32)
    await take(late)
    await take(late)
    bytes.delete('0/2')
    await expect(take(late)).rejects.toMatchObject({ code: 'SEGMENT_GONE' })
  })

  it('is given up with its connection when it turns out to have no end', async () => {
    const live = new CountedLive().segments(0, 2).open(2).part(0, 2)
    const { url } = await serveCounted(live)
    const reading = new Reading(url(2))
    await reading.has(2)
    // What a log says after a crash.
    live.gap(2)
    await turnsUntil(() => reading.isOver)
    expect(reading.isCut).toBe(true)
    expect((await rawRequest(url(2))).status).toBe(404)
  })

  it('waits no more for who has gone, and cuts who is still there when the server stops', async () => {
    const live = new CountedLive().segments(0, 2).open(2).part(0)
    const { url, server } = await serveCounted(live)
    const [gone, kept] = [new Reading(url(2)), new Reading(url(2))]
    await Promise.all([gone.has(1), kept.has(1)])
    await turnsUntil(() => server.blockedRequests === 2)
    gone.request.destroy()
    await turnsUntil(() => server.blockedRequests === 1)
    expect(live.signals.filter(({ aborted }) => !aborted)).not.toEqual([])
    await server.stop()
    await turnsUntil(() => kept.isOver)
    expect(kept.isCut).toBe(true)
    expect(live.signals.every(({ aborted }) => aborted)).toBe(true)
  })

  it('is cut where nothing comes of it for long', async () => {
    const clock = new VirtualClock()
    const live = new CountedLive().segments(0, 2).open(2).part(0)
    const { url, server } = await serveCounted(live, {}, { clock })
    const reading = new Reading(url(2))
    await reading.has(1)
    await turnsUntil(() => server.blockedRequests === 1)
    await clock.advance(6_000)
    await turnsUntil(() => reading.isOver)
    expect(reading.isCut).toBe(true)
  })

  it('goes over HTTP/2 as it comes', async () => {
    const live = new CountedLive().segments(0, 2).open(2).part(0)
    const { url } = await serveCounted(live, { tls: certificate('localhost') })
    const target = new URL(url(2))
    const session = connect(target.origin, { rejectUnauthorized: false })

    const stream = session.request({ ':path': target.pathname })
    const chunks: Buffer[] = []
    let headers: Record<string, unknown> = {}
    let isOver = false
    stream.on('response', (received) => {
      headers = received
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      isOver = true
    })
    await turnsUntil(() => Buffer.concat(chunks).length > 1_500)
    expect([headers[':status'], headers['content-length'], isOver]).toEqual([200, undefined, false])
    live.part(0, 3).part(1, 4).close()
    await turnsUntil(() => isOver)
    session.close()
    expect(Buffer.concat(chunks).length).toBe(live.joined(0, 2).length + 4 * 32)
  })
})

describe('a segment that is not there', () => {
  it('is waited for where it is about to come, until it has something of the track', async () => {
    const live = new CountedLive().segments(0, 2)
    const { url, server } = await serveCounted(live)
    const readings = [new Reading(url(2)), new Reading(url(3)), new Reading(url(2, { name: 'audio-1', track: 2 }))]
    await turnsUntil(() => server.blockedRequests === 3)
    live.open(2).part(0)
    await readings[0]?.has(1)
    expect(readings.map(({ answer }) => answer?.statusCode)).toEqual([200, undefined, undefined])
    live.part(1, 4).part(0, 3).close().open(3).part(0)
    await readings[1]?.has(1)
    await turnsUntil(() => readings[0]?.isOver === true && readings[2]?.isOver === true)
    expect(readings.map(({ answer }) => answer?.statusCode)).toEqual([200, 200, 200])
  })

  it('is said to be late after three target durations, and not to be there yet far ahead', async () => {
    const clock = new VirtualClock()
    const { url, server } = await serveCounted(new CountedLive().segments(0, 2), {}, { clock })
    const waiting = rawRequest(url(2))
    await turnsUntil(() => server.blockedRequests === 1)
    await clock.advance(6_000)
    expect((await waiting).status).toBe(503)
    expect((await rawRequest(url(4))).status).toBe(412)
  })

  it('is told from one that never will be: gaps, other stretches, other tracks, what is gone', async () => {
    const live = new CountedLive().segments(0, 4).gap(4)
    const { url, server } = await serveCounted(live)
    expect((await rawRequest(url(4))).status).toBe(404)
    const away = new Reading(url(5))
    const next = new Reading(url(5, { stretch: 1 }))
    await turnsUntil(() => server.blockedRequests === 2)
    live.discontinuity().open(5, 0.5).part(0)
    await next.has(1)
    await turnsUntil(() => away.isOver)
    expect([away.answer?.statusCode, next.answer?.statusCode]).toEqual([404, 200])
    live.part(0, 2).part(1, 3).close().apply({ type: 'evicted', firstSequence: 2 })
    const statuses = [url(5, { stretch: 1 }), url(5), url(5, { stretch: 3 }), url(3, { track: 2 }), url(0), url(3)]
    const answers = await Promise.all(statuses.map((wanted) => rawRequest(wanted)))
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 404, 404, 410, 200])
  })

  it('ends with the presentation', async () => {
    const live = new CountedLive().segments(0, 2)
    const { url, server } = await serveCounted(live)
    const waiting = rawRequest(url(2))
    await turnsUntil(() => server.blockedRequests === 1)
    live.apply({ type: 'ended' })
    expect((await waiting).status).toBe(404)
  })

  it('has no number where there is no grid', async () => {
    const { gridMs: _grid, ...header } = new CountedLive().presentation.header
    const live = new CountedLive()
    live.presentation.header = header
    live.segments(0, 2)
    const { url } = await serveCounted(live)
    expect((await rawRequest(url(1))).status).toBe(404)
  })
})
