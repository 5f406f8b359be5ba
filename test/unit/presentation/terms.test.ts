import { expect, it } from 'vitest'
import { isUnder } from '../../../src/archive/recording-header.ts'
import { resumedHeader } from '../../../src/presentation/terms.ts'

const header = { id: 'p1', epoch: 'e1', targetDurationMs: 2_000, partDurationMs: 500 }
const terms = { targetDurationMs: 2_000, partDurationMs: 500 }

it.each([
  ['the same one', 2_000, 2_000, 2_000],
  ['another one', 2_000, 4_000, undefined],
  ['none', 2_000, undefined, undefined],
  ['one after none', undefined, 2_000, undefined],
  ['none after none', undefined, undefined, undefined],
])('a presentation that goes on has the grid that it had, or none: %s', (_what, before, after, found) => {
  const had = { ...header, ...(before !== undefined && { gridMs: before }) }
  const next = { ...terms, ...(after !== undefined && { gridMs: after }) }
  expect(resumedHeader(had, next).gridMs).toBe(found)
  // Nothing has to be said of what stays as it is.
  expect(isUnder(had, next)).toBe(before === found)
})
