import { describe, expect, it } from 'vitest'
import { newestStretch } from '../../../player/src/dash-listing.ts'

const period = (start: number, S: readonly { t?: number; d: number; r?: number }[]) => ({
  start,
  AdaptationSet: [
    { SegmentTemplate: { timescale: 1_000, presentationTimeOffset: start * 1_000, SegmentTimeline: { S } } },
  ],
})

describe('the newest stretch of an MPD', () => {
  it('is the last period with media', () => {
    const Period = [period(10, [{ t: 10_000, d: 2_000, r: 3 }]), period(30, [{ t: 30_500, d: 2_000 }, { d: 1_500 }])]
    expect(newestStretch({ Period })).toEqual({ start: 30.5, end: 34 })
    expect(newestStretch({ Period: [...Period, period(40, [])] })).toEqual({ start: 30.5, end: 34 })
    expect(newestStretch({ Period: [...Period, { start: 40 }] })).toEqual({ start: 30.5, end: 34 })
  })

  it('begins behind the last hole within the period', () => {
    const S = [{ t: 10_000, d: 2_000, r: 1 }, { t: 20_000, d: 2_000 }, { d: 2_000 }]
    expect(newestStretch({ Period: [period(10, S)] })).toEqual({ start: 20, end: 24 })
    // What rounding leaves between two segments is no hole.
    const close = [
      { t: 10_000, d: 2_000, r: 1 },
      { t: 14_020, d: 2_000 },
    ]
    expect(newestStretch({ Period: [period(10, close)] })).toEqual({ start: 10, end: 16.02 })
  })

  it('is found where every representation has its own timeline', () => {
    const own = { SegmentTemplate: { timescale: 10, SegmentTimeline: { S: [{ t: 100, d: 20 }] } } }
    const set = { SegmentTemplate: { timescale: 10 }, Representation: [{}, own] }
    expect(newestStretch({ Period: [{ start: 0, AdaptationSet: [set] }] })).toEqual({ start: 10, end: 12 })
  })

  it('has no end where segments are counted', () => {
    const counted = { SegmentTemplate: { timescale: 1_000, duration: 2_000 } }
    const Period = [
      period(10, [{ t: 10_000, d: 2_000 }]),
      { start: 20, AdaptationSet: [{ Representation: [counted] }] },
    ]
    expect(newestStretch({ Period })).toEqual({ start: 20, end: Number.POSITIVE_INFINITY })
  })

  it('is not known without a timeline', () => {
    expect(newestStretch({})).toBeUndefined()
    expect(
      newestStretch({ Period: [{ start: 0, AdaptationSet: [{ SegmentTemplate: { timescale: 10 } }] }] }),
    ).toBeUndefined()
  })
})
