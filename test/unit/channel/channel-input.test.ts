import { describe, expect, it } from 'vitest'
import { ChannelBench, video } from './channel-bench.ts'
import { expectOrder, expectWhole } from './channel-invariants.ts'
import { live, run, SyntheticEncoder, usual } from './synthetic-encoder.ts'

describe('Channel, pass-through, when a publisher goes or falls silent', () => {
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
    expect(bench.events.find((event) => event.startsWith('lost'))).toBe('lost silent')
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
})

describe('Channel, pass-through, of streams out of the ordinary', () => {
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
    void sink.push({ type: 'config', trackId: 0, config: video })
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
    void sink.push({ type: 'config', trackId: 0, config: video })
    const data = new Uint8Array(100)
    for (let i = 0; i < 300; i++) {
      await bench.clock.advance(40)
      void sink.push({
        type: 'frame',
        kind: 'video',
        trackId: 0,
        dtsMs: 1,
        compositionMs: 0,
        independent: i % 50 === 0,
        data,
      })
    }
    await bench.channel.stop()
    expectOrder(bench)
    expect(bench.written).toHaveLength(300)
  })

  it('keeps the order of the log whatever composition offsets an encoder makes up', async () => {
    const bench = new ChannelBench()
    const sink = await bench.publish()
    void sink.push({ type: 'config', trackId: 0, config: video })
    const offsets = [0, 8_000_000, -8_000_000, 9_000, -9_000, 40, -40]
    for (let i = 0; i < 1_000; i++) {
      await bench.clock.advance(40)
      const compositionMs = offsets[(i * 31) % offsets.length] ?? 0
      const data = new Uint8Array(8)
      void sink.push({
        type: 'frame',
        kind: 'video',
        trackId: 0,
        dtsMs: i * 40,
        compositionMs,
        independent: i % 25 === 0,
        data,
      })
    }
    await bench.channel.stop()
    expectOrder(bench)
    expect(bench.written.length + bench.droppedCount).toBe(1_000)
  })
})
