import { describe, expect, it } from 'vitest'
import type { SlateMaker, SlateWish } from '../../../src/channel/ports.ts'
import { audio, ChannelBench, video } from './channel-bench.ts'
import { expectOrder } from './channel-invariants.ts'
import { air, Studio } from './redundancy-bench.ts'
import { isSlate, slateOf } from './slate-double.ts'
import { SyntheticEncoder, usual } from './synthetic-encoder.ts'

function open(options: { readonly after?: number; readonly grace?: number; readonly make?: SlateMaker } = {}) {
  const wishes: SlateWish[] = []
  const { after = 5_000, grace = 600_000, make = async (wish) => slateOf(wish) } = options
  const bench = new ChannelBench({
    channel: { slate: { afterMs: after, picture: '' }, reconnectGraceMs: grace },
    slate: (wish, signal) => {
      wishes.push(wish)
      return make(wish, signal)
    },
  })
  return { bench, wishes }
}

/** From the first segment to the last there is no time that no row stands for. */
function expectMoving(bench: ChannelBench): void {
  let endTicks: number | undefined
  let startTicks = 0
  for (const record of bench.records) {
    if (record.type === 'gap') {
      endTicks = record.startTicks + record.durationTicks
    } else if (record.type === 'segment-opened') {
      if (endTicks !== undefined) expect(record.startTicks - endTicks).toBeLessThan(2.1 * 90_000)
      startTicks = record.startTicks
    } else if (record.type === 'segment-closed') {
      endTicks = startTicks + record.durationTicks
    }
  }
}

