import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { describeScale, measureScale } from './store-scale.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-store-scale-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('answers 300 assets and 3,000 locators in a few milliseconds', { timeout: 120_000 }, async () => {
  const figures = await measureScale(`sqlite:${join(folder, 'scale.db')}`, 300, 3_000, 100)
  process.stdout.write(describeScale(figures))
  // The median, as the machine is shared; `test/long` holds the full size to its budget.
  for (const [name, { p50Ms }] of Object.entries(figures.calls)) expect(p50Ms, name).toBeLessThan(10)
})
