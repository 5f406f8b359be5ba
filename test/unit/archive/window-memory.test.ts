import { expect, it } from 'vitest'
import { ArchiveLoad } from '../../support/archive-load.ts'

const HOUR_MS = 3_600_000

it('a recording holds no more when its window is full, whatever it goes on for', async () => {
  const load = new ArchiveLoad(1, HOUR_MS)
  await load.play(1.2 * HOUR_MS)
  const [program] = load.programs
  const full = { heldBytes: await load.heldBytes(), indexBytes: load.indexBytes, blobs: load.storage.blobs.size }
  const names = program!.folder.names.size
  await load.play(HOUR_MS)
  expect(load.indexBytes).toBeLessThanOrEqual(full.indexBytes * 1.1)
  expect((await load.heldBytes()) / full.heldBytes).toBeLessThan(1.1)
  expect(Math.abs(load.storage.blobs.size - full.blobs)).toBeLessThanOrEqual(8)
  expect(Math.abs(program!.folder.names.size - names)).toBeLessThanOrEqual(2)
  const { view } = program!.log
  expect(view.endSequence - view.firstSequence).toBeLessThan(1_870)
  // Of 25 hours: 45,000 rows, by blocks.
  expect((load.indexBytes / 1_870) * 45_000).toBeLessThan(14_000_000)
  await load.stop()
  expect(load.memory.usedBytes).toBe(0)
}, 30_000)
