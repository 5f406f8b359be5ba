import { describe, expect, it } from 'vitest'
import { CutRule } from '../../../src/channel/cut-rule.ts'

const S = 90_000

/** Feeds frames at 25 fps with a key frame every `gopFrames`, and gives the seconds at which it cut, and how. */
function cutsOf(rule: CutRule, seconds: number, gopFrames: number, startSeconds = 0) {
  const cuts: { at: number; cut: string }[] = []
  for (let frame = 0; frame < seconds * 25; frame++) {
    const ticks = startSeconds * S + frame * 3_600
    const cut = rule.next({ ptsTicks: ticks, dtsTicks: ticks, independent: frame % gopFrames === 0 })
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

  it('starts with a key frame after a reset', () => {
    const rule = new CutRule(options)
    cutsOf(rule, 3, 50)
    rule.reset()
    expect(rule.next({ ptsTicks: 1, dtsTicks: 1, independent: false })).toBeUndefined()
    expect(rule.next({ ptsTicks: 2, dtsTicks: 2, independent: true })).toBe('clean')
  })
})
