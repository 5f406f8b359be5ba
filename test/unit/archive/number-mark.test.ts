import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NumberMark } from '../../../src/archive/number-mark.ts'
import { missingRows } from '../../../src/archive/rows-end.ts'
import { Spool, type SpoolFolder } from '../../../src/archive/spool/spool-folder.ts'
import { silentLogger } from '../../../src/lib/logger.ts'

const path = mkdtempSync(join(tmpdir(), 'headend-mark-'))
let folder: SpoolFolder
/** One whose disk has no room left, by its own count. */
let fullFolder: SpoolFolder

beforeAll(async () => {
  folder = await new Spool(path, 0).folder('recording')
  fullFolder = await new Spool(path, Number.MAX_SAFE_INTEGER).folder('recording')
})

afterAll(() => rmSync(path, { recursive: true }))

async function marked(change?: (mark: NumberMark) => void, from = folder): Promise<number> {
  const mark = await NumberMark.open(from, silentLogger)
  change?.(mark)
  await mark.close()
  const again = await NumberMark.open(folder, silentLogger)
  const until = await again.read()
  await again.close()
  return until
}

describe('the mark of numbers that were used while the disk took nothing', () => {
  it('is nothing at first, goes ahead of what is used, and is taken back', async () => {
    expect(await marked()).toBe(0)
    const until = await marked((mark) => mark.used(100))
    expect(until).toBeGreaterThan(200)
    expect(await marked((mark) => mark.used(until - 1))).toBeGreaterThan(until)
    expect(
      await marked((mark) => {
        mark.used(5)
        mark.clear()
      }),
    ).toBe(0)
  })

  it('is written where no file may grow any more', async () => {
    await expect(fullFolder.create('journal')).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    expect(await marked((mark) => mark.used(1_000), fullFolder)).toBeGreaterThan(1_000)
  })

  it('counts for nothing when it is damaged', async () => {
    await marked((mark) => mark.used(1_000))
    writeFileSync(join(path, 'recording', 'numbers.mark'), 'nonsense')
    expect(await marked()).toBe(0)
    writeFileSync(join(path, 'recording', 'numbers.mark'), 'abc')
    expect(await marked()).toBe(0)
  })

  it('is passed with gaps side by side, however short the absence was', () => {
    const end = { nextSequence: 10, endTicks: 0, discontinuitySequence: 0 }
    const used = { hasOpen: true, isRecovered: true, usedUntil: 300 }
    const rows = [...missingRows(end, 60_000, 2_000, used)]
    expect(rows).toHaveLength(290)
    expect(rows.at(-1)?.sequence).toBe(299)
    expect(rows.every(({ startTicks }, index) => startTicks > (rows[index - 1]?.startTicks ?? -1))).toBe(true)
    expect((rows.at(-1)?.startTicks ?? 0) + (rows.at(-1)?.durationTicks ?? 0)).toBeLessThanOrEqual(60 * 90_000)
    const long = [...missingRows(end, 3_600_000, 2_000, used)]
    expect(long.map(({ durationTicks }) => durationTicks)).toEqual(new Array(290).fill(180_000))
  })
})
