import { expect, it } from 'vitest'
import { fuzzApi } from '../support/api-fuzz.ts'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'

stopApisAfterEach()

/** 10,000 of them: `test/long/api-fuzz`. */
it('no request, valid or not, is answered with 500 or with what is not documented', async () => {
  const api = await startApi()
  const { cases, good, operations } = await fuzzApi(api, { cases: 420 })
  expect(cases).toBeGreaterThanOrEqual(420)
  // It is no test unless it gets through to where things are made and changed.
  expect(good / cases).toBeGreaterThan(0.15)
  expect(operations.size).toBe(api.routes.length)
}, 60_000)

it('what fails says how it is asked again', async () => {
  const asked: string[] = []
  const failing = async (more: { readonly cases: number; readonly from?: number; readonly failsAt: number }) => {
    const api = await startApi()
    let left = more.failsAt
    const assertDocumented = (method: string) => {
      if (left-- > 0) return
      asked.push(method)
      throw new Error('not documented')
    }
    // Only what it asks at random fails, not what it makes before that.
    const strict = { ...api, check: { seen: new Map(), assertDocumented } } as unknown as TestApi
    return fuzzApi(strict, { ...more, seed: 5 }).catch((error: Error) => error.message)
  }
  const said = 'fuzzApi(api, { cases: 1, seed: 5, from: 4 }), or all before it too with cases: 5, from: 0'
  expect(await failing({ cases: 20, failsAt: 4 })).toContain(said)
  expect(await failing({ cases: 1, from: 4, failsAt: 0 })).toContain(said)
  expect(asked[1]).toBe(asked[0])
})
