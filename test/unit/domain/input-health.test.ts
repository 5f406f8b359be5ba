import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assessInput,
  type HealthMemory,
  type HealthReason,
  healthReasons,
  type IngestMeasurement,
  inputHealthSchema,
} from '../../../src/domain/input-health.ts'

const well: IngestMeasurement = {
  silenceMs: 20,
  gopMs: 2_000,
  declaredGopMs: 2_000,
  keyFrameAgeMs: 900,
  bitsPerSecond: 2_900_000,
  declaredBitsPerSecond: 3_000_000,
  framesPerSecond: 29.97,
  declaredFramesPerSecond: 30,
  driftMs: 40,
  timestampJumps: 0,
  framesReceived: 300,
  framesDropped: 0,
}

/** An assessment per second: what is said at the end of each. */
function codes(series: readonly Partial<IngestMeasurement>[]): string[] {
  let memory: HealthMemory = {}
  return series.map((change, second) => {
    const step = assessInput(memory, { ...well, ...change }, second * 1_000)
    memory = step.memory
    expect(inputHealthSchema.parse(step.health).status).toBe(step.health.reasons.length > 0 ? 'degraded' : 'good')
    return step.health.reasons.map(({ code }) => code).join(' ')
  })
}
const repeat = (seconds: number, change: Partial<IngestMeasurement>) => Array.from({ length: seconds }, () => change)

describe('the health of an input', () => {
  it('is good when all is well', () => {
    expect(assessInput({}, well, 0).health).toEqual({ status: 'good', reasons: [] })
    expect(new Set(codes(repeat(60, {})))).toEqual(new Set(['']))
  })

  it('says nothing about what was not measured', () => {
    const unknown = { silenceMs: 0, declaredGopMs: 2_000, timestampJumps: 0, framesReceived: 0, framesDropped: 0 }
    expect(assessInput({}, unknown, 0).health.status).toBe('good')
  })

  const cases: [HealthReason, Partial<IngestMeasurement>, number, number, RegExp][] = [
    ['no-media', { silenceMs: 4_000 }, 0, 2, /Nothing has arrived from the encoder for 4\.0 s\. Check/],
    [
      'key-frames-missing',
      { keyFrameAgeMs: 9_000 },
      0,
      10,
      /no key frame for 9\.0 s\. Set the encoder to one every 2\.0 s/,
    ],
    ['gop-too-long', { gopMs: 5_000 }, 4, 10, /every 5\.0 s where 2\.0 s are expected/],
    ['bitrate-starved', { bitsPerSecond: 800_000 }, 10, 10, /Only 800 kbit\/s of the declared 3000 kbit\/s/],
    ['frame-rate-low', { framesPerSecond: 20 }, 5, 10, /Only 20\.0 of 30\.0 frames per second/],
    ['drift', { driftMs: 1_500 }, 5, 10, /runs 1\.5 s ahead/],
    ['drift', { driftMs: -1_500 }, 5, 10, /arrives 1\.5 s late/],
    ['timestamps-jumping', { timestampJumps: 1 }, 0, 30, /jumped once/],
    ['timestamps-jumping', { timestampJumps: 3 }, 0, 30, /jumped 3 times/],
    ['frames-dropped', { framesDropped: 30 }, 0, 10, /30 of the last 300 frames/],
  ]

  it.each(cases)(
    '%s: %j is told after %i s, withdrawn after %i s',
    (code, change, raiseSeconds, clearSeconds, text) => {
      const said = codes([...repeat(raiseSeconds + 1, change), ...repeat(clearSeconds + 1, {})])
      const expected = [
        ...repeat(raiseSeconds, {}).map(() => ''),
        code,
        ...repeat(clearSeconds, {}).map(() => code),
        '',
      ]
      expect(said).toEqual(expected)
      let memory: HealthMemory = {}
      let detail = ''
      for (let second = 0; second <= raiseSeconds; second += 1) {
        const step = assessInput(memory, { ...well, ...change }, second * 1_000)
        memory = step.memory
        detail = step.health.reasons[0]?.detail ?? ''
      }
      expect(detail).toMatch(text)
      expect(detail).toMatch(/\.$/)
    },
  )

  it('has a case here for every reason', () => {
    expect(new Set(cases.map(([code]) => code))).toEqual(new Set(healthReasons))
  })

  it('does not flap: short spells are not told, and what hovers between the levels stays what it was', () => {
    const spells = Array.from({ length: 20 }, () => [...repeat(3, { gopMs: 5_000 }), {}]).flat()
    expect(new Set(codes(spells))).toEqual(new Set(['']))
    const hover = { gopMs: 2_700 }
    expect(new Set(codes(repeat(60, hover)))).toEqual(new Set(['']))
    const after = codes([...repeat(5, { gopMs: 5_000 }), ...repeat(60, hover)])
    expect(new Set(after.slice(5))).toEqual(new Set(['gop-too-long']))
  })

  it('begins to withdraw anew when it was bad once more', () => {
    const said = codes([...repeat(6, { driftMs: 2_000 }), ...repeat(9, {}), { driftMs: 2_000 }, ...repeat(11, {})])
    expect(said.slice(5, -1).every((text) => text === 'drift')).toBe(true)
    expect(said.at(-1)).toBe('')
  })

  it('blames silence alone for what silence explains', () => {
    const silent = { silenceMs: 8_000, bitsPerSecond: 0, framesPerSecond: 0, keyFrameAgeMs: 20_000, driftMs: -8_000 }
    expect(new Set(codes(repeat(30, silent)))).toEqual(new Set(['no-media']))
  })

  it('gives several reasons, the most telling first', () => {
    const said = codes(repeat(12, { bitsPerSecond: 1, gopMs: 9_000, keyFrameAgeMs: 9_000 }))
    expect(said.at(-1)).toBe('key-frames-missing gop-too-long bitrate-starved')
  })

  it('is always one of the two, and never alters its memory', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
    const measurement = fc.record(
      {
        silenceMs: finite,
        gopMs: finite,
        declaredGopMs: fc.integer({ min: 200, max: 20_000 }),
        keyFrameAgeMs: finite,
        bitsPerSecond: finite,
        declaredBitsPerSecond: finite,
        framesPerSecond: finite,
        declaredFramesPerSecond: finite,
        driftMs: finite,
        timestampJumps: fc.nat(),
        framesReceived: fc.nat(),
        framesDropped: fc.nat(),
      },
      { requiredKeys: ['silenceMs', 'declaredGopMs', 'timestampJumps', 'framesReceived', 'framesDropped'] },
    )
    fc.assert(
      fc.property(fc.array(measurement, { maxLength: 8 }), (series) => {
        let memory: HealthMemory = {}
        for (const [second, entry] of series.entries()) {
          const before = JSON.stringify(memory)
          const step = assessInput(memory, entry, second * 3_000)
          expect(JSON.stringify(memory)).toBe(before)
          expect(inputHealthSchema.safeParse(step.health).success).toBe(true)
          memory = step.memory
        }
      }),
    )
  })
})
