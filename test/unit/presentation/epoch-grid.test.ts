import { describe, expect, it } from 'vitest'
import { findNumbered, firstNumber, gridNumber, gridTicks } from '../../../src/presentation/epoch-grid.ts'
import { CountedLive, FIRST_NUMBER, GRID_MS, PARTS } from '../../http/counted-live.ts'

const FIRST_TICKS = gridTicks(FIRST_NUMBER, GRID_MS)

describe('the epoch grid', () => {
  it('counts a picture for the cell that it was asked for in, a frame early by rounding or late', () => {
    const starts = [-901, -900, 0, 3_600, 90_000, 179_099].map((ticks) => gridNumber(FIRST_TICKS + ticks, GRID_MS))
    expect(starts.map((number) => number - FIRST_NUMBER)).toEqual([-1, 0, 0, 0, 0, 0])
    expect(gridTicks(gridNumber(FIRST_TICKS, GRID_MS), GRID_MS)).toBe(FIRST_TICKS)
  })

  it('begins a stretch with the first segment that has half of its time at least', () => {
    const first = (ticks: number) => firstNumber(FIRST_TICKS + ticks, GRID_MS) - FIRST_NUMBER
    expect([0, 3_600, 89_999, 90_000, 179_000].map(first)).toEqual([0, 0, 0, 1, 1])
  })
})

describe('a segment by its number', () => {
  const find = (live: CountedLive, cell: number, { rendition = 0, track = 1, stretch = 0 } = {}) => {
    const wanted = { track, discontinuitySequence: stretch, number: FIRST_NUMBER + cell }
    const place = findNumbered(live.presentation, rendition, wanted)
    return 'sequence' in place ? `${place.kind} ${place.sequence}` : place.kind
  }

  it('is closed, open, ahead, or far', () => {
    const live = new CountedLive().segments(0, 3).open(3).part(0)
    expect([0, 2, 3, 4, 5, 6].map((cell) => find(live, cell))).toEqual([
      ...['closed 0', 'closed 2', 'open 3', 'ahead', 'ahead', 'far'],
    ])
    expect(find(live, 3, { rendition: 1, track: 2 })).toBe('ahead')
    expect(find(live, 3, { rendition: 0, track: 2 })).toBe('none')
  })

  it('is in its own stretch of timeline alone, also where two stretches share a cell', () => {
    const live = new CountedLive().segments(0, 2).open(2).part(0).part(1).close()
    live.discontinuity().open(2, 1).part(0, 2).part(1, 2).close().segments(3, 4)
    const seen = (stretch: number) => [1, 2, 3, 4].map((cell) => find(live, cell, { stretch }))
    expect(seen(0)).toEqual(['closed 1', 'closed 2', 'none', 'none'])
    expect(seen(1)).toEqual(['none', 'closed 3', 'closed 4', 'ahead'])
    expect(seen(2)).toEqual(['none', 'none', 'ahead', 'ahead'])
    expect(seen(3)).toEqual(['none', 'none', 'none', 'none'])
  })

  it('is missing in a gap, gone before what is kept, and none behind the end', () => {
    const live = new CountedLive().segments(0, 3).gap(3).gap(4)
    expect([3, 4, 5, 7].map((cell) => find(live, cell))).toEqual(['none', 'none', 'ahead', 'far'])
    live.apply({ type: 'evicted', firstSequence: 2 })
    expect([0, 1, 2].map((cell) => find(live, cell))).toEqual(['gone', 'gone', 'closed 2'])
    live.apply({ type: 'ended' })
    expect([1, 2, 5].map((cell) => find(live, cell))).toEqual(['gone', 'closed 2', 'none'])
  })

  it('may be missing because pictures came too late for its cell', () => {
    const live = new CountedLive().segments(0, 1)
    live.open(2).part(0, PARTS).part(1, PARTS).close()
    expect([0, 1, 2].map((cell) => find(live, cell))).toEqual(['closed 0', 'none', 'closed 1'])
  })

  it('is nowhere without a grid', () => {
    const live = new CountedLive().segments(0, 2)
    const { gridMs: _grid, ...header } = live.presentation.header
    live.presentation.header = header
    expect(find(live, 1)).toBe('none')
  })
})
