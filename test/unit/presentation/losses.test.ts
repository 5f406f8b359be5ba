import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Loss, lostSince, withLoss } from '../../../src/presentation/losses.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { SampleLog, sampleHeader, videoTrack } from './sample-log.ts'

/** Losses as a log tells them: each of segments that are there, while the presentation grows. */
const histories = fc
  .array(fc.record({ grown: fc.nat({ max: 20 }), back: fc.integer({ min: 1, max: 60 }) }), { maxLength: 60 })
  .map((steps) => {
    let endSequence = 60
    return steps.map(({ grown, back }): Loss => {
      endSequence += grown
      return { firstSequence: endSequence - back, endSequence }
    })
  })

describe('recent losses', () => {
  test('name every loss that a reader may not know of, and none too late', () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 0, max: 1_500 }), (history, seenEnd) => {
        let losses: readonly Loss[] = []
        for (const loss of history) losses = withLoss(losses, loss)
        expect(losses.length).toBeLessThanOrEqual(16)
        const unknown = history.filter(({ endSequence }) => endSequence >= seenEnd)
        const first = Math.min(...unknown.map(({ firstSequence }) => firstSequence))
        const told = lostSince(losses, seenEnd)
        // Old losses are put together, which only ever makes a reader look further back.
        if (unknown.length > 0) expect(told).toBeLessThanOrEqual(first)
        else expect(told === undefined || losses.length < history.length).toBe(true)
      }),
    )
  })

  test('are exact as long as they are few', () => {
    const losses = [
      { firstSequence: 10, endSequence: 20 },
      { firstSequence: 40, endSequence: 50 },
      { firstSequence: 30, endSequence: 60 },
    ].reduce<readonly Loss[]>(withLoss, [])
    expect([0, 20, 21, 60, 61].map((end) => lostSince(losses, end))).toEqual([10, 10, 30, 30, undefined])
  })

  test('stand in the header that a replica begins with', () => {
    const view = new Presentation(sampleHeader)
    const log = new SampleLog().add(videoTrack(1, 'video-1')).segments(9).lose(3, 5).segment().lose(7)
    for (const record of log.records) view.apply(record)
    const replica = new Presentation(view.header)
    for (const record of view.records()) replica.apply(record)
    expect(replica.header).toEqual(view.header)
    expect(replica.header.recentLosses).toEqual([
      { firstSequence: 3, endSequence: 9 },
      { firstSequence: 7, endSequence: 10 },
    ])
    expect(replica.version).toBe(view.version)
  })
})
