import { expect, test } from 'vitest'
import { RestartPolicy } from '../../../src/transcode/restart-policy.ts'

const options = { promptRestarts: 2, backoffMs: 100, maxBackoffMs: 500, windowMs: 10_000 }

test('the first deaths are answered at once, the next with doubling waits up to a limit', () => {
  const policy = new RestartPolicy(options)
  expect([1, 2, 3, 4, 5, 6, 7].map((n) => policy.died(n * 1000, false))).toEqual([0, 0, 100, 200, 400, 500, 500])
  expect(policy.deaths).toBe(7)
})

test('a child that gave media begins a new row, and so does a long calm', () => {
  const policy = new RestartPolicy(options)
  for (let n = 0; n < 5; n++) policy.died(n, false)
  expect(policy.died(10, true)).toBe(0)
  expect(policy.deaths).toBe(1)
  for (let n = 0; n < 5; n++) policy.died(20 + n, false)
  expect(policy.died(30_000, false)).toBe(0)
})

test('ten kills of a working child never make it wait', () => {
  const policy = new RestartPolicy(options)
  for (let n = 0; n < 10; n++) expect(policy.died(n * 1500, true)).toBe(0)
})
