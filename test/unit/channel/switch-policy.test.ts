import { describe, expect, it } from 'vitest'
import { InputVitals } from '../../../src/channel/redundancy/input-vitals.ts'
import { SwitchPolicy } from '../../../src/channel/redundancy/switch-policy.ts'

const well = (wellForMs: number) => ({ fault: undefined, wellForMs })
const faulty = { fault: 'silent', wellForMs: 0 } as const

describe('SwitchPolicy', () => {
  it('leaves what fails for what has proven well, and what is well only for the primary', () => {
    const policy = new SwitchPolicy({ returnAfterMs: () => 30_000 })
    expect(policy.choose('primary', { active: faulty, standby: well(400) })).toBeUndefined()
    expect(policy.choose('primary', { active: faulty, standby: well(600) })).toBe('silent')
    expect(policy.choose('primary', { active: faulty, standby: faulty })).toBeUndefined()
    expect(policy.choose('primary', { active: well(1), standby: well(10 ** 9) })).toBeUndefined()
    expect(policy.choose('secondary', { active: well(1), standby: well(29_999) })).toBeUndefined()
    expect(policy.choose('secondary', { active: well(1), standby: well(30_000) })).toBe('preferred')
    expect(policy.choose('secondary', { active: faulty, standby: well(600) })).toBe('silent')
  })

  it('waits for longer each time that the primary failed soon after its return, and trusts it again when it held', () => {
    const policy = new SwitchPolicy({ returnAfterMs: () => 30_000 })
    const waits: number[] = []
    let nowMs = 0
    for (let turn = 0; turn < 7; turn++) {
      policy.switched('secondary', 'silent', nowMs)
      waits.push(policy.returnAfterMs)
      policy.switched('primary', 'preferred', nowMs + 100_000)
      nowMs += 160_000
    }
    expect(waits).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 480_000, 480_000])
    policy.switched('secondary', 'ended', nowMs + 600_000)
    expect(policy.returnAfterMs).toBe(30_000)
  })
})

describe('InputVitals', () => {
  const picture = (independent: boolean) =>
    ({
      type: 'frame',
      kind: 'video',
      trackId: 0,
      dtsMs: 0,
      compositionMs: 0,
      independent,
      data: new Uint8Array(),
    }) as const

  /** Pictures that arrive at those times, each as late as the first. */
  function fed(arrivals: readonly number[], gopFrames = 50): InputVitals {
    const vitals = new InputVitals(2_000, arrivals[0] ?? 0)
    for (const [at, ms] of arrivals.entries()) vitals.frame(picture(at % gopFrames === 0), ms, ms)
    return vitals
  }
  const steady = (count: number) => Array.from({ length: count }, (_, at) => at * 40)

  it('calls silence a fault after a second, or a second and a half where a change is seen', () => {
    const vitals = fed(steady(251))
    expect(vitals.fault(11_000, true)).toBeUndefined()
    expect(vitals.fault(11_001, true)).toBe('silent')
    expect(vitals.fault(11_500, false)).toBeUndefined()
    expect(vitals.fault(11_501, false)).toBe('silent')
  })

  it('is patient with what delivers in bursts', () => {
    const bursts = steady(500).map((ms) => Math.ceil(ms / 2_000) * 2_000)
    const vitals = fed(bursts)
    const lastMs = bursts.at(-1) ?? 0
    expect(vitals.fault(lastMs + 2_990, true)).toBeUndefined()
    expect(vitals.fault(lastMs + 3_010, true)).toBe('silent')
  })

  it('does not blame an input for what we make it wait, nor for what comes late behind that', async () => {
    const vitals = fed(steady(251))
    let nowMs = 10_000
    const gate = Promise.withResolvers<void>()
    vitals.hold(gate.promise, () => nowMs)
    nowMs = 15_000
    expect(vitals.fault(nowMs, true)).toBeUndefined()
    gate.resolve()
    await gate.promise
    expect(vitals.fault(nowMs, true)).toBeUndefined()
    vitals.frame(picture(false), 10_040, nowMs)
    expect(vitals.fault(nowMs, true)).toBeUndefined()
    expect(vitals.fault(nowMs + 1_100, true)).toBe('silent')
  })

  it('tells an uplink that is too slow from a clock that was set back', () => {
    const slow = new InputVitals(2_000, 0)
    for (let at = 0; at < 400; at++) slow.frame(picture(at % 50 === 0), at * 40, at * 48)
    expect(slow.fault(399 * 48, true)).toBe('late')
    const set = fed(steady(251))
    set.frame(picture(true), 2_000, 10_040)
    expect(set.fault(10_040, true)).toBeUndefined()
  })

  it('measures the rate of the pictures', () => {
    expect(fed(steady(120)).frameRate).toBeCloseTo(25, 6)
  })
})
