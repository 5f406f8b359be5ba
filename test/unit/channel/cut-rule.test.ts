import { describe, expect, it } from 'vitest'
import { type CutCandidate, CutRule } from '../../../src/channel/cut-rule.ts'

const S = 90_000

function candidate(ptsTicks: number, independent: boolean): CutCandidate {
  return { ptsTicks, dtsTicks: ptsTicks, durationTicks: 3_600, sizeBytes: 1_000, independent }
}

/** Feeds frames at 25 fps with a key frame every `gopFrames`, and gives the seconds at which it cut, and how. */
function cutsOf(rule: CutRule, seconds: number, gopFrames: number, startSeconds = 0) {
  const cuts: { at: number; cut: string }[] = []
  for (let frame = 0; frame < seconds * 25; frame++) {
    const ticks = startSeconds * S + frame * 3_600
    const cut = rule.next(candidate(ticks, frame % gopFrames === 0))
    if (cut) cuts.push({ at: ticks / S, cut })
  }
  return cuts
}

const options = { segmentTicks: 2 * S, targetTicks: 2 * S, keyFrameTicks: 2 * S, isOnEpochGrid: false }

describe('CutRule', () => {
  it('cuts at the key frame that makes the segment long enough', () => {
    expect(cutsOf(new CutRule(options), 8, 25).map(({ at }) => at)).toEqual([0, 2, 4, 6])
  })

  it('cuts early where waiting for the next key frame would pass the target', () => {
    // A GOP of 1.52 s: two of them would be 3.04 s.
    const cuts = cutsOf(new CutRule(options), 6, 38)
    expect(cuts.map(({ at }) => at)).toEqual([0, 1.52, 3.04, 4.56])
  })

  it('forces a cut within target + 0.5 s where the encoder sends key frames too rarely', () => {
    const cuts = cutsOf(new CutRule(options), 12, 250)
    for (let i = 1; i < cuts.length; i++) {
      const length = (cuts[i]?.at ?? 0) - (cuts[i - 1]?.at ?? 0)
      expect(Math.round(length)).toBeLessThanOrEqual(2)
    }
    expect(cuts.filter(({ cut }) => cut === 'clean').map(({ at }) => at)).toEqual([0, 10])
  })

  it('cuts on the epoch grid at the first key frame past each multiple', () => {
    const rule = new CutRule({ ...options, isOnEpochGrid: true })
    // Key frames every second, starting 0.52 s past a multiple.
    expect(cutsOf(rule, 6, 25, 1_000_000_000.52).map(({ at }) => at - 1_000_000_000)).toEqual([
      expect.closeTo(0.52, 5),
      expect.closeTo(2.52, 5),
      expect.closeTo(4.52, 5),
    ])
  })

  it('cuts by size where the clock stands still', () => {
    const rule = new CutRule(options)
    expect(rule.next(candidate(0, true))).toBe('clean')
    const frame = { ...candidate(1, false), durationTicks: 1, sizeBytes: 10_000_000 }
    const cuts = Array.from({ length: 30 }, () => rule.next(frame))
    expect(cuts.map((cut, index) => (cut ? index : -1)).filter((index) => index >= 0)).toEqual([13, 26])
  })

  it('does not take a scene cut for the length of a GOP', () => {
    // Every second key frame of a GOP of 1.6 s is followed by another 0.2 s later.
    const rule = new CutRule(options)
    const cuts: number[] = []
    for (let frame = 0; frame < 200; frame++) {
      const cut = rule.next(candidate(frame * 3_600, frame % 40 === 0 || frame % 40 === 5))
      if (cut) cuts.push(frame)
      expect(cut).not.toBe('forced')
    }
    expect(cuts).toContain(40)
    expect(cuts).toContain(80)
  })

  it('cuts at the next key frame when hurried', () => {
    const rule = new CutRule(options)
    cutsOf(rule, 1, 50)
    rule.hurry()
    expect(rule.next(candidate(1.2 * S, false))).toBeUndefined()
    expect(rule.next(candidate(1.24 * S, true))).toBe('clean')
    expect(rule.next(candidate(1.28 * S, true))).toBeUndefined()
  })

  it('starts with a key frame after a reset', () => {
    const rule = new CutRule(options)
    cutsOf(rule, 3, 50)
    rule.reset()
    expect(rule.next(candidate(1, false))).toBeUndefined()
    expect(rule.next(candidate(2, true))).toBe('clean')
  })
})
