import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { killRepeatedly } from '../contract/store-kill-runs.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-store-kill-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('loses no acknowledged write and halves none when its process is killed 1,000 times', {
  timeout: 1_800_000,
}, async () => {
  const start = performance.now()
  const acknowledged = await Promise.all(['a', 'b'].map((lane) => killRepeatedly(folder, lane, 500)))
  const total = acknowledged.reduce((sum, count) => sum + count, 0)
  process.stdout.write(
    `1,000 kills in ${Math.round((performance.now() - start) / 1_000)} s, ${total} acknowledged writes\n`,
  )
  expect(total).toBeGreaterThan(10_000)
})
