import { expect, it } from 'vitest'
import { bitrateText, clockText, secondsText } from '../../../player/src/format.ts'

it('writes positions as a person reads them', () => {
  expect([0, 4.4, 65, 3_599.6, 3_729, -3].map(clockText)).toEqual([
    '00:00',
    '00:04',
    '01:05',
    '1:00:00',
    '1:02:09',
    '00:00',
  ])
})

it('writes rates and spans', () => {
  expect([850_000, 999_499, 3_500_000].map(bitrateText)).toEqual(['850 kbit/s', '999 kbit/s', '3.5 Mbit/s'])
  expect(secondsText(4.249)).toBe('4.2 s')
})
