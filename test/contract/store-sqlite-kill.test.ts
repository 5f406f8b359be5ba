import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { killRepeatedly } from './store-kill-runs.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-store-kill-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** 1,000 times: `test/long/store-kill`. */
it('loses no acknowledged write and halves none when its process is killed 12 times', {
  timeout: 180_000,
}, async () => {
  const acknowledged = await Promise.all(['a', 'b'].map((lane) => killRepeatedly(folder, lane, 6)))
  for (const count of acknowledged) expect(count).toBeGreaterThan(30)
})
