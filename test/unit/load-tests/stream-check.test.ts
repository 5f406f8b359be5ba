import { describe, expect, it } from 'vitest'
import { problemsOf, sumOfMetric } from '../../../load-tests/stream-check.ts'
import type { ListedSegment, MediaPlaylist } from '../../support/playlist.ts'

function playlist(
  count: number,
  change: (segment: ListedSegment, index: number) => object = () => ({}),
): MediaPlaylist {
  const segments = Array.from({ length: count }, (_, sequence) => {
    const segment: ListedSegment = {
      url: `${sequence}`,
      sequence,
      discontinuitySequence: 0,
      duration: 2,
      gap: false,
      programDateTimeMs: 0,
      initUrl: 'init',
    }
    return { ...segment, ...change(segment, sequence) }
  })
  return { targetDuration: 2, mediaSequence: 0, ended: false, segments }
}

const expected = { segmentSeconds: 2, sentSeconds: 21, windowSeconds: 60, slackSegments: 2 }

describe('problemsOf', () => {
  it('finds none where all but the open segment is listed, up to the window', () => {
    expect(problemsOf(playlist(10), expected)).toEqual([])
    expect(problemsOf(playlist(30), { ...expected, sentSeconds: 90 })).toEqual([])
    expect(
      problemsOf(
        playlist(10, (_, index) => (index === 0 ? { duration: 1.2 } : {})),
        expected,
      ),
    ).toEqual([])
  })

  it.each([
    ['nothing', playlist(0), /0.0 s listed where 21.0/],
    ['too little', playlist(8), /16.0 s listed/],
    ['too much', playlist(13), /26.0 s listed/],
    ['a gap', playlist(10, (_, index) => ({ gap: index === 4 })), /gaps/],
    ['a discontinuity', playlist(10, (_, index) => ({ discontinuitySequence: index > 4 ? 1 : 0 })), /discontinuities/],
    ['a short one', playlist(10, (_, index) => ({ duration: index === 4 ? 1.5 : 2 })), /segments of 1.5 s/],
  ])('finds %s', (_, wrong, problem) => {
    expect(problemsOf(wrong, expected).join()).toMatch(problem)
  })
})

describe('sumOfMetric', () => {
  const text =
    '# TYPE a_total counter\na_total{x="1"} 2\na_total{x="2"} 3\n# TYPE a_total_more counter\na_total_more 7\n'

  it('adds the series of one name', () => {
    expect(sumOfMetric(text, 'a_total')).toBe(5)
  })

  it('does not take a metric that is missing for one that is 0', () => {
    expect(() => sumOfMetric(text, 'a')).toThrow(/no metric/)
  })
})
