import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryFolder } from '../support/headend.ts'
import { readCells } from '../support/matrix/cells.ts'
import { type MatrixHouse, openMatrix } from '../support/matrix/house.ts'

/** Every source in every output, frame by frame: `test/long/matrix.test.ts` has all other readers and players. */

const folder = temporaryFolder()
let house: MatrixHouse

beforeAll(async () => {
  house = await openMatrix(folder, 4)
})

afterAll(async () => {
  await house?.stop()
  rmSync(folder, { recursive: true, force: true })
})

it('gives every frame of every source in every format, as it was and when it was', async () => {
  const reports = await readCells(house, folder, ['ffmpeg'])
  expect(reports.flatMap(({ faults }) => faults)).toEqual([])
  expect(reports).toHaveLength(70)
})
