import { describe, expect, it } from 'vitest'
import { audio, ChannelBench, otherVideo } from './channel-bench.ts'
import { expectOrder } from './channel-invariants.ts'
import { air, expectBroken, expectUnbroken, longestHole, Studio } from './redundancy-bench.ts'
import { usual } from './synthetic-encoder.ts'

const B_FRAMES = { ...usual, bFrames: 2 }

describe('two inputs with the frames of one encoder', () => {
  it.each([
    ['alike', {}, {}],
    ['with clocks seconds apart', {}, { shiftMs: 7_317 }],
    ['with the secondary ahead on the network', { delayMs: 900 }, {}],
    ['with the secondary behind on the network', {}, { delayMs: 900 }],
    ['with timestamps that start over', { shiftMs: 2 ** 32 - 3_000 }, { shiftMs: 2 ** 32 - 11_000 }],
  ])('go on without a seam when the socket of the primary closes in mid-GOP: %s', async (_name, first, second) => {
    const bench = new ChannelBench()
    const studio = new Studio(bench, B_FRAMES)
    const primary = await studio.open('primary', first)
    await studio.open('secondary', second)
    await air(bench, [studio], 11_140)
    primary.end()
    await air(bench, [studio], 6_000)
    await bench.channel.stop()
    expect(bench.switches).toEqual([
      { layer: 'default', from: 'primary', to: 'secondary', reason: 'ended', isSeamless: true },
    ])
    expectUnbroken(bench, studio.encoder.sent)
    // To the end but for what was on its way.
    expect(bench.writtenOf('video-1').length).toBeGreaterThan(16 * 25)
  })

  it.each([0, 40, 700, 1_960])('leave nothing out wherever in the GOP the cable is pulled: at %i ms', async (atMs) => {
    const bench = new ChannelBench()
    const studio = new Studio(bench, B_FRAMES)
    const primary = await studio.open('primary')
    await studio.open('secondary', { shiftMs: 1_234 })
    await air(bench, [studio], 10_000 + atMs)
    primary.cut()
    const written = bench.written.length
    await air(bench, [studio], 900)
    expect(bench.switches).toEqual([])
    expect(bench.written.length - written).toBeLessThan(60)
    await air(bench, [studio], 200)
    expect(bench.switches).toMatchObject([{ reason: 'silent', isSeamless: true }])
    await air(bench, [studio], 5_000)
    await bench.channel.stop()
    expectUnbroken(bench, studio.encoder.sent)
  })

  it('return to the primary when it has been well for the while that was set, and not before', async () => {
    const bench = new ChannelBench({ channel: { returnAfterMs: 10_000 } })
    const studio = new Studio(bench, B_FRAMES)
    const primary = await studio.open('primary')
    await studio.open('secondary', { shiftMs: -500 })
    await air(bench, [studio], 9_300)
    primary.cut()
    await air(bench, [studio], 6_000)
    // What was under way comes all at once.
    primary.mend()
    await air(bench, [studio], 9_500)
    expect(bench.switches).toHaveLength(1)
    await air(bench, [studio], 4_000)
    expect(bench.switches).toMatchObject([
      { to: 'secondary' },
      { to: 'primary', reason: 'preferred', isSeamless: true },
    ])
    expect(bench.inputs).toEqual({ active: 'primary', standby: 'secondary' })
    await bench.channel.stop()
    expectUnbroken(bench, studio.encoder.sent)
  })

  it('trust a primary less that fails again and again', async () => {
    const bench = new ChannelBench({ channel: { returnAfterMs: 4_000 } })
    const studio = new Studio(bench, usual)
    const primary = await studio.open('primary')
    await studio.open('secondary')
    await air(bench, [studio], 8_000)
    for (let turn = 0; turn < 20; turn++) {
      primary.cut()
      await air(bench, [studio], 2_000)
      primary.mend()
      await air(bench, [studio], 7_000)
    }
    await bench.channel.stop()
    // Three minutes of it: without memory it would have been twenty returns.
    expect(bench.switches.filter(({ reason }) => reason === 'preferred').length).toBeLessThanOrEqual(4)
    expect(bench.switches.every(({ isSeamless }) => isSeamless)).toBe(true)
    expectUnbroken(bench, studio.encoder.sent)
  })

  it('know each other two GOPs after the secondary has joined late, and again when it comes back', async () => {
    const bench = new ChannelBench()
    const studio = new Studio(bench, B_FRAMES)
    const primary = await studio.open('primary')
    await air(bench, [studio], 9_000)
    const secondary = await studio.open('secondary', { shiftMs: 333 })
    await air(bench, [studio], 5_000)
    secondary.end()
    await air(bench, [studio], 2_000)
    await secondary.connect()
    studio.greet(secondary)
    await air(bench, [studio], 5_200)
    primary.end()
    await air(bench, [studio], 4_000)
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{ to: 'secondary', isSeamless: true }])
    expectUnbroken(bench, studio.encoder.sent)
  })

  it('lose nothing when the primary delivers ever later', async () => {
    const bench = new ChannelBench()
    const studio = new Studio(bench, usual)
    const slow = { delayMs: 0 }
    await studio.open('primary', slow)
    await studio.open('secondary')
    for (let at = 0; at < 20_000; at += 20) {
      if (at > 8_000) slow.delayMs += 8
      await air(bench, [studio], 20)
    }
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{ to: 'secondary', reason: 'late', isSeamless: true }])
    expectUnbroken(bench, studio.encoder.sent)
  })

  it('work for sound alone', async () => {
    const bench = new ChannelBench()
    const studio = new Studio(bench, { ...usual, video: undefined })
    const primary = await studio.open('primary')
    await studio.open('secondary', { shiftMs: 5_000 })
    await air(bench, [studio], 12_000)
    primary.end()
    await air(bench, [studio], 6_000)
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{ isSeamless: true }])
    expect(bench.discontinuities).toEqual([])
    const ids = bench.writtenOf('audio-1').map(({ id }) => id)
    expect(ids).toEqual(ids.map((_, index) => (ids[0] ?? 0) + index))
    expect(ids.length).toBeGreaterThan(17.5 * 46.8)
  })

  it('are not gone over to while the channel stops, nor counted when nobody takes over', async () => {
    const bench = new ChannelBench()
    const studio = new Studio(bench, usual)
    await studio.open('primary')
    await studio.open('secondary')
    await air(bench, [studio], 8_000)
    await bench.channel.stop()
    expect(bench.switches).toEqual([])
    expectUnbroken(bench, studio.encoder.sent)
  })
})

