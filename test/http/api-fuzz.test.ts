import { expect, it } from 'vitest'
import { fuzzApi } from '../support/api-fuzz.ts'
import { startApi, stopApisAfterEach } from './api-harness.ts'

stopApisAfterEach()

it('no request, valid or not, is answered with 500 or with what is not documented', async () => {
  const api = await startApi()
  const { cases, good, operations } = await fuzzApi(api, { cases: 1_500 })
  expect(cases).toBeGreaterThanOrEqual(1_500)
  // It is no test unless it gets through to where things are made and changed.
  expect(good / cases).toBeGreaterThan(0.15)
  expect(operations.size).toBe(api.routes.length)
}, 60_000)
