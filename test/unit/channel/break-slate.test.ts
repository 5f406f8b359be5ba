import { describe, expect, it } from 'vitest'
import { type BenchOptions, ChannelBench } from './channel-bench.ts'
import { expectOrder } from './channel-invariants.ts'
import { isSlate, slateOf } from './slate-double.ts'
import { live, run, SyntheticEncoder, usual } from './synthetic-encoder.ts'

async function onAir(channel: NonNullable<BenchOptions['channel']> = {}) {
  const bench = new ChannelBench({ channel, slate: async (wish) => slateOf(wish) })
  const encoder = new SyntheticEncoder(usual)
  const sink = await live(bench, encoder)
  const play = (ms: number) => run(bench, [[encoder, sink]], ms)
  await play(6_000)
  const begin = (id: string, inMs: number, plannedMs?: number) => {
    const startTicks = bench.channel.markers.nowTicks + inMs * 90
    const planned = plannedMs === undefined ? {} : { plannedTicks: plannedMs * 90, autoReturn: true as const }
    bench.channel.markers.tell({ type: 'begin', id, kind: 'ad-break', startTicks, ...planned }, 'api')
    bench.channel.slateDuring(id)
    return startTicks / 90_000
  }
  return { bench, sink, play, begin }
}

/** What was written of the last so many milliseconds is of the slate, all of it; half a second is on its way. */
function expectOnlySlateSince(bench: ChannelBench, ms: number): void {
  const fromSeconds = (bench.clock.now() - ms + 1_000) / 1_000
  const pictures = bench.writtenOf('video-1').filter(({ pts }) => pts >= fromSeconds)
  expect(pictures.length).toBeGreaterThan(((ms - 4_000) / 1_000) * 25)
  expect(pictures.filter((picture) => !isSlate(picture))).toEqual([])
}

