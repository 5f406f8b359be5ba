import { expect, it } from 'vitest'
import { ArchiveLoad } from '../support/archive-load.ts'

const HOUR_MS = 3_600_000
const PROGRAMS = 10
const WINDOW_HOURS = 25

it('ten programs of seven tracks over 25 hours: 10 MB of index each when it is full, and flat for 25 hours more', async () => {
  const load = new ArchiveLoad(PROGRAMS, WINDOW_HOURS * HOUR_MS)
  const empty = await load.heldBytes()
  // A little more: whole spans are discarded, and blocks of rows are let go of as a whole.
  await load.play((WINDOW_HOURS + 1) * HOUR_MS)
  const full = { heldBytes: await load.heldBytes(), indexBytes: load.indexBytes }
  expect(full.indexBytes).toBeLessThanOrEqual(10_000_000)
  const held: number[] = []
  for (let hours = 0; hours < WINDOW_HOURS; hours += 5) {
    await load.play(5 * HOUR_MS)
    held.push(await load.heldBytes())
    expect(load.indexBytes).toBeLessThanOrEqual(10_000_000)
  }
  const each = (bytes: number) => Math.round((bytes - empty) / PROGRAMS / 1e4) / 100
  process.stdout.write(`MB held by each program when full ${each(full.heldBytes)}, then ${held.map(each).join(', ')}\n`)
  process.stdout.write(`MB of index ${full.indexBytes / 1e6}\n`)
  for (const bytes of held) {
    expect((bytes - empty) / (full.heldBytes - empty)).toBeLessThan(1.1)
    expect((bytes - empty) / (full.heldBytes - empty)).toBeGreaterThan(0.9)
  }
  await load.stop()
  expect(load.memory.usedBytes).toBe(0)
})
