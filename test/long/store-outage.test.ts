import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, it } from 'vitest'
import { PostgresEngine } from '../contract/store-postgres-engine.ts'
import { lockFile } from '../contract/store-sqlite-engine.ts'
import { watchOutage } from '../support/store-outage.ts'

const SECONDS = 30
const folder = mkdtempSync(join(tmpdir(), 'headend-outage-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('a SQLite file that is locked for 30 s costs running streams nothing', () => {
  let unlock = async () => {}
  const outage = {
    begin: async (dataDir: string) => {
      unlock = await lockFile(join(dataDir, 'headend.db'))
    },
    end: () => unlock(),
  }
  return watchOutage(outage, { dataDir: mkdtempSync(join(folder, 'sqlite-')), seconds: SECONDS })
})

it('a PostgreSQL that is suspended for 30 s costs running streams nothing', async () => {
  const engine = new PostgresEngine()
  await engine.start()
  let resume = async () => {}
  const outage = {
    url: await engine.freshUrl(),
    begin: async () => {
      const goOn = await engine.holdUp()
      // Once: who went on may have ended since.
      resume = () => {
        resume = async () => {}
        return goOn()
      }
    },
    end: () => resume(),
  }
  try {
    await watchOutage(outage, { dataDir: mkdtempSync(join(folder, 'postgres-')), seconds: SECONDS })
  } finally {
    await resume()
    await engine.stop()
  }
})
