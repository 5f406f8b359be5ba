import { describe, expect, it } from 'vitest'
import { jumpTarget, shouldHold, shouldHoldBehindHole } from '../../../player/src/live-course.ts'

describe('holding playback that is about to begin', () => {
  const standing = { position: 100, livePosition: 100, liveDelayS: 6, bufferedAheadS: 2 }

  it('holds what is closer to the live edge than advised and has little in its buffer', () => {
    expect(shouldHold({ ...standing, livePosition: 96 })).toBe(true)
    expect(shouldHold({ ...standing, livePosition: 99 })).toBe(false)
    expect(shouldHold({ ...standing, livePosition: 96, bufferedAheadS: 4 })).toBe(false)
  })

  it('never holds a viewer who is behind', () => {
    expect(shouldHold({ ...standing, livePosition: 200, bufferedAheadS: 0 })).toBe(false)
  })

  it('holds behind a hole until the picture is as old as before', () => {
    const ageing = { latencyBeforeS: 7, liveDelayS: 6 }
    expect(shouldHoldBehindHole({ ...ageing, latencyS: 4 })).toBe(true)
    expect(shouldHoldBehindHole({ ...ageing, latencyS: 6.8 })).toBe(false)
    expect(shouldHoldBehindHole({ ...ageing, latencyS: 12 })).toBe(false)
  })

  it('does not hold who watched the past for longer than it takes to be live', () => {
    const ageing = { latencyBeforeS: 70, liveDelayS: 6 }
    expect(shouldHoldBehindHole({ ...ageing, latencyS: 40 })).toBe(false)
    expect(shouldHoldBehindHole({ ...ageing, latencyS: 8.8 })).toBe(false)
    expect(shouldHoldBehindHole({ ...ageing, latencyS: 4 })).toBe(true)
  })
})

describe('jumping on', () => {
  const hole = {
    position: 50,
    buffered: [
      { start: 40, end: 50.02 },
      { start: 80, end: 84 },
    ],
    livePosition: 81,
    stretch: { start: 80, end: 87 },
    isEngineStuck: false,
  }

  it('goes to just behind the start of what is buffered next', () => {
    expect(jumpTarget(hole)).toBeCloseTo(80.06, 9)
  })

  it('not before the live position has come there, so that the delay stays', () => {
    expect(jumpTarget({ ...hole, livePosition: 79 })).toBeUndefined()
    expect(jumpTarget({ ...hole, livePosition: undefined })).toBeCloseTo(80.06, 9)
  })

  it('leaves splinters alone', () => {
    expect(jumpTarget({ ...hole, buffered: [{ start: 80, end: 80.3 }] })).toBeUndefined()
  })

  it('goes to the live position of the new stretch when the engine does not load it', () => {
    const unloaded = { ...hole, buffered: [{ start: 40, end: 50.02 }] }
    expect(jumpTarget(unloaded)).toBeUndefined()
    expect(jumpTarget({ ...unloaded, isEngineStuck: true })).toBe(81)
    expect(jumpTarget({ ...unloaded, isEngineStuck: true, livePosition: 79 })).toBeUndefined()
    expect(jumpTarget({ ...unloaded, isEngineStuck: true, position: 82 })).toBeCloseTo(82.06, 9)
    expect(jumpTarget({ ...unloaded, isEngineStuck: true, position: 86.8 })).toBeUndefined()
    expect(jumpTarget({ ...unloaded, isEngineStuck: true, stretch: undefined })).toBeUndefined()
  })

  it('nudges playback that stands at the very start of a range, and any other only when it is stuck', () => {
    const buffered = [{ start: 50, end: 56 }]
    expect(jumpTarget({ ...hole, buffered })).toBeCloseTo(50.06, 9)
    expect(jumpTarget({ ...hole, buffered, position: 49.999999 })).toBeCloseTo(50.06, 9)
    expect(jumpTarget({ ...hole, buffered, position: 52 })).toBeUndefined()
    expect(jumpTarget({ ...hole, buffered, position: 52, isEngineStuck: true })).toBeCloseTo(52.06, 9)
  })
})