describe('the slate of a break', () => {
  it('is shown from its start to its end although the input is there, and then the input from its next key frame on', async () => {
    const { bench, play, begin } = await onAir()
    const startSeconds = begin('b', 3_000, 6_000)
    await play(20_000)
    await bench.channel.stop()
    expectOrder(bench)
    expect(bench.events).toEqual(['returned', 'slate shown', 'slate ended', 'lost stopped'])
    expect(bench.discontinuities).toEqual(['input-switched', 'input-switched'])
    const pictures = bench.writtenOf('video-1')
    const shown = pictures.filter(isSlate)
    const [first, last] = [shown[0]?.pts ?? 0, shown.at(-1)?.pts ?? 0]
    expect(Math.abs(first - startSeconds)).toBeLessThan(0.6)
    // Up to the next key frame of the encoder, which sends one every two seconds.
    expect(last - first).toBeGreaterThan(5.5)
    expect(last - first).toBeLessThan(8.5)
    expect(pictures.at(pictures.findLastIndex(isSlate) + 1)?.independent).toBe(true)
    expect(bench.only('gap')).toEqual([])
  })

  it('ends early with its break, and is not shown of one that was called off', async () => {
    const { bench, play, begin } = await onAir()
    begin('off', 2_000)
    bench.channel.markers.tell({ type: 'cancel', id: 'off' }, 'api')
    begin('b', 0)
    await play(3_000)
    expect(bench.events).toEqual(['returned', 'slate shown'])
    bench.channel.markers.tell({ type: 'end', id: 'b', endTicks: bench.channel.markers.nowTicks }, 'api')
    await play(4_000)
    expect(bench.events).toEqual(['returned', 'slate shown', 'slate ended'])
    await bench.channel.stop()
  })

  it('ends when the encoder whose place it takes says so', async () => {
    const { bench, sink, play, begin } = await onAir()
    const startSeconds = begin('b', 0)
    await play(3_000)
    void sink.push({ type: 'cue', name: 'onAdCue', dtsMs: 9_000, value: { cue: 'SpliceIn', id: 'b' } })
    await play(3_000)
    expect(bench.events).toEqual(['returned', 'slate shown', 'slate ended'])
    const [{ durationTicks = 0 } = {}] = bench.presentation.markers
    expect(bench.clock.now() / 1_000 - 3 - startSeconds).toBeCloseTo(durationTicks / 90_000, 1)
    await bench.channel.stop()
  })

  it('stays when the encoder goes meanwhile; behind it there are gaps, until the encoder is there again', async () => {
    const { bench, sink, play, begin } = await onAir()
    begin('b', 0, 12_000)
    await play(3_000)
    sink.end('unpublished')
    await run(bench, [], 20_000)
    expect(bench.events).toEqual(['returned', 'slate shown', 'lost silent', 'slate ended'])
    const shown = bench.writtenOf('video-1').filter(isSlate)
    expect((shown.at(-1)?.pts ?? 0) - (shown[0]?.pts ?? 0)).toBeGreaterThan(11)
    expect(bench.only('gap').length).toBeGreaterThan(2)
    const back = new SyntheticEncoder({ ...usual, firstId: 500_000 })
    const again = await live(bench, back)
    await run(bench, [[back, again]], 6_000)
    await bench.channel.stop()
    expectOrder(bench)
    expect(bench.writtenOf('video-1').at(-1)?.id).toBeGreaterThanOrEqual(500_000)
  })

  it('is not touched by a change of the channel’s settings', async () => {
    const { bench, play, begin } = await onAir()
    begin('b', 0, 8_000)
    await play(2_000)
    expect(bench.events).toEqual(['returned', 'slate shown'])
    const { takeover, reconnectGraceMs, returnAfterMs } = bench.options
    bench.channel.update({ takeover, reconnectGraceMs: reconnectGraceMs + 1, returnAfterMs, slate: undefined })
    await play(4_000)
    expect(bench.events).toEqual(['returned', 'slate shown'])
    expectOnlySlateSince(bench, 5_000)
    await play(6_000)
    expect(bench.events).toEqual(['returned', 'slate shown', 'slate ended'])
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('stays where the input has just come back from an absence with one', async () => {
    const { bench, sink, begin } = await onAir({ slate: { afterMs: 2_000, picture: '' } })
    sink.end('unpublished')
    await run(bench, [], 6_000)
    expect(bench.events.at(-1)).toBe('slate shown')
    const back = new SyntheticEncoder({ ...usual, firstId: 500_000 })
    const again = await live(bench, back)
    await run(bench, [[back, again]], 3_000)
    begin('b', 0, 15_000)
    await run(bench, [[back, again]], 12_000)
    expect(bench.events.slice(-3)).toEqual(['slate ended', 'returned', 'slate shown'])
    expectOnlySlateSince(bench, 10_000)
    await run(bench, [[back, again]], 6_000)
    expect(bench.events.at(-1)).toBe('slate ended')
    expect(bench.writtenOf('video-1').at(-1)?.id).toBeGreaterThanOrEqual(500_000)
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('stays where the encoder is away for longer than a slate waits, and is back before the break is over', async () => {
    const { bench, sink, play, begin } = await onAir({ slate: { afterMs: 5_000, picture: '' } })
    begin('b', 0, 30_000)
    await play(1_000)
    sink.end('unpublished')
    await run(bench, [], 10_000)
    const back = new SyntheticEncoder({ ...usual, firstId: 500_000 })
    const again = await live(bench, back)
    await run(bench, [[back, again]], 12_000)
    expect(bench.events).toEqual(['returned', 'slate shown', 'lost silent', 'returned'])
    expectOnlySlateSince(bench, 20_000)
    expect(bench.discontinuities).toEqual(['input-switched'])
    await run(bench, [[back, again]], 12_000)
    expect(bench.events.at(-1)).toBe('slate ended')
    expect(bench.writtenOf('video-1').at(-1)?.id).toBeGreaterThanOrEqual(500_000)
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('goes on as that of an absence where the encoder is away when the break ends', async () => {
    const { bench, sink, play, begin } = await onAir({ slate: { afterMs: 5_000, picture: '' } })
    begin('b', 0, 12_000)
    await play(1_000)
    sink.end('unpublished')
    await run(bench, [], 25_000)
    expect(bench.events).toEqual(['returned', 'slate shown', 'lost silent'])
    expectOnlySlateSince(bench, 24_000)
    expect(bench.only('gap')).toEqual([])
    const back = new SyntheticEncoder({ ...usual, firstId: 500_000 })
    const again = await live(bench, back)
    await run(bench, [[back, again]], 5_000)
    expect(bench.events.slice(-2)).toEqual(['slate ended', 'returned'])
    expect(bench.writtenOf('video-1').at(-1)?.id).toBeGreaterThanOrEqual(500_000)
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('is over with its break where an encoder is connected and silent', async () => {
    const { bench, begin } = await onAir()
    begin('b', 0, 8_000)
    await run(bench, [], 20_000)
    expect(bench.events).toEqual(['returned', 'slate shown', 'lost silent', 'slate ended'])
    const shown = bench.writtenOf('video-1').filter(isSlate)
    expect((shown.at(-1)?.pts ?? 0) - (shown[0]?.pts ?? 0)).toBeLessThan(9)
    expect(bench.only('gap').length).toBeGreaterThan(2)
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('is over where the encoder goes after the break and before its next key frame', async () => {
    const { bench, sink, play, begin } = await onAir()
    begin('b', 0)
    await play(3_000)
    bench.channel.markers.tell({ type: 'end', id: 'b', endTicks: bench.channel.markers.nowTicks }, 'api')
    await run(bench, [], 300)
    sink.end('unpublished')
    await run(bench, [], 500)
    const shown = bench.written.filter(isSlate).length
    await run(bench, [], 10_000)
    expect(bench.written.filter(isSlate).length - shown).toBeLessThan(120)
    expect(bench.only('gap').length).toBeGreaterThan(2)
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('ends with the channel', async () => {
    const { bench, play, begin } = await onAir()
    begin('b', 0)
    await play(3_000)
    await bench.channel.stop()
    expectOrder(bench)
    expect(bench.events.slice(0, 3)).toEqual(['returned', 'slate shown', 'slate ended'])
    const { length } = bench.records
    await bench.clock.advance(5_000)
    expect(bench.records).toHaveLength(length)
  })
})
