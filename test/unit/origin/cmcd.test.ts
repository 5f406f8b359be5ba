import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { readCmcd } from '../../../src/origin/cmcd.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { OriginCounter } from '../../../src/telemetry/origin-counts.ts'

const query = (text: string) => readCmcd(`/l/index.m3u8?a=b&CMCD=${encodeURIComponent(text)}&c=d`, {})
const figures = (text: string) => query(text)?.samples.map(({ figure, object, value }) => [figure, object, value])

describe('Common Media Client Data', () => {
  it('is read from the query', () => {
    const text =
      'bl=21300,br=3200,bs,cid="a,b;c=(1)\\"",d=4004,mtp=25400,nor="..%2Fnext.m4s",ot=v,rtp=15000,sf=h,sid="6e2f",st=v,su'
    expect(query(text)).toEqual({
      object: 'v',
      version: '1',
      samples: [
        { figure: 'bl', object: 'v', value: 21_300 },
        { figure: 'mtp', object: 'v', value: 25_400 },
        { figure: 'br', object: 'v', value: 3_200 },
      ],
      isStarved: true,
      isStartup: true,
    })
    expect(readCmcd('/l/index.m3u8?CMCDX=bl%3D1', {})).toBeUndefined()
    expect(readCmcd('/l/index.m3u8', {})).toBeUndefined()
  })

  it('is read from the headers', () => {
    const headers = {
      'cmcd-object': 'br=3200,d=4004,ot=a,tb=6000',
      'cmcd-request': 'bl=21300,dl=18500,mtp=48100,su=?0',
      'cmcd-session': 'cid="faec",pr=1.08,sid="6e2f",v=1',
      'cmcd-status': 'bs,rtp=12000',
    }
    expect(readCmcd('/', headers)).toMatchObject({ object: 'a', version: '1', isStarved: true, isStartup: false })
    expect(readCmcd('/', headers)?.samples.map(({ figure, value }) => [figure, value])).toEqual([
      ['bl', 21_300],
      ['dl', 18_500],
      ['mtp', 48_100],
      ['br', 3_200],
    ])
  })

  it('of version 2 has figures of several objects in a list, and keys that are not known here', () => {
    const text =
      'v=2,e=ps,ts=1764000000000,bl=(3000;v 2500;a),br=(5000;v 128;a 64),ot=av,sta=p,cs="x",nor=("a" "b, c";r="0-1")'
    expect(query(text)?.version).toBe('2')
    expect(figures(text)).toEqual([
      ['bl', 'v', 3_000],
      ['bl', 'a', 2_500],
      ['br', 'v', 5_000],
      ['br', 'a', 128],
      ['br', 'av', 64],
    ])
  })

  it.each([
    ['bl=,br==3,mtp=-5,dl=1e3,ot=x', 'unknown', []],
    ['bl=99999999999,br="5",mtp=5.5', 'unknown', [['mtp', 'unknown', 5.5]]],
    [
      'bl=(1 2',
      'unknown',
      [
        ['bl', 'unknown', 1],
        ['bl', 'unknown', 2],
      ],
    ],
    ['cid="never closed,bl=5', 'unknown', []],
    [',,,;;=(=),ot=m', 'm', []],
    ['', 'unknown', []],
  ])('costs nobody anything where it is wrong: %s', (text, object, samples) => {
    expect(query(text)?.object).toBe(object)
    expect(figures(text)).toEqual(samples)
  })

  it('is read in bounded time, whatever it is', () => {
    const piece = fc.constantFrom('"', '\\', '(', ')', ',', ';', '=', ' ', 'bl', 'ot', 'v', '5', 'é', '%')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 400 }).map((some) => some.join('')),
        ),
        (text) => {
          const report = query(text)
          expect(report?.samples.length).toBeLessThanOrEqual(64)
          for (const { value } of report?.samples ?? []) expect(Number.isFinite(value) && value >= 0).toBe(true)
          readCmcd(`/x?CMCD=${text}`, { 'cmcd-object': text })
        },
      ),
    )
    for (const text of [
      '('.repeat(8_000),
      '"'.repeat(8_000),
      '\\"'.repeat(4_000),
      '(\\"'.repeat(1_300),
      'a'.repeat(8_000),
      `bl=(${' '.repeat(8_000)}`,
    ]) {
      const startedMs = performance.now()
      query(text)
      expect(performance.now() - startedMs).toBeLessThan(500)
    }
  })

  it('becomes metrics, by the object that was asked for and nothing else', async () => {
    const metrics = new Metrics({ clock: systemClock, build: { version: 'test' } })
    const counter = new OriginCounter('one')
    const first = query('bl=1500,ot=v,bs,sid="someone"')
    const second = query('bl=70000,mtp=8000,br=4000,ot=v,su,v=2')
    if (!first || !second) throw new Error('not read')
    counter.cmcd(first)
    metrics.origin.merge(0, counter.snapshot())
    metrics.origin.merge(0, counter.snapshot())
    counter.cmcd(second)
    metrics.origin.merge(0, structuredClone(counter.snapshot()))
    const text = await metrics.text()
    await metrics.stop()
    for (const line of [
      'headend_cmcd_reports_total{version="1"} 1',
      'headend_cmcd_reports_total{version="2"} 1',
      'headend_cmcd_buffer_starvations_total{object="v"} 1',
      'headend_cmcd_startup_requests_total{object="v"} 1',
      'headend_cmcd_buffer_length_seconds_bucket{object="v",le="1"} 0',
      'headend_cmcd_buffer_length_seconds_bucket{object="v",le="2"} 1',
      'headend_cmcd_buffer_length_seconds_bucket{object="v",le="+Inf"} 2',
      'headend_cmcd_buffer_length_seconds_sum{object="v"} 71.5',
      'headend_cmcd_measured_throughput_bytes_per_second_sum{object="v"} 1000000',
      'headend_cmcd_encoded_bitrate_bytes_per_second_bucket{object="v",le="500000"} 1',
    ]) {
      expect(text).toContain(`${line}\n`)
    }
    expect(text).not.toContain('someone')
  })
})
