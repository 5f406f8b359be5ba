import { describe, expect, it } from 'vitest'
import { PRESENTATION_TIMESCALE } from '../../../src/presentation/records.ts'
import { ChannelBench, monoAudio, otherVideo } from './channel-bench.ts'
import { expectExact, expectOrder, expectWhole } from './channel-invariants.ts'
import { live, run, SyntheticEncoder, usual } from './synthetic-encoder.ts'

describe('Channel, pass-through', () => {
  it('writes every sample once, at its exact time, cut alike in all renditions', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, bFrames: 2 })
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 11_000)
    sink.end('unpublished')
    await bench.channel.stop()
    expect(bench.dropped).toEqual(new Map())
    expect(bench.written).toHaveLength(encoder.sent.length)
    expectExact(bench, encoder)
    expectOrder(bench)
    expectWhole(bench, encoder)
    expect(bench.discontinuities).toEqual([])
    expect(bench.only('gap')).toEqual([])
  })

  it('goes on with gaps while the encoder is away, then with one discontinuity on the same tracks', async () => {
    const bench = new ChannelBench()
    const first = new SyntheticEncoder(usual)
    const sink = await live(bench, first)
    await run(bench, [[first, sink]], 7_000)
    sink.end('connection lost')
    await run(bench, [], 15_000)
    const second = new SyntheticEncoder({ ...usual, startMs: 77_777, firstId: first.nextId })
    const back = await live(bench, second)
    await run(bench, [[second, back]], 6_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['input-returned'])
    expect(bench.only('track-added')).toHaveLength(2)
    const nowTicks = bench.clock.now() * 90
    for (const gap of bench.only('gap')) {
      expect(gap.durationTicks).toBeLessThanOrEqual(2 * PRESENTATION_TIMESCALE)
      expect(gap.startTicks + gap.durationTicks).toBeLessThanOrEqual(nowTicks)
    }
    const gapSeconds = bench.only('gap').reduce((sum, { durationTicks }) => sum + durationTicks, 0) / 90_000
    expect(gapSeconds).toBeGreaterThan(14.5)
    expect(gapSeconds).toBeLessThan(15.5)
    expect(bench.dropped).toEqual(new Map())
    expectOrder(bench)
    expectWhole(bench, first, second)
    expectExact(bench, first)
    expectExact(bench, second)
    expect(bench.events).toEqual(['returned', 'lost connection lost', 'returned', 'lost stopped'])
  })

  it('counts one discontinuity for a reconnect with another codec configuration', async () => {
    const bench = new ChannelBench()
    const first = new SyntheticEncoder(usual)
    const sink = await live(bench, first)
    await run(bench, [[first, sink]], 5_000)
    sink.end('connection lost')
    const second = new SyntheticEncoder({ ...usual, video: otherVideo, firstId: first.nextId })
    const back = await live(bench, second)
    await run(bench, [[second, back]], 5_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['input-returned'])
    expect(bench.only('track-added').map(({ track }) => track.rendition)).toEqual(['video-1', 'audio-1', 'video-1'])
    expect(bench.dropped).toEqual(new Map())
    expectWhole(bench, first, second)
    expectOrder(bench)
  })

  it('changes the codec configuration in mid-stream without losing a picture or a sound', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, bFrames: 2 })
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 5_300)
    encoder.forceKeyFrame()
    encoder.configure(sink, { video: otherVideo })
    await run(bench, [[encoder, sink]], 5_300)
    sink.end('unpublished')
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['codec-change'])
    expect(bench.dropped).toEqual(new Map())
    expectWhole(bench, encoder)
    expectExact(bench, encoder)
    expectOrder(bench)
    expect(new Set(bench.writtenOf('video-1').map(({ track }) => track)).size).toBe(2)
  })

  it('takes the same configuration again for nothing', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    for (let i = 0; i < 5; i++) {
      await run(bench, [[encoder, sink]], 900)
      encoder.configure(sink)
    }
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual([])
    expectWhole(bench, encoder)
  })

  it('loses of a changed sound only what comes before the next key frame', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 5_000)
    encoder.configure(sink, { audio: monoAudio })
    await run(bench, [[encoder, sink]], 5_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['codec-change'])
    expect(bench.writtenOf('video-1')).toHaveLength(250)
    const lost = encoder.sent.length - bench.written.length
    expect(lost).toBe(bench.droppedCount)
    expect(lost).toBeLessThan(1.1 * 47)
    expectOrder(bench)
  })

  it('gives a clock that jumps, forward or back, one discontinuity and loses nothing', async () => {
    for (const jumpMs of [7_200_000, -3_000_000, 2_500, -2_500]) {
      const bench = new ChannelBench()
      const encoder = new SyntheticEncoder({ ...usual, bFrames: 2, startMs: 4_000_000 })
      const sink = await live(bench, encoder)
      await run(bench, [[encoder, sink]], 4_000)
      encoder.jump(jumpMs)
      await run(bench, [[encoder, sink]], 5_000)
      await bench.channel.stop()
      expect(bench.discontinuities).toEqual(['clock-jump'])
      expect(bench.dropped).toEqual(new Map())
      expectWhole(bench, encoder)
      expectOrder(bench)
    }
  })

  it('survives the rollover of the timestamps without a seam', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, bFrames: 2, startMs: 2 ** 32 - 3_000 })
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 8_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual([])
    expectExact(bench, encoder)
    expectWhole(bench, encoder)
  })
})
