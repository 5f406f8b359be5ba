import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/lib/clock.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { PRESENTATION_TIMESCALE } from '../../../src/presentation/records.ts'
import { audio, ChannelBench, otherVideo, monoAudio, video } from './channel-bench.ts'
import { expectExact, expectOrder, expectWhole } from './channel-invariants.ts'
import { SyntheticEncoder } from './synthetic-encoder.ts'

const usual = { fps: 25, gop: 50, video, audio }

/** Lets an encoder and the clock run side by side, in steps of 100 ms. */
async function run(
  bench: ChannelBench,
  sources: readonly (readonly [SyntheticEncoder, Awaited<ReturnType<ChannelBench['publish']>>])[],
  ms: number,
): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    await bench.clock.advance(100)
    for (const [encoder, sink] of sources) encoder.play(sink, 100)
  }
}

async function live(bench: ChannelBench, encoder: SyntheticEncoder, layer?: string) {
  const sink = await bench.publish(layer)
  encoder.configure(sink)
  return sink
}

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

  it('lets another layer take the sound over when the one that fed it goes, seamlessly', async () => {
    const bench = new ChannelBench()
    const [low, high] = [new SyntheticEncoder(usual), new SyntheticEncoder({ ...usual, firstId: 100_000 })]
    const lowSink = await live(bench, low, 'low')
    const highSink = await live(bench, high, 'high')
    const both = [
      [low, lowSink],
      [high, highSink],
    ] as const
    await run(bench, both, 6_500)
    lowSink.end('connection lost')
    await run(bench, [both[1]], 7_500)
    highSink.end('unpublished')
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual([])
    expect(bench.only('gap')).toEqual([])
    const sounds = bench.writtenOf('audio-1')
    expect(sounds.some(({ id }) => id < 100_000) && sounds.some(({ id }) => id >= 100_000)).toBe(true)
    for (const [index, { dts, duration }] of sounds.entries()) {
      const next = sounds[index + 1]
      if (next) expect(Math.abs(next.dts - dts - duration)).toBeLessThan(0.06)
    }
    expect(bench.writtenOf('video-2')).toHaveLength(high.sent.filter(({ kind }) => kind === 'video').length)
    expectOrder(bench)
  })

  it('goes on with the layers that stay when the leading one goes, and takes it in again when it comes back', async () => {
    const bench = new ChannelBench()
    const lead = new SyntheticEncoder({ ...usual, audio: undefined })
    const other = new SyntheticEncoder({ ...usual, firstId: 100_000 })
    const leadSink = await live(bench, lead, 'lead')
    const otherSink = await live(bench, other, 'other')
    const both = [
      [lead, leadSink],
      [other, otherSink],
    ] as const
    await run(bench, both, 5_000)
    leadSink.end('connection lost')
    lead.pause(6_000)
    await run(bench, [both[1]], 6_000)
    const again = await live(bench, lead, 'lead')
    await run(bench, [[lead, again], both[1]], 9_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual([])
    expect(bench.writtenOf('video-2')).toHaveLength(500)
    const [first] = bench.presentation.renditions
    const has = Array.from({ length: bench.presentation.endSequence }, (_, sequence) =>
      bench.presentation.renditionSegment(first?.index ?? -1, sequence) !== undefined ? 'x' : '.',
    ).join('')
    expect(has).toMatch(/^xxx\.{3,4}x{3,5}$/)
    expectOrder(bench)
  })

  it('puts gaps down while a silent encoder stays connected, and anchors anew what does not catch up', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 5_000)
    // The clock of the encoder stands still with it.
    await run(bench, [], 12_000)
    encoder.forceKeyFrame()
    await run(bench, [[encoder, sink]], 12_000)
    await bench.channel.stop()
    expect(bench.events.filter((event) => event.startsWith('lost'))[0]).toBe('lost silent')
    expect(bench.discontinuities).toEqual(['input-returned'])
    expect(bench.only('gap').length).toBeGreaterThanOrEqual(5)
    expect(encoder.sent.length).toBe(bench.written.length + bench.droppedCount)
    // Two seconds in which it could have caught up, and what is left of a GOP.
    expect(bench.droppedCount).toBeLessThan(4.2 * 72)
    const last = bench.written.at(-1)
    expect(Math.abs((last?.dts ?? 0) - bench.clock.now() / 1_000)).toBeLessThan(0.5)
    expectOrder(bench)
  })

  it('re-anchors an encoder whose clock drifted by more than a second when it falls silent', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    for (let at = 0; at < 30_000; at += 100) {
      await bench.clock.advance(100)
      encoder.play(sink, 106)
    }
    expect((bench.written.at(-1)?.dts ?? 0) - bench.clock.now() / 1_000).toBeGreaterThan(1)
    encoder.pause(9_000)
    await run(bench, [], 9_000)
    await run(bench, [[encoder, sink]], 4_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['input-returned'])
    expect(Math.abs((bench.written.at(-1)?.dts ?? 0) - bench.clock.now() / 1_000)).toBeLessThan(0.2)
    expectWhole(bench, encoder)
    expectOrder(bench)
  })

  it('lets sound alone make a presentation, and pictures join it when they come', async () => {
    const bench = new ChannelBench()
    const sound = new SyntheticEncoder({ ...usual, video: undefined })
    const sink = await live(bench, sound)
    await run(bench, [[sound, sink]], 7_000)
    const pictures = new SyntheticEncoder({ ...usual, audio: undefined, startMs: 7_000, firstId: 100_000 })
    pictures.configure(sink, { video })
    await run(
      bench,
      [
        [sound, sink],
        [pictures, sink],
      ],
      8_000,
    )
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['codec-change'])
    expect(bench.dropped).toEqual(new Map())
    expectWhole(bench, sound, pictures)
    expectOrder(bench)
  })

  it('holds no more than a second of sound back while announced pictures do not come', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, video: undefined })
    const sink = await bench.publish()
    sink.push({ type: 'config', trackId: 0, config: video })
    encoder.configure(sink)
    await run(bench, [[encoder, sink]], 10_000)
    expect(bench.only('segment-closed').length).toBeGreaterThanOrEqual(2)
    await bench.channel.stop()
    expectWhole(bench, encoder)
  })

  it('does not give up for pictures without key frames, and has the sound meanwhile', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, gop: 100_000 })
    const sink = await live(bench, encoder)
    await run(bench, [[encoder, sink]], 30_000)
    await bench.channel.stop()
    // One key frame: cut by force, within the target and half a second.
    expect(bench.events.filter((event) => event === 'cut-forced').length).toBeGreaterThan(10)
    for (const { durationTicks } of bench.only('segment-closed')) expect(durationTicks / 90_000).toBeLessThan(2.5)
    expectWhole(bench, encoder)
    expectOrder(bench)
  })

  it('drops pictures from before the first key frame, and leads with sound until then', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, gop: 250 })
    const sink = await bench.publish()
    const late = { push: (c: Parameters<typeof sink.push>[0]) => sink.push(c), end: sink.end.bind(sink) }
    encoder.configure(sink)
    // The first 2 s are not heard.
    encoder.play({ push: () => undefined, end: () => undefined }, 2_000)
    await run(bench, [[encoder, late]], 16_000)
    await bench.channel.stop()
    const [first] = bench.writtenOf('video-1')
    expect(first?.independent).toBe(true)
    expect(bench.dropped.get('no-key-frame')).toBe(200)
    expectOrder(bench)
  })

  it('keeps the order of the log when the clock of an encoder stands still', async () => {
    const bench = new ChannelBench()
    const sink = await bench.publish()
    sink.push({ type: 'config', trackId: 0, config: video })
    const data = new Uint8Array(100)
    for (let i = 0; i < 300; i++) {
      await bench.clock.advance(40)
      sink.push({ type: 'frame', kind: 'video', trackId: 0, dtsMs: 1, compositionMs: 0, independent: i % 50 === 0, data })
    }
    await bench.channel.stop()
    expectOrder(bench)
    expect(bench.written).toHaveLength(300)
  })

  it('keeps the order of the log whatever composition offsets an encoder makes up', async () => {
    const bench = new ChannelBench()
    const sink = await bench.publish()
    sink.push({ type: 'config', trackId: 0, config: video })
    const offsets = [0, 8_000_000, -8_000_000, 9_000, -9_000, 40, -40]
    for (let i = 0; i < 1_000; i++) {
      await bench.clock.advance(40)
      const compositionMs = offsets[(i * 31) % offsets.length] ?? 0
      const data = new Uint8Array(8)
      sink.push({ type: 'frame', kind: 'video', trackId: 0, dtsMs: i * 40, compositionMs, independent: i % 25 === 0, data })
    }
    await bench.channel.stop()
    expectOrder(bench)
    expect(bench.written.length + bench.droppedCount).toBe(1_000)
  })
})

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
