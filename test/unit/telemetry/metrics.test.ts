import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { OriginCounter } from '../../../src/telemetry/origin-counts.ts'

let clock: VirtualClock
let metrics: Metrics

beforeEach(() => {
  clock = new VirtualClock(1_700_000_000_000)
  metrics = new Metrics({ clock, build: { version: '1.2.3' } })
})
afterEach(() => metrics.stop())

async function series(name: string): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
}

function recordEverything(channel: string): void {
  metrics.ingest.connectionOpened('rtmp')
  metrics.ingest.connectionRefused('busy')
  metrics.ingest.socketRead('rtmp', 1_000)
  metrics.ingest.sessionClosed('idle')
  metrics.ingest.offence('chunk')
  metrics.ingest.sessionStarted(channel, true)
  metrics.ingest.report(channel, 'default', {
    receivedBytes: 400_000,
    elapsedMs: 1_000,
    videoFrames: 30,
    gopLengthMs: 2_000,
    clockDriftMs: 12,
    audioVideoDriftMs: -15,
  })
  metrics.ingest.framesDropped(channel, 'default', 'no-key-frame', 7)
  metrics.ingest.inputs(channel, 'default', 'secondary', 'primary')
  metrics.ingest.inputSwitched(channel, 'silent', true)
  metrics.transcoder.started(channel)
  metrics.transcoder.report(channel, { framesPerSecond: 30, speedRatio: 1, queuedBytes: 1_000, cpuSeconds: 0.6 })
  metrics.transcoder.restarted(channel, 'crashed')
  metrics.transcoder.framesDropped(channel, 2)
  metrics.segmenter.fragmentAppended(channel, 'v720', clock.now())
  metrics.segmenter.segmentClosed(channel, 2)
  metrics.segmenter.cutForced(channel)
  metrics.segmenter.gap(channel)
  metrics.segmenter.discontinuity(channel, 'input-returned')
  metrics.log.recordsAppended(channel, 3)
  metrics.log.report(channel, { heldBytes: 10_000, indexBytes: 100 })
  metrics.log.evicted(channel, 'window', 1)
  metrics.log.replicaResynced()
  metrics.log.replicaLag(0, 4)
  metrics.log.ended(5_000)
  metrics.control.served('getChannel', 200, 0.01)
  metrics.control.channelMoved(undefined, 'Running')
  metrics.control.failed('channel', 'FFMPEG_MISSING')
  metrics.events.recorded(3)
  metrics.events.dropped('heartbeat', 1)
  metrics.events.delivery('delivered', 0.2)
  metrics.events.clientOpened()
  metrics.events.clientClosed('slow')
  const counter = new OriginCounter('a')
  counter.started()
  counter.request('segment', 200, 1_000, 3)
  const samples = (['bl', 'dl', 'mtp', 'br'] as const).map((figure) => ({ figure, object: 'v' as const, value: 5 }))
  counter.cmcd({ object: 'v', version: '1', samples, isStarved: true, isStartup: true })
  metrics.origin.merge(0, counter.snapshot())
}

