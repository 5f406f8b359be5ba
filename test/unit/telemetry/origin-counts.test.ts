import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { RequestKind } from '../../../src/origin/ports.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import {
  durationBounds,
  OriginCounter,
  type OriginRequestKind,
  originRequestKinds,
} from '../../../src/telemetry/origin-counts.ts'

let metrics: Metrics

beforeEach(() => {
  metrics = new Metrics({ clock: systemClock, build: { version: 'test' } })
})
afterEach(() => metrics.stop())

async function value(name: string, labels = ''): Promise<number | undefined> {
  const line = (await metrics.text()).split('\n').find((text) => text.startsWith(`${name}${labels} `))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

describe('OriginCounter', () => {
  it('counts in plain data that survives a message to another thread', () => {
    const counter = new OriginCounter('one')
    counter.started()
    counter.started()
    counter.request('segment', 200, 500, 0.5)
    const counts = counter.snapshot()
    expect(structuredClone(counts)).toEqual(counts)
    expect(counts).toMatchObject({ incarnation: 'one', inFlight: 1 })
    expect(counts.kinds.segment).toMatchObject({ byStatus: { 200: 1 }, sentBytes: 500, durationSumSeconds: 0.0005 })
    expect(counts.kinds.segment?.durationBuckets).toHaveLength(durationBounds.length + 1)
    expect(counts.kinds.mpd).toBeUndefined()
  })

  it('gives snapshots that later requests don’t alter', () => {
    const counter = new OriginCounter('one')
    counter.request('mpd', 200, 1, 1)
    const counts = counter.snapshot()
    counter.request('mpd', 200, 1, 1)
    expect(counts.kinds.mpd).toMatchObject({ byStatus: { 200: 1 }, sentBytes: 1 })
  })

  it('puts a value that equals a bound into that bound’s bucket and slow ones into the last', () => {
    const counter = new OriginCounter('one')
    counter.request('init', 200, 0, 1)
    counter.request('init', 200, 0, 60_000)
    const buckets = counter.snapshot().kinds.init?.durationBuckets
    expect(buckets?.[0]).toBe(1)
    expect(buckets?.at(-1)).toBe(1)
  })

  it('makes no series out of a status that is none', () => {
    const counter = new OriginCounter('one')
    for (const status of [0, 1e9, Number.NaN, 200.5, -1]) counter.request('other', status, 0, 0)
    expect(counter.snapshot().kinds.other?.byStatus).toEqual({ other: 5 })
  })

  it('knows the same kinds as the origin', () => {
    const ours: readonly RequestKind[] = originRequestKinds
    const theirs: Record<RequestKind, OriginRequestKind> = {
      master: 'master',
      'media-playlist': 'media-playlist',
      'iframe-playlist': 'iframe-playlist',
      mpd: 'mpd',
      'smooth-manifest': 'smooth-manifest',
      'smooth-fragment': 'smooth-fragment',
      init: 'init',
      segment: 'segment',
      part: 'part',
      'live-segment': 'live-segment',
      blocked: 'blocked',
      download: 'download',
      thumbnail: 'thumbnail',
      key: 'key',
      time: 'time',
      other: 'other',
    }
    expect(new Set(Object.keys(theirs))).toEqual(new Set(ours))
  })
})

describe('merging into the registry', () => {
  const REQUESTS = 'headend_origin_requests_total'
  const OK = '{kind="segment",status="200"}'

  it('adds up threads and does not count a repeated report twice', async () => {
    const [one, two] = [new OriginCounter('one'), new OriginCounter('two')]
    one.request('segment', 200, 10, 1)
    two.request('segment', 200, 20, 1)
    for (let i = 0; i < 3; i++) {
      metrics.origin.merge(0, one.snapshot())
      metrics.origin.merge(1, two.snapshot())
    }
    expect(await value(REQUESTS, OK)).toBe(2)
    expect(await value('headend_origin_sent_bytes_total', '{kind="segment"}')).toBe(30)
    expect(await value('headend_origin_threads')).toBe(2)
  })

  it('goes on counting when a thread is replaced, with or without a word of its end', async () => {
    const first = new OriginCounter('first')
    for (let i = 0; i < 5; i++) first.request('segment', 200, 1, 1)
    first.started()
    metrics.origin.merge(0, first.snapshot())
    expect(await value('headend_origin_requests_in_flight')).toBe(1)
    const second = new OriginCounter('second')
    second.request('segment', 200, 1, 1)
    metrics.origin.merge(0, second.snapshot())
    expect(await value(REQUESTS, OK)).toBe(6)
    metrics.origin.threadGone(0)
    expect(await value('headend_origin_requests_in_flight')).toBe(0)
    const third = new OriginCounter('third')
    third.request('segment', 200, 1, 1)
    metrics.origin.merge(0, third.snapshot())
    expect(await value(REQUESTS, OK)).toBe(7)
  })

  it('gives a histogram whose buckets add up, whatever is counted and whenever it is reported', async () => {
    const requests = fc.array(
      fc.record({ ms: fc.double({ min: 0, max: 20_000, noNaN: true }), report: fc.boolean(), restart: fc.boolean() }),
      { maxLength: 40 },
    )
    await fc.assert(
      fc.asyncProperty(requests, async (list) => {
        await metrics.stop()
        metrics = new Metrics({ clock: systemClock, build: { version: 'test' } })
        let counter = new OriginCounter('0')
        for (const [i, { ms, report, restart }] of list.entries()) {
          counter.request('mpd', 200, 1, ms)
          if (report || restart) metrics.origin.merge(0, counter.snapshot())
          if (restart) counter = new OriginCounter(String(i + 1))
        }
        metrics.origin.merge(0, counter.snapshot())
        const name = 'headend_origin_request_duration_seconds'
        for (const bound of durationBounds) {
          const expected = list.filter(({ ms }) => ms / 1000 <= bound).length
          expect((await value(`${name}_bucket`, `{kind="mpd",le="${bound}"}`)) ?? 0).toBe(expected)
        }
        expect((await value(`${name}_bucket`, '{kind="mpd",le="+Inf"}')) ?? 0).toBe(list.length)
        expect((await value(`${name}_count`, '{kind="mpd"}')) ?? 0).toBe(list.length)
        const sum = list.reduce((total, { ms }) => total + ms / 1000, 0)
        expect((await value(`${name}_sum`, '{kind="mpd"}')) ?? 0).toBeCloseTo(sum, 6)
      }),
      { numRuns: 30 },
    )
  })
})