describe('two inputs of different encoders', () => {
  const other = { ...usual, firstId: 1_000_000, startMs: 777_000 }

  it.each([
    ['the same settings', other],
    ['other settings', { ...other, video: otherVideo }],
    ['no sound', { ...other, audio: undefined }],
    ['another frame rate and GOP', { ...other, fps: 30, gop: 45, bFrames: 2 }],
  ])('change with one discontinuity and a hole of less than a GOP: %s', async (_name, options) => {
    const bench = new ChannelBench()
    const [one, two] = [new Studio(bench, usual), new Studio(bench, options)]
    const primary = await one.open('primary')
    await two.open('secondary')
    await air(bench, [one, two], 9_300)
    primary.end()
    await air(bench, [one, two], 8_000)
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{ reason: 'ended', isSeamless: false }])
    expectBroken(bench, ['input-switched'])
    expect(longestHole(bench)).toBeLessThan(0.3)
    const ends = bench.writtenOf('video-1').at(-1)
    // Not further ahead of the clock than the GOP that it went on with.
    expect(Math.abs((ends?.pts ?? 0) - bench.clock.now() / 1_000)).toBeLessThan(2.1)
    expect(ends?.id).toBeGreaterThan(1_000_000)
  })

  it('change in a second and a half where the cable is pulled, and back at a key frame', async () => {
    const bench = new ChannelBench({ channel: { returnAfterMs: 6_000 } })
    const [one, two] = [new Studio(bench, usual), new Studio(bench, other)]
    const primary = await one.open('primary')
    await two.open('secondary')
    await air(bench, [one, two], 9_300)
    primary.cut()
    await air(bench, [one, two], 1_480)
    expect(bench.switches).toEqual([])
    await air(bench, [one, two], 100)
    expect(bench.switches).toMatchObject([{ reason: 'silent', isSeamless: false }])
    primary.mend(true)
    await air(bench, [one, two], 12_000)
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{}, { to: 'primary', reason: 'preferred', isSeamless: false }])
    expectBroken(bench, ['input-switched', 'input-switched'])
    expect(longestHole(bench)).toBeLessThan(2)
  })

  it('never run away from the clock however often they change', async () => {
    const bench = new ChannelBench({ channel: { returnAfterMs: 1_000 } })
    const [one, two] = [new Studio(bench, usual), new Studio(bench, other)]
    const primary = await one.open('primary')
    const secondary = await two.open('secondary')
    for (let turn = 0; turn < 12; turn++) {
      await air(bench, [one, two], 3_140)
      const [way, studio] = turn % 2 === 0 ? [primary, one] : [secondary, two]
      way.end()
      await air(bench, [one, two], 200)
      await way.connect()
      studio.greet(way)
      const ahead = (bench.writtenOf('video-1').at(-1)?.pts ?? 0) - bench.clock.now() / 1_000
      expect(ahead).toBeLessThan(2.2)
    }
    await air(bench, [one, two], 3_000)
    await bench.channel.stop()
    expectBroken(
      bench,
      Array.from(bench.switches, () => 'input-switched'),
    )
    expect(bench.switches.length).toBeGreaterThanOrEqual(12)
  })

  it('stay with a failing input while the other is no better, and lose the input only when both have gone', async () => {
    const bench = new ChannelBench()
    const [one, two] = [new Studio(bench, usual), new Studio(bench, other)]
    const primary = await one.open('primary')
    const secondary = await two.open('secondary')
    await air(bench, [one, two], 8_000)
    primary.cut()
    secondary.cut()
    await air(bench, [one, two], 8_000)
    expect(bench.switches).toEqual([])
    expect(bench.events.at(-1)).toBe('lost silent')
    expect(bench.only('gap').length).toBeGreaterThan(0)
    secondary.mend(true)
    await air(bench, [one, two], 6_000)
    expect(bench.switches).toMatchObject([{ to: 'secondary', reason: 'silent' }])
    expect(bench.events.at(-1)).toBe('returned')
    primary.end()
    secondary.end()
    expect(bench.events.at(-1)).toBe('lost disconnected')
    expect(bench.inputs).toEqual({ active: undefined, standby: undefined })
    await bench.channel.stop()
    expectOrder(bench)
  })

  it('let the standby come and go without a trace', async () => {
    const bench = new ChannelBench()
    const [one, two] = [new Studio(bench, usual), new Studio(bench, other)]
    await one.open('primary')
    await air(bench, [one, two], 4_000)
    const secondary = await two.open('secondary')
    await air(bench, [one, two], 4_000)
    secondary.end()
    await air(bench, [one, two], 2_000)
    await bench.channel.stop()
    expect(bench.switches).toEqual([])
    expectUnbroken(bench, one.encoder.sent)
  })

  it('prefer sound and key frames to none', async () => {
    const bench = new ChannelBench()
    const [one, two] = [new Studio(bench, { ...usual, gop: 100_000 }), new Studio(bench, other)]
    await one.open('primary')
    await two.open('secondary')
    await air(bench, [one, two], 12_000)
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{ to: 'secondary', reason: 'no-key-frames', isSeamless: false }])
  })
})

describe('the memory of a standby', () => {
  it('is two GOPs, and is given back', async () => {
    const given = new Set<Uint8Array>()
    const bench = new ChannelBench({ done: (data) => void given.add(data) })
    const studio = new Studio(bench, { ...usual, audio })
    await studio.open('primary')
    await studio.open('secondary')
    await air(bench, [studio], 60_000)
    await bench.channel.stop()
    // Of both: all but nothing, when everything has ended.
    expect(given.size).toBeGreaterThan(2 * studio.encoder.sent.length - 10)
  })
})