describe('the exposition', () => {
  it('is accepted by promtool with every family in use', async () => {
    recordEverything('main')
    expect(spawnSync('promtool', ['--version']).status, 'promtool comes with Debian’s package prometheus').toBe(0)
    execFileSync('promtool', ['check', 'metrics'], { input: await metrics.text(), stdio: ['pipe', 'pipe', 'pipe'] })
  })

  it('gives every family the prefix, a help text that is a sentence, and at least one series', async () => {
    recordEverything('main')
    const text = await metrics.text()
    expect(metrics.names().length).toBeGreaterThan(40)
    for (const name of metrics.names()) {
      expect(name).toMatch(/^headend_[a-z_]+$/)
      expect(text).toMatch(new RegExp(`^# HELP ${name} [A-Z0-9].{15,}\\.$`, 'm'))
      expect(text).toMatch(new RegExp(`^${name}(_bucket)?(\\{.*\\})? [-0-9.e]+$`, 'm'))
    }
  })

  it('names counters, and only counters, _total', async () => {
    const types = [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    for (const [, name, type] of types) expect(name?.endsWith('_total'), name).toBe(type === 'counter')
  })

  it('says which version runs', async () => {
    expect(await series('headend_build_info')).toEqual([
      `headend_build_info{version="1.2.3",node="${process.version}"} 1`,
    ])
  })
})

describe('ingest', () => {
  it('turns a report into rates in base units', async () => {
    metrics.ingest.report('main', 'default', { receivedBytes: 250_000, elapsedMs: 500, videoFrames: 15 })
    expect(await series('headend_ingest_bitrate_bytes_per_second')).toEqual([
      'headend_ingest_bitrate_bytes_per_second{channel="main",layer="default"} 500000',
    ])
    expect(await series('headend_ingest_video_frames_per_second')).toEqual([
      'headend_ingest_video_frames_per_second{channel="main",layer="default"} 30',
    ])
    expect(await series('headend_ingest_gop_length_seconds')).toEqual([])
  })

  it('drops the momentary figures of a session that ended and keeps its totals', async () => {
    metrics.ingest.sessionStarted('main', false)
    metrics.ingest.report('main', 'a', { receivedBytes: 10, elapsedMs: 1_000, videoFrames: 1, gopLengthMs: 2_000 })
    metrics.ingest.sessionEnded('main', 'a')
    expect(await series('headend_ingest_sessions')).toEqual(['headend_ingest_sessions{channel="main"} 0'])
    expect(await series('headend_ingest_bitrate_bytes_per_second')).toEqual([])
    expect(await series('headend_ingest_gop_length_seconds')).toEqual([])
    expect(await series('headend_ingest_received_bytes_total')).toHaveLength(1)
  })

  it('bounds the layers that an encoder can invent', async () => {
    for (let i = 0; i < 500; i++) {
      metrics.ingest.report('main', `layer${i}`, { receivedBytes: 1, elapsedMs: 1_000, videoFrames: 0 })
    }
    const lines = await series('headend_ingest_received_bytes_total')
    expect(lines).toHaveLength(17)
    expect(lines).toContain('headend_ingest_received_bytes_total{channel="main",layer="other"} 484')
  })
})

describe('the age of the newest fragment', () => {
  it('is computed when scraped and follows the clock', async () => {
    metrics.segmenter.fragmentAppended('main', 'v', clock.now())
    metrics.segmenter.fragmentAppended('main', 'a', clock.now() - 5_000)
    await clock.advance(1_500)
    expect(await series('headend_newest_fragment_age_seconds')).toEqual([
      'headend_newest_fragment_age_seconds{channel="main"} 1.5',
    ])
    await clock.advance(1_000)
    expect(await series('headend_newest_fragment_age_seconds')).toEqual([
      'headend_newest_fragment_age_seconds{channel="main"} 2.5',
    ])
  })
})

describe('a channel that goes', () => {
  it('takes all of its series along and leaves the others', async () => {
    recordEverything('gone')
    recordEverything('kept')
    const before = await metrics.text()
    expect(before).toContain('channel="gone"')
    await metrics.forgetChannel('gone')
    const after = await metrics.text()
    expect(after).not.toContain('gone')
    expect(after.split('\n').filter((line) => line.includes('"kept"'))).toEqual(
      before.split('\n').filter((line) => line.includes('"kept"')),
    )
  })
})

describe('the dashboards', () => {
  const used = (text: string) => new Set(text.match(/headend_[a-z_]+/g))
  const exposed = () =>
    new Set(metrics.names().flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]))

  it.each(['config/grafana/headend.json', 'config/prometheus-alerts.yml'])('%s uses metrics that exist', (path) => {
    const names = used(readFileSync(path, 'utf8'))
    expect(names.size).toBeGreaterThan(5)
    expect([...names].filter((name) => !exposed().has(name))).toEqual([])
  })

  it('parse as JSON, with an expression in every panel', () => {
    const dashboard = JSON.parse(readFileSync('config/grafana/headend.json', 'utf8'))
    const panels = dashboard.panels.filter((panel: { type: string }) => panel.type !== 'row')
    expect(panels.length).toBeGreaterThan(10)
    for (const panel of panels) for (const target of panel.targets) expect(target.expr).toMatch(/headend_/)
  })

  it('come with a Prometheus configuration that promtool accepts', () => {
    expect(() =>
      execFileSync('promtool', ['check', 'config', 'config/prometheus.yml'], { stdio: 'pipe' }),
    ).not.toThrow()
  })
})
