import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, it } from 'vitest'
import { lockFile } from '../contract/store-sqlite-engine.ts'
import { temporaryFolder } from '../support/headend.ts'
import { watchOutage } from '../support/store-outage.ts'

const dataDir = temporaryFolder()
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

it('a store that stands still costs running streams nothing', () => {
  let unlock = async () => {}
  const outage = {
    begin: async (folder: string) => {
      unlock = await lockFile(join(folder, 'headend.db'))
    },
    end: () => unlock(),
  }
  return watchOutage(outage, { dataDir, seconds: 5 })
})
