import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { PostgresEngine } from '../contract/store-postgres-engine.ts'
import { describeScale, measureScale, type ScaleFigures } from '../contract/store-scale.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-store-scale-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function expectWithinBudget(figures: ScaleFigures): void {
  process.stdout.write(describeScale(figures))
  expect(figures.openMs).toBeLessThan(2_000)
  for (const [name, { quietP99Ms }] of Object.entries(figures.calls)) expect(quietP99Ms, name).toBeLessThan(10)
}

it('lists and looks up 10,000 assets and 100,000 locators in SQLite under 10 ms at p99', async () => {
  expectWithinBudget(await measureScale(`sqlite:${join(folder, 'scale.db')}`, 10_000, 100_000, 1_000))
})

it('and in PostgreSQL', async () => {
  const engine = new PostgresEngine()
  await engine.start()
  try {
    expectWithinBudget(await measureScale(await engine.freshUrl(), 10_000, 100_000, 1_000))
  } finally {
    await engine.stop()
  }
})
