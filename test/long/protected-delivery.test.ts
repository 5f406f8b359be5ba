import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from '../support/headend.ts'
import { cells, faultsOf } from '../support/protected/cells.ts'
import { type CodecPair, codecPairs, openProtected, type ProtectedHouse, states } from '../support/protected/house.ts'

/** Every codec in every state, in every format and protection that there is for it, against the same in the clear. */

const SECONDS = 4
const folder = temporaryFolder()
let house: ProtectedHouse

beforeAll(async () => {
  house = await openProtected(folder, { pairs: Object.keys(codecPairs) as CodecPair[], states, seconds: SECONDS })
}, 180_000)

afterAll(async () => {
  await house?.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe.each(cells)('$name', (cell) => {
  it.each(Object.keys(codecPairs) as CodecPair[])(
    '%s',
    async (pair) => {
      const faults: string[] = []
      for (const source of house.sources.filter((one) => one.pair === pair)) {
        faults.push(...(await faultsOf(source, cell, folder, SECONDS)))
      }
      expect(faults).toEqual([])
    },
    120_000,
  )
})
