import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChannelBench } from './channel-bench.ts'
import { expectOrder } from './channel-invariants.ts'
import { air, expectUnbroken, Studio, type Way } from './redundancy-bench.ts'
import { isSlate, slateOf } from './slate-double.ts'
import { usual } from './synthetic-encoder.ts'

/** The same scenarios at every run; with thousands of runs and other seeds it held as well. */
const fixed = { seed: 20_261_121, endOnFailure: true, numRuns: 30 }
const LIMIT_MS = 60_000

const step = fc.record({
  playMs: fc.integer({ min: 0, max: 400 }).map((steps) => steps * 20),
  at: fc.constantFrom(0, 1),
  event: fc.constantFrom('cut', 'mend', 'end', 'connect', 'connect'),
})

const scenario = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
  fps: fc.constantFrom(25, 30, 50),
  gop: fc.constantFrom(25, 50, 75),
  bFrames: fc.integer({ min: 0, max: 2 }),
  shifts: fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  delays: fc
    .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }))
    .map((steps) => steps.map((n) => n * 20)),
  returnAfterMs: fc.integer({ min: 1_000, max: 8_000 }),
})

type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never

/** What comes late over a slow line has its place behind the slate, not beside it. */
const lateReturn: Scenario = {
  steps: [
    { playMs: 3_060, at: 1, event: 'cut' },
    { playMs: 2_080, at: 0, event: 'end' },
    { playMs: 0, at: 0, event: 'connect' },
    { playMs: 0, at: 1, event: 'cut' },
  ],
  ...{ fps: 25, gop: 25, bFrames: 1, shifts: [0, 0], delays: [640, 0], returnAfterMs: 1_000 },
}

/** What became of each connection, so that only what can happen does. */
async function happen(way: Way, studio: Studio, event: string, states: Map<Way, string>): Promise<void> {
  const state = states.get(way)
  if (event === 'connect' && state === 'gone') {
    await way.connect()
    studio.greet(way)
    states.set(way, 'on')
  } else if (event === 'end' && state !== 'gone') {
    way.end()
    states.set(way, 'gone')
  } else if (event === 'cut' && state === 'on') {
    way.cut()
    states.set(way, 'cut')
  } else if (event === 'mend' && state === 'cut') {
    way.mend()
    states.set(way, 'on')
  }
}

async function play(
  { steps, fps, gop, bFrames, shifts, delays, returnAfterMs }: Scenario,
  areTwins: boolean,
  slateAfterMs?: number,
  breakMs: readonly number[] = [],
) {
  const slate = slateAfterMs === undefined ? undefined : { afterMs: slateAfterMs, picture: '' }
  const bench = new ChannelBench({ channel: { returnAfterMs, slate }, slate: async (wish) => slateOf(wish) })
  const options = { ...usual, fps, gop, bFrames }
  const one = new Studio(bench, options)
  const two = areTwins ? one : new Studio(bench, { ...options, firstId: 1_000_000 })
  const studios = areTwins ? [one] : [one, two]
  const ways = [
    await one.open('primary', { shiftMs: shifts[0], delayMs: delays[0] ?? 0 }),
    await two.open('secondary', { shiftMs: shifts[1], delayMs: delays[1] ?? 0 }),
  ]
  const states = new Map(ways.map((way) => [way, 'on']))
  for (const [index, { playMs, at, event }] of steps.entries()) {
    await air(bench, studios, playMs)
    const lengthMs = breakMs[index] ?? 0
    if (lengthMs > 0) cover(bench, `b${index}`, lengthMs)
    const way = ways[at]
    if (way) await happen(way, at === 0 ? one : two, event, states)
  }
  await air(bench, studios, 2_000)
  await bench.channel.stop()
  expectOrder(bench)
  if (slate) return { bench, one }
  // What two connections of one encoder have in common can't be told in less than a second; then some of it comes again.
  const isUnique = !areTwins || bench.switches.every(({ isSeamless }) => isSeamless)
  if (isUnique) expect(new Set(bench.written.map(({ id }) => id)).size).toBe(bench.written.length)
  return { bench, one }
}

/** A break begins that wants a slate. */
function cover({ channel }: ChannelBench, id: string, lengthMs: number): void {
  const planned = { startTicks: channel.markers.nowTicks, plannedTicks: lengthMs * 90, autoReturn: true as const }
  channel.markers.tell({ type: 'begin', kind: 'ad-break', id, ...planned }, 'api')
  channel.slateDuring(id)
}

describe('two inputs, whatever happens to them', () => {
  it('lose and repeat nothing as long as one of them has what the other had', { timeout: LIMIT_MS }, async () => {
    let unbroken = 0
    await fc.assert(
      fc.asyncProperty(scenario, async (drawn) => {
        const { bench, one } = await play(drawn, true)
        const breaks = bench.switches.filter(({ isSeamless }) => !isSeamless).length
        expect(bench.discontinuities.filter((reason) => reason === 'input-switched').length).toBeLessThanOrEqual(breaks)
        const wasLost = bench.events.some((event) => event.startsWith('lost') && event !== 'lost stopped')
        if (breaks > 0 || wasLost || bench.written.length === 0) return
        expectUnbroken(bench, one.encoder.sent)
        if (bench.switches.length > 0) unbroken++
      }),
      fixed,
    )
    // The scenarios are not all of the simple kind.
    expect(unbroken).toBeGreaterThan(4)
  })

  it('keep the order of the log where they differ, with a discontinuity for each change at most', {
    timeout: LIMIT_MS,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (drawn) => {
        const { bench } = await play(drawn, false)
        expect(bench.switches.every(({ isSeamless }) => !isSeamless)).toBe(true)
        const changes = bench.discontinuities.filter((reason) => reason === 'input-switched')
        expect(changes.length).toBeLessThanOrEqual(bench.switches.length)
        const others = bench.discontinuities.filter((reason) => reason !== 'input-switched')
        for (const reason of others) expect(['input-returned', 'clock-jump', 'codec-change']).toContain(reason)
      }),
      fixed,
    )
  })

  it('keep it with slates in between, of absences and of breaks, which begin and end in turn', {
    timeout: LIMIT_MS,
  }, async () => {
    let shown = 0
    const afterMs = fc.integer({ min: 0, max: 5_000 })
    const breaks = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 500, max: 15_000 })))
    await fc.assert(
      fc.asyncProperty(scenario, fc.boolean(), afterMs, breaks, async (drawn, areTwins, after, breakMs) => {
        const { bench } = await play(drawn, areTwins, after, breakMs)
        const said = bench.events.filter((event) => event.startsWith('slate'))
        for (const [index, event] of said.entries()) expect(event).toBe(index % 2 === 0 ? 'slate shown' : 'slate ended')
        if (said.length > 0) shown++
        const pictures = bench.written.filter(isSlate)
        if (said.length === 0) expect(pictures).toEqual([])
        for (const reason of bench.discontinuities)
          expect(['input-returned', 'input-switched', 'clock-jump', 'codec-change']).toContain(reason)
      }),
      { ...fixed, examples: [[lateReturn, false, 0, []]] },
    )
    expect(shown).toBeGreaterThan(4)
  })
})
