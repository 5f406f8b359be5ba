import { describe, expect, it } from 'vitest'
import { ChannelBench } from './channel-bench.ts'
import { expectOrder } from './channel-invariants.ts'
import { isSlate, slateOf } from './slate-double.ts'
import { live, run, SyntheticEncoder, usual } from './synthetic-encoder.ts'

async function onAir(channel = {}) {
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
})
