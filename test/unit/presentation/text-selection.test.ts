import { expect, it } from 'vitest'
import type { TextRendition } from '../../../src/presentation/text-rendition.ts'
import { selectTexts } from '../../../src/presentation/track-selection.ts'
import type { TrackCondition } from '../../../src/presentation/view-filter.ts'

const textOf = (name: string, language: string, codec: 'wvtt' | 'stpp' = 'wvtt') =>
  ({ id: name, name, language, codec, role: 'subtitle', bandwidth: 300, zeroTicks: 0 }) satisfies TextRendition
const texts = [textOf('English', 'en'), textOf('Deutsch', 'de'), textOf('Français', 'fr', 'stpp')]

type Condition = [Exclude<TrackCondition['property'], 'bitrate'>, 'equal' | 'notEqual', string]
const conditions = (...list: Condition[]) =>
  list.map(([property, operation, value]) => ({ property, operation, value }))
const names = (...lists: readonly (readonly TrackCondition[])[]) =>
  selectTexts(texts, [{ tracks: lists }]).map(({ name }) => name)

it('lets through what all conditions of one list hold for', () => {
  expect(names()).toEqual(['English', 'Deutsch', 'Français'])
  expect(names(conditions(['type', 'equal', 'text']))).toEqual(['English', 'Deutsch', 'Français'])
  expect(names(conditions(['type', 'equal', 'video']), conditions(['type', 'equal', 'audio']))).toEqual([])
  expect(names(conditions(['type', 'equal', 'TEXT'], ['language', 'notEqual', 'de']))).toEqual(['English', 'Français'])
  expect(names(conditions(['name', 'equal', 'deutsch']), conditions(['codec', 'equal', 'stpp']))).toEqual([
    'Deutsch',
    'Français',
  ])
})

it('is not concerned by what is said of bitrates', () => {
  const range = { property: 'bitrate', operation: 'equal', from: 1_000_000, to: 9_000_000 } as const
  expect(names([range])).toHaveLength(3)
  expect(names([range, ...conditions(['type', 'equal', 'video'])])).toEqual([])
})
