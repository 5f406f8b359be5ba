import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configSchema } from '../../../src/config/schema.ts'
import { parseApiKey } from '../../../src/domain/credential.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { DataDir } from '../../../src/roles/data-dir.ts'
import { openNodeAuth } from '../../../src/roles/node-auth.ts'
import { openStore } from '../../../src/store/open-store.ts'

let folder: string
let store: Store

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-auth-'))
  store = await openStore({ url: `sqlite:${join(folder, 'store.db')}` }, { clock: systemClock, logger: silentLogger })
})
afterEach(async () => {
  await store.stop()
  rmSync(folder, { recursive: true, force: true })
})

const open = (auth: object = {}) =>
  openNodeAuth(configSchema.parse({ auth }).auth, {
    store,
    clock: systemClock,
    logger: silentLogger,
    dataDir: new DataDir(join(folder, 'data')),
  })
const approach = (token: string) => ({
  method: 'GET',
  address: '::1',
  secure: false,
  header: (name: string) => (name === 'Authorization' ? `Bearer ${token}` : undefined),
})

describe('who may call a node', () => {
  it('is the same after a restart: keys, and tokens that were given before', async () => {
    const first = await open()
    const login = parseApiKey(first.systemApiKey!)!
    const credential = await first.auth.authenticator.bySecret(login, '::1')
    const { token } = await first.auth.tokens.issue('token', credential, 60_000)
    const again = await open()
    expect(again.systemApiKey).toBe(first.systemApiKey)
    expect(again.account).toEqual(first.account)
    await expect(again.auth.callers.identify(approach(token))).resolves.toMatchObject({ role: 'system', via: 'token' })
    await expect(again.auth.callers.identify(approach(first.systemApiKey!))).resolves.toMatchObject({ via: 'api-key' })
  })

  it('is kept in files that their owner alone can read', async () => {
    const { systemApiKey } = await open()
    for (const name of ['system-api-key.json', 'signing-key.json']) {
      expect(statSync(join(folder, 'data', name)).mode & 0o777).toBe(0o600)
    }
    expect(readFileSync(join(folder, 'data', 'system-api-key.json'), 'utf8')).toContain(systemApiKey)
  })

  it('is what the configuration says', async () => {
    const systemApiKey = `hk_${'a'.repeat(22)}_${'b'.repeat(43)}`
    const signingKey = 'c'.repeat(43)
    const node = await open({ systemApiKey, signingKey, tokenLifetime: '2m' })
    expect(node.systemApiKey).toBe(systemApiKey)
    expect(node.auth.tokenLifetimeMs).toBe(120_000)
    await expect(node.auth.callers.identify(approach(systemApiKey))).resolves.toMatchObject({ role: 'system' })
    for (const name of ['system-api-key.json', 'signing-key.json']) {
      expect(() => statSync(join(folder, 'data', name))).toThrow('ENOENT')
    }
  })

  it('is not guessed from a file that is damaged', async () => {
    await open()
    writeFileSync(join(folder, 'data', 'signing-key.json'), '{"key":1}')
    await expect(open()).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE',
      message: expect.stringContaining('signing-key.json'),
    })
  })
})
