import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/lib/clock.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { ChannelBench } from './channel-bench.ts'
import { expectExact, expectOrder, expectWhole } from './channel-invariants.ts'
import { live, run, SyntheticEncoder, usual } from './synthetic-encoder.ts'

describe('Channel and the machine’s clock', () => {
  /** A wall clock that can be set while the monotonic one goes on. */
  function settable() {
    const clock = new VirtualClock(1_763_702_400_000)
    const wall = { offsetMs: 0 }
    const seen: Clock = {
      now: () => clock.now() + wall.offsetMs,
      monotonicMs: () => clock.monotonicMs(),
      after: clock.after.bind(clock),
      every: clock.every.bind(clock),
      sleep: clock.sleep.bind(clock),
    }
    return { clock, seen, wall }
  }

  it('goes on where it was when the clock is set back by an hour, gaps and all', async () => {
    const { clock, seen, wall } = settable()
    const bench = new ChannelBench({ clock, seenClock: seen })
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 5_000)
    wall.offsetMs = -3_600_000
    await run(bench, [[encoder, sink]], 5_000)
    sink.end('connection lost')
    await run(bench, [], 10_000)
    expect(bench.only('gap').length).toBeGreaterThanOrEqual(4)
    const second = new SyntheticEncoder({ ...usual, firstId: encoder.nextId })
    const back = await live(bench, second)
    await run(bench, [[second, back]], 5_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['input-returned'])
    expectWhole(bench, encoder, second)
    expectOrder(bench)
  })

  it('makes no flood of gaps when the clock is set forward by a day, or the process slept', async () => {
    const { clock, seen, wall } = settable()
    const bench = new ChannelBench({ clock, seenClock: seen, channel: { reconnectGraceMs: 10 ** 9 } })
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 5_000)
    sink.end('connection lost')
    wall.offsetMs = 86_400_000
    await run(bench, [], 5_000)
    expect(bench.only('gap').length).toBeLessThan(5)
    const second = new SyntheticEncoder({ ...usual, firstId: encoder.nextId })
    const back = await live(bench, second)
    await run(bench, [[second, back]], 5_000)
    await bench.channel.stop()
    expect(bench.only('gap').length).toBeLessThan(5)
    expect(bench.discontinuities).toEqual(['input-returned'])
    const last = bench.writtenOf('video-1').at(-1)
    expect(Math.abs((last?.dts ?? 0) - seen.now() / 1_000)).toBeLessThan(0.5)
    expectOrder(bench)
  })

  it('tells of an encoder whose clock jumps, once for each jump', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 5_000)
    expect(bench.jumps).toBe(0)
    encoder.jump(7_200_000)
    await run(bench, [[encoder, sink]], 5_000)
    encoder.jump(-3_600_000)
    await run(bench, [[encoder, sink]], 5_000)
    await bench.channel.stop()
    expect(bench.jumps).toBe(2)
  })

  it('fills no gap before there was any media', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, gop: 100_000, video: undefined })
    const sink = await live(bench, encoder)
    encoder.play(sink, 5)
    sink.end('connection lost')
    await run(bench, [], 10_000)
    expect(bench.only('gap').length).toBeLessThan(8)
  })

  it('stops filling after the grace, and makes nothing up when the encoder comes back hours later', async () => {
    const bench = new ChannelBench({ channel: { reconnectGraceMs: 10_000 } })
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 3_000)
    sink.end('connection lost')
    await run(bench, [], 20_000)
    const gaps = bench.only('gap').length
    expect(gaps).toBeLessThanOrEqual(6)
    await bench.clock.advance(7_200_000)
    const second = new SyntheticEncoder({ ...usual, firstId: encoder.nextId })
    const back = await live(bench, second)
    await run(bench, [[second, back]], 3_000)
    await bench.channel.stop()
    expect(bench.only('gap')).toHaveLength(gaps)
    expect(bench.discontinuities).toEqual(['input-returned'])
    expectOrder(bench)
  })
})

describe('Channel, its publishers and its numbers', () => {
  it('refuses or replaces a second publisher of a layer, by policy', async () => {
    const refusing = new ChannelBench({ channel: { takeover: 'refuse' } })
    await refusing.publish()
    await expect(refusing.publish()).rejects.toThrow('Another encoder is publishing')
    const replacing = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(replacing, encoder)
    await run(replacing, [[encoder, sink]], 3_000)
    const next = new SyntheticEncoder({ ...usual, firstId: encoder.nextId })
    const nextSink = await live(replacing, next)
    const written = replacing.written.length
    encoder.play(sink, 1_000)
    expect(replacing.written.length).toBe(written)
    await run(replacing, [[next, nextSink]], 3_000)
    await replacing.channel.stop()
    expect(replacing.discontinuities).toEqual(['input-returned'])
    expectOrder(replacing)
  })

  it('has room for so many layers, and says so', async () => {
    const bench = new ChannelBench({ channel: { maxLayers: 2 } })
    await bench.publish('a')
    await bench.publish('b')
    await expect(bench.publish('c')).rejects.toThrow('no room')
    const [first, second] = await Promise.allSettled([bench.publish('b'), bench.publish('b')])
    expect([first.status, second.status].sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('admits nobody once stopped, ends whom it had, and stops once', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 2_500)
    const [a, b] = [bench.channel.stop(), bench.channel.stop()]
    expect(a).toBe(b)
    await a
    expect(bench.channel.layers).toEqual([])
    await expect(bench.publish()).rejects.toThrow('not running')
    expectWhole(bench, encoder)
  })

  it('goes on with the next numbers after an orderly stop, and skips some after a crash', async () => {
    const first = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(first, encoder)
    await run(first, [[encoder, sink]], 7_000)
    const crashed = first.saved
    expect(crashed?.nextSequence).toBeGreaterThan(first.presentation.endSequence)
    await first.channel.stop()
    expect(first.saved).toMatchObject({ nextSequence: first.presentation.endSequence, discontinuitySequence: 0 })
    for (const numbers of [first.saved, crashed]) {
      const next = new ChannelBench({ clock: first.clock, ...(numbers ? { numbers } : {}) })
      const again = new SyntheticEncoder(usual)
      const nextSink = await live(next, again)
      await run(next, [[again, nextSink]], 3_000)
      await next.channel.stop()
      expect(next.discontinuities).toEqual(['restart'])
      expect(next.presentation.firstSequence).toBe(numbers?.nextSequence)
      expect(next.only('gap')).toEqual([])
      const tracks = next.only('track-added').map(({ track }) => track.track)
      expect(Math.min(...tracks)).toBeGreaterThanOrEqual(numbers?.nextTrackNumber ?? 0)
    }
  })

  it('keeps hours of stream in step with the clock', { timeout: 30_000 }, async () => {
    const bench = new ChannelBench({ channel: { segmentDurationMs: 6_000, partDurationMs: undefined } })
    const encoder = new SyntheticEncoder({ ...usual, fps: 5, gop: 10 })
    const sink = await live(bench, encoder)
    for (let hour = 0; hour < 2; hour++) {
      for (let at = 0; at < 3_600_000; at += 1_000) {
        await bench.clock.advance(1_000)
        encoder.play(sink, 1_000)
      }
    }
    await bench.channel.stop()
    expect(bench.presentation.endSequence).toBe(1_200)
    expect(bench.discontinuities).toEqual([])
    expectExact(bench, encoder)
    expectWhole(bench, encoder)
  })
})
