import { describe, expect, it } from 'vitest'
import { interleave, median } from '../../../load-tests/statistics.ts'
import { figure, formatTable, formatVerdict, isKept } from '../../../load-tests/table.ts'

describe('median', () => {
  it('is the middle, or between the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 9, 2])).toBe(3)
    expect(() => median([])).toThrow(/no values/)
  })
})

describe('interleave', () => {
  it('lets each side go first in every other round', () => {
    const order = interleave(['a', 'b'], 3).map(({ round, side }) => `${round}${side}`)
    expect(order).toEqual(['0a', '0b', '1b', '1a', '2a', '2b'])
  })
})

describe('a table', () => {
  it('has figures to the right', () => {
    expect(
      formatTable(
        ['name', 'n'],
        [
          ['a', '10.5'],
          ['bcdef', '1'],
        ],
      ),
    ).toBe('name      n\n-----  ----\na      10.5\nbcdef     1')
  })

  it('shows three digits or so', () => {
    expect([0.1949, 9.5, 12.345, 461.6].map(figure)).toEqual(['0.195', '9.500', '12.3', '462'])
  })
})

describe('a verdict', () => {
  const verdict = { what: 'CPU', measured: 1.05, limit: 1.05, unit: 'times' }

  it('is kept at the limit and not past it', () => {
    expect(isKept(verdict)).toBe(true)
    expect(formatVerdict(verdict)).toBe('ok: CPU: 1.050 of at most 1.050 times')
    const past = { ...verdict, measured: 1.0501 }
    expect(isKept(past)).toBe(false)
    expect(formatVerdict(past)).toMatch(/^PAST BUDGET: CPU/)
    expect(isKept({ ...verdict, measured: Number.NaN })).toBe(false)
  })
})
