import { expect, it } from 'vitest'
import { fuzzApi } from '../support/api-fuzz.ts'
import { startApi, stopApisAfterEach } from './api-harness.ts'

stopApisAfterEach()

/** 10,000 of them: `test/long/api-fuzz`. */
it('no request, valid or not, is answered with 500 or with what is not documented', async () => {
  const api = await startApi()
  const { cases, good, operations } = await fuzzApi(api, { cases: 700 })
  expect(cases).toBeGreaterThanOrEqual(700)
  // It is no test unless it gets through to where things are made and changed.
  expect(good / cases).toBeGreaterThan(0.15)
  expect(operations.size).toBe(api.routes.length)
}, 60_000)
