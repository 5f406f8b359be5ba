import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { temporaryFolder } from '../support/headend.ts'
import { readCells, tableOf } from '../support/matrix/cells.ts'
import { type MatrixHouse, openMatrix } from '../support/matrix/house.ts'
import { playAll, playCells } from '../support/matrix/plays.ts'
import { type ReaderName, readers } from '../support/matrix/readers.ts'
import { showTexts } from '../support/matrix/shown-texts.ts'

/** Every source in every output, read by every tool and played for ten seconds by every player that takes it. */

const SOURCE_SECONDS = 16
const PLAYED_SECONDS = 10

const folder = temporaryFolder()
let house: MatrixHouse

beforeAll(async () => {
  house = await openMatrix(folder, SOURCE_SECONDS, { onAir: true })
}, 120_000)

afterAll(async () => {
  await house?.stop()
  rmSync(folder, { recursive: true, force: true })
})

it('is read by every tool, frame by frame and packet by packet', async () => {
  const reports = await readCells(house, folder, Object.keys(readers) as ReaderName[])
  process.stdout.write(`${tableOf(reports)}\n`)
  expect(reports.flatMap(({ faults }) => faults)).toEqual([])
})

it('plays in every player for ten seconds without a stall', async () => {
  const browser = await openBrowser()
  try {
    const reports = await playAll(house, browser, playCells(), { seconds: PLAYED_SECONDS, atOnce: 2 })
    process.stdout.write(`${tableOf(reports)}\n`)
    expect(reports.flatMap(({ faults }) => faults)).toEqual([])
  } finally {
    await browser.close()
  }
})

it('shows its texts in every player, each at its time', async () => {
  const browser = await openBrowser()
  try {
    const reports = await showTexts(house, browser)
    process.stdout.write(`${tableOf(reports)}\n`)
    expect(reports).toHaveLength(16)
    expect(reports.flatMap(({ faults }) => faults)).toEqual([])
  } finally {
    await browser.close()
  }
})
