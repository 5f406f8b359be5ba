import { expect, it } from 'vitest'
import { startApi, stopApisAfterEach } from '../http/api-harness.ts'
import { fuzzApi } from '../support/api-fuzz.ts'

stopApisAfterEach()

it('10,000 requests, valid or not: none is answered with 500 or with what is not documented', async () => {
  let cases = 0
  // What is made in one run of it is in the way of the next: each begins with a new store.
  while (cases < 10_000) {
    const api = await startApi()
    const count = await fuzzApi(api, { cases: 2_000 })
    cases += count.cases
    expect(count.operations.size).toBe(api.routes.length)
    await api.stop()
  }
})
