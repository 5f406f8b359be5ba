import { describe, expect, it } from 'vitest'
import { Tap, type TappedUnit } from '../../../src/channel/tap.ts'
import { audio, ChannelBench, video } from './channel-bench.ts'
import { SyntheticEncoder } from './synthetic-encoder.ts'

function sample(stream: string, sizeBytes: number, independent: boolean, dtsTicks = 0): TappedUnit {
  const kind = stream.startsWith('video') ? 'video' : 'audio'
  const data = new Uint8Array(sizeBytes)
  return { type: 'sample', stream, kind, sample: { dtsTicks, compositionTicks: 0, independent, data } }
}

async function rest(tap: Tap): Promise<TappedUnit[]> {
  tap.close()
  const units: TappedUnit[] = []
  for await (const unit of tap) units.push(unit)
  return units
}

function shapeOf(unit: TappedUnit): string {
  return unit.type === 'config' ? `config ${unit.stream}` : `${unit.stream}${unit.sample.independent ? ' key' : ''}`
}

describe('Tap', () => {
  it('passes everything on, in order, then ends', async () => {
    const closed: Tap[] = []
    const tap = new Tap(10_000, (which) => void closed.push(which))
    tap.offer({ type: 'config', stream: 'video-1', config: video })
    tap.offer(sample('video-1', 100, true))
    tap.offer(sample('video-1', 100, false))
    expect((await rest(tap)).map(shapeOf)).toEqual(['config video-1', 'video-1 key', 'video-1'])
    expect(tap.droppedUnits).toBe(0)
    expect(closed).toEqual([tap])
    tap.offer(sample('video-1', 100, true))
  })

  it('drops what waits when its consumer is too slow, and goes on at key frames, configuration first', async () => {
    const tap = new Tap(2_000, () => undefined)
    tap.offer({ type: 'config', stream: 'video-1', config: video })
    tap.offer({ type: 'config', stream: 'audio-1', config: audio })
    for (let i = 0; i < 20; i++) tap.offer(sample('video-1', 500, i === 0))
    expect(tap.droppedUnits).toBe(22)
    tap.offer(sample('audio-1', 10, true))
    tap.offer(sample('video-1', 100, false))
    tap.offer(sample('video-1', 100, true))
    tap.offer(sample('video-1', 100, false))
    expect(tap.droppedUnits).toBe(23)
    expect((await rest(tap)).map(shapeOf)).toEqual([
      'config audio-1',
      'audio-1 key',
      'config video-1',
      'video-1 key',
      'video-1',
    ])
  })

  it('keeps what it was offered when the memory is used for something else', async () => {
    const tap = new Tap(10_000, () => undefined)
    const unit = sample('audio-1', 100, true)
    if (unit.type === 'sample') unit.sample.data.fill(1)
    tap.offer(unit)
    if (unit.type === 'sample') unit.sample.data.fill(2)
    const [taken] = await rest(tap)
    expect(taken?.type === 'sample' && [...new Set(taken.sample.data)]).toEqual([1])
  })

  it('holds no more than its budget, whatever it is offered', () => {
    const tap = new Tap(1_000, () => undefined)
    tap.offer({ type: 'config', stream: 'video-1', config: video })
    for (let i = 0; i < 100; i++) tap.offer(sample('video-1', 5_000, true))
    expect(tap.droppedUnits).toBeGreaterThanOrEqual(100)
  })

  it('is given what the channel takes, on its timeline, and never holds it up', async () => {
    const bench = new ChannelBench()
    const fast = bench.channel.tap(10_000_000)
    const slow = bench.channel.tap(1_000)
    const encoder = new SyntheticEncoder({ fps: 25, gop: 25, video, audio })
    const sink = await bench.publish()
    encoder.configure(sink)
    for (let at = 0; at < 5_000; at += 100) {
      await bench.clock.advance(100)
      encoder.play(sink, 100)
    }
    await bench.channel.stop()
    const units: TappedUnit[] = []
    for await (const unit of fast) units.push(unit)
    expect(units.filter(({ type }) => type === 'config')).toHaveLength(2)
    const times = units.flatMap((unit) =>
      unit.type === 'sample' && unit.kind === 'video' ? [unit.sample.dtsTicks] : [],
    )
    expect(times).toHaveLength(125)
    expect(times.map((ticks) => ticks / 90_000)).toEqual(bench.writtenOf('video-1').map(({ dts }) => dts))
    expect(slow.droppedUnits).toBeGreaterThan(0)
  })
})
