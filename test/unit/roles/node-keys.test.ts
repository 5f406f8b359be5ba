import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configSchema } from '../../../src/config/schema.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { newId } from '../../../src/domain/kinds.ts'
import { Repository } from '../../../src/domain/repository.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { Logger } from '../../../src/lib/logger.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Scope } from '../../../src/lib/scope.ts'
import { openNodeKeys } from '../../../src/roles/node-keys.ts'
import { openStore } from '../../../src/store/open-store.ts'

const clock = systemClock
let folder: string
let store: Store

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-node-keys-'))
  store = await openStore({ url: `sqlite:${join(folder, 'store.db')}` }, { clock, logger: silentLogger })
})
afterEach(async () => {
  await store.stop()
  rmSync(folder, { recursive: true, force: true })
})

function open(masterKeys: readonly object[]) {
  const complaint = Promise.withResolvers<string>()
  const logger = { ...silentLogger, error: (_about: object, text: string) => complaint.resolve(text) } as Logger
  const scope = new Scope()
  const config = configSchema.parse({ storage: { masterKeys } })
  const { keys } = openNodeKeys(config, { repository: new Repository(store), clock, logger }, scope)
  return { keys, scope, complaint: complaint.promise }
}

const asset = { id: newId('asset', randomBytes), accountId: newId('account', randomBytes) }

describe('the keys of a node', () => {
  it('take a master key out of the environment, so that no child process inherits it', async () => {
    process.env['NODE_KEYS_TEST'] = randomBytes(32).toString('base64')
    const { keys, scope } = open([{ id: 'a', environment: 'NODE_KEYS_TEST' }])
    expect(process.env['NODE_KEYS_TEST']).toBeUndefined()
    expect(await keys.create(asset)).toMatchObject({ assetId: asset.id, kind: 'storage', masterKeyId: 'a' })
    await scope.stop()
  })

  it('say at once that the master key can’t be had, and nothing else is hindered', async () => {
    const { keys, scope, complaint } = open([{ id: 'a', file: join(folder, 'none') }])
    expect(await complaint).toMatch(
      /^encrypted assets can't be used: The master key a \(file .*none\) can't be had: ENOENT/,
    )
    await expect(keys.create(asset)).rejects.toMatchObject({ code: 'MASTER_KEY_UNAVAILABLE' })
    await scope.stop()
  })

  it('stop without waiting for a command that hangs', async () => {
    const { keys, scope } = open([{ id: 'a', command: ['sleep', '1000'] }])
    const waiting = keys.create(asset).catch((error: unknown) => error)
    await scope.stop()
    expect(await waiting).toMatchObject({ code: 'MASTER_KEY_UNAVAILABLE' })
  })
})