describe('a slate', () => {
  it('that is being made ends with the channel, which waits for that', async () => {
    let isOver = false
    const { bench } = open({
      make: (_wish, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            isOver = true
            reject(signal.reason)
          })
        }),
    })
    const sink = await bench.publish()
    const encoder = new SyntheticEncoder(usual)
    encoder.configure(sink)
    for (let at = 0; at < 5_000; at += 100) {
      await bench.clock.advance(100)
      encoder.play(sink, 100)
    }
    sink.end('unpublished')
    await bench.clock.advance(1_000)
    expect(isOver).toBe(false)
    await bench.channel.stop()
    expect(isOver).toBe(true)
  })

  it('fills the presentation after a while of gaps, and gives way at the next key frame', async () => {
    const { bench, wishes } = open()
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    await air(bench, [studio], 8_300)
    primary.end()
    await air(bench, [studio], 20_000)
    expect(wishes).toEqual([{ video, audio, frameRate: 25 }])
    expect(bench.events.slice(-2)).toEqual(['lost disconnected', 'slate shown'])
    await primary.connect()
    studio.greet(primary)
    await air(bench, [studio], 8_000)
    await bench.channel.stop()
    expect(bench.events.slice(-4)).toEqual(['slate shown', 'slate ended', 'returned', 'lost stopped'])
    expectOrder(bench)
    expectMoving(bench)
    expect(bench.discontinuities).toEqual(['input-returned', 'input-switched'])
    // Five seconds, on the grid of two.
    expect(bench.only('gap').length).toBeLessThanOrEqual(3)
    const pictures = bench.writtenOf('video-1')
    const shown = pictures.filter(isSlate)
    expect(shown.length).toBeGreaterThan(14 * 25)
    const back = pictures.findLastIndex(isSlate) + 1
    expect(pictures[back]?.independent).toBe(true)
    expect(pictures.slice(back).length).toBeGreaterThan(5.9 * 25)
    // In real time: neither ahead of the clock nor behind it.
    const last = shown.at(-1)
    expect(Math.abs((last?.pts ?? 0) + 0.04 - (pictures[back]?.pts ?? 0))).toBeLessThan(0.2)
    const sounds = bench.writtenOf('audio-1').filter(isSlate)
    for (const [index, { dts, duration }] of sounds.entries()) {
      const next = sounds[index + 1]
      if (next) expect(Math.abs(next.dts - dts - duration)).toBeLessThan(1 / 48_000)
    }
  })

  it('comes where an encoder falls silent too, and whoever brings a key frame takes its place', async () => {
    const { bench } = open()
    const [one, two] = [new Studio(bench, usual), new Studio(bench, { ...usual, firstId: 1_000_000 })]
    const primary = await one.open('primary')
    const secondary = await two.open('secondary')
    await air(bench, [one, two], 8_300)
    primary.cut()
    secondary.cut()
    await air(bench, [one, two], 15_000)
    expect(bench.events.slice(-2)).toEqual(['lost silent', 'slate shown'])
    expect(bench.inputs).toEqual({ active: undefined, standby: undefined })
    secondary.mend(true)
    await air(bench, [one, two], 5_000)
    expect(bench.inputs).toEqual({ active: 'secondary', standby: 'primary' })
    await bench.channel.stop()
    expectOrder(bench)
    expectMoving(bench)
    expect(bench.writtenOf('video-1').at(-1)?.id).toBeGreaterThan(1_000_000)
    expect(bench.discontinuities).toEqual(['input-returned', 'input-switched'])
  })

  it('is made once, and shown each time', async () => {
    const { bench, wishes } = open({ after: 2_000 })
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    for (let turn = 0; turn < 3; turn++) {
      await air(bench, [studio], 6_000)
      primary.end()
      await air(bench, [studio], 6_000)
      await primary.connect()
      studio.greet(primary)
    }
    await bench.channel.stop()
    expect(wishes).toHaveLength(1)
    expect(bench.events.filter((event) => event === 'slate shown')).toHaveLength(3)
    expectOrder(bench)
  })

  it('is not shown where the input is back in time, nor before there was any', async () => {
    const { bench } = open()
    await air(bench, [], 20_000)
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    await air(bench, [studio], 6_000)
    primary.end()
    await air(bench, [studio], 3_000)
    await primary.connect()
    studio.greet(primary)
    await air(bench, [studio], 6_000)
    await bench.channel.stop()
    expect(bench.events).not.toContain('slate shown')
    expect(bench.written.some(isSlate)).toBe(false)
  })

  it('ends with the grace, as gaps do', async () => {
    const { bench } = open({ grace: 12_000 })
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    await air(bench, [studio], 6_000)
    primary.end()
    await air(bench, [studio], 30_000)
    expect(bench.events.slice(-2)).toEqual(['slate shown', 'slate ended'])
    const last = bench.written.at(-1)
    expect(bench.clock.now() / 1_000 - (last?.pts ?? 0)).toBeGreaterThan(16)
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('leaves the gaps where it can not be made, and is tried again the next time', async () => {
    let tries = 0
    const { bench } = open({
      make: async (wish) => {
        if (tries++ === 0) throw new Error('no ffmpeg')
        return slateOf(wish)
      },
    })
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    await air(bench, [studio], 6_000)
    primary.end()
    await air(bench, [studio], 15_000)
    expect(bench.events.at(-1)).toBe('slate failed')
    expect(bench.only('gap').length).toBeGreaterThanOrEqual(6)
    await primary.connect()
    studio.greet(primary)
    await air(bench, [studio], 6_000)
    primary.end()
    await air(bench, [studio], 15_000)
    expect(bench.events.at(-1)).toBe('slate shown')
    await bench.channel.stop()
    expectOrder(bench)
    expectMoving(bench)
  })

  it('is made anew where another picture is wanted', async () => {
    const { bench, wishes } = open()
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    const { takeover, reconnectGraceMs, returnAfterMs } = bench.options
    for (const picture of ['one', 'one', 'two']) {
      bench.channel.update({ takeover, reconnectGraceMs, returnAfterMs, slate: { afterMs: 5_000, picture } })
      await air(bench, [studio], 4_000)
      primary.end()
      await air(bench, [studio], 8_000)
      await primary.connect()
      studio.greet(primary)
    }
    expect(wishes).toHaveLength(2)
    await bench.channel.stop()
  })

  it('goes when it is switched off', async () => {
    const { bench } = open()
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    await air(bench, [studio], 6_000)
    primary.end()
    await air(bench, [studio], 10_000)
    const { takeover, reconnectGraceMs, returnAfterMs } = bench.options
    bench.channel.update({ takeover, reconnectGraceMs, returnAfterMs, slate: undefined })
    expect(bench.events.at(-1)).toBe('slate ended')
    const shown = bench.written.filter(isSlate).length
    await air(bench, [studio], 10_000)
    expect(bench.written.filter(isSlate).length).toBe(shown)
    expect(bench.only('gap').length).toBeGreaterThanOrEqual(6)
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('fills every layer, and those that do not come back are let go', async () => {
    const { bench, wishes } = open()
    const encoders = ['low', 'high'].map((layer, at) => ({
      layer,
      studio: new Studio(bench, { ...usual, firstId: at * 1_000_000 }, layer),
    }))
    const studios = encoders.map(({ studio }) => studio)
    for (const { studio } of encoders) await studio.open('primary')
    await air(bench, studios, 8_000)
    for (const { ways } of studios) ways[0]?.end()
    await air(bench, studios, 15_000)
    expect(wishes).toHaveLength(2)
    for (const name of ['video-1', 'video-2']) expect(bench.writtenOf(name).some(isSlate)).toBe(true)
    expect(bench.channel.layers).toEqual([])
    const [low] = studios
    await low?.ways[0]?.connect()
    if (low?.ways[0]) low.greet(low.ways[0])
    await air(bench, studios, 12_000)
    const before = bench.writtenOf('video-2').filter(isSlate).length
    await air(bench, studios, 4_000)
    expect(bench.writtenOf('video-2').filter(isSlate).length).toBe(before)
    expect(
      bench
        .writtenOf('video-1')
        .slice(-100)
        .every(({ id }) => !isSlate({ id })),
    ).toBe(true)
    await bench.channel.stop()
    expectOrder(bench)
  })
})
