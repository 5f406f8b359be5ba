import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountCreateSchema, newAccount } from '../../../src/domain/account.ts'
import { ChangeSet } from '../../../src/domain/change-set.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { Repository } from '../../../src/domain/repository.ts'
import { newStorageAccount, storageAccountCreateSchema } from '../../../src/domain/storage-account.ts'
import { MasterKeys } from '../../../src/keys/master-keys.ts'
import { resealSecrets, SealedSecrets } from '../../../src/keys/sealed-secrets.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { type Logger, silentLogger } from '../../../src/lib/logger.ts'
import { openStore } from '../../../src/store/open-store.ts'

const clock = new VirtualClock()
const environment = { A: randomBytes(32).toString('base64'), B: randomBytes(32).toString('hex') }
const refused = (code: string) => expect.objectContaining({ code })

/** Secrets under the keys of these variables, the first of which seals. */
function secretsOf(names: readonly ('A' | 'B')[], values: Record<string, string> = environment): SealedSecrets {
  const sources = names.map((name) => ({ id: name.toLowerCase(), environment: name }))
  return new SealedSecrets(new MasterKeys(sources, { clock, environment: values }), randomBytes)
}

describe('a sealed secret', () => {
  it('opens under the key that it was sealed with, for the account that it belongs to', async () => {
    const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
    const [stored, again] = [await secretsOf(['A']).seal(secret, 'ac_1'), await secretsOf(['A']).seal(secret, 'ac_1')]
    expect(stored).not.toContain(secret)
    expect(again).not.toBe(stored)
    expect((await secretsOf(['A']).seal('x'.repeat(256), 'ac_1')).length).toBeLessThan(1_024)
    expect(await secretsOf(['B', 'A']).open(stored, 'ac_1')).toBe(secret)
    await expect(secretsOf(['A']).open(stored, 'ac_2')).rejects.toEqual(refused('MASTER_KEY_WRONG'))
    await expect(secretsOf(['B']).open(stored, 'ac_1')).rejects.toEqual(refused('MASTER_KEY_UNAVAILABLE'))
    const other = secretsOf(['A'], { A: environment.B })
    await expect(other.open(stored, 'ac_1')).rejects.toEqual(refused('MASTER_KEY_WRONG'))
    await expect(secretsOf(['A'], {}).seal(secret, 'ac_1')).rejects.toEqual(refused('MASTER_KEY_UNAVAILABLE'))
  })

  it('is as it was given where there is no key, and still opens when there is one', async () => {
    const stored = await secretsOf([]).seal('plain', 'ac_1')
    expect(stored).toBe('plain')
    expect(await secretsOf(['A']).open(stored, 'ac_1')).toBe('plain')
  })
})

describe('secrets that are stored', () => {
  let dir: string
  let store: Store
  let repository: Repository
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'secrets-'))
    store = await openStore({ url: `sqlite:${join(dir, 'store.db')}` }, { clock, logger: silentLogger })
    repository = new Repository(store)
    const changes = new ChangeSet()
    const account = newAccount(accountCreateSchema.parse({ name: 'main' }), randomBytes)
    changes.create('account', account)
    for (const name of ['one', 'two']) {
      const credentials = { accessKeyId: name, secretAccessKey: `secret-${name}` }
      const body = { name, kind: 's3', location: { bucket: name.repeat(2) }, credentials }
      changes.create(
        'storage-account',
        newStorageAccount(storageAccountCreateSchema.parse(body), account.id, randomBytes),
      )
    }
    const folder = storageAccountCreateSchema.parse({ name: 'folder' })
    changes.create('storage-account', newStorageAccount(folder, account.id, randomBytes))
    await repository.commit(changes)
  })
  afterEach(async () => {
    await store.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  async function stored() {
    const accounts = await Array.fromAsync(repository.each('account', { accountId: 'system' }))
    const all = await Array.fromAsync(repository.each('storage-account', { accountId: accounts[0]?.id ?? '' }))
    // Made in one transaction, they are of the same age: by name, that there is an order.
    const ordered = all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    return ordered.flatMap(({ accountId, credentials }) => (credentials ? [{ accountId, ...credentials }] : []))
  }

  function reseal(secrets: SealedSecrets, logger: Logger = silentLogger): Promise<void> {
    return resealSecrets({ repository, secrets, logger }, new AbortController().signal)
  }

  it('come under the first key, whatever they were under, once', async () => {
    await reseal(secretsOf([]))
    expect((await stored()).map(({ secretAccessKey }) => secretAccessKey)).toEqual(['secret-one', 'secret-two'])
    await reseal(secretsOf(['A']))
    await reseal(secretsOf(['B', 'A']))
    const now = await stored()
    const opened = now.map((one) => secretsOf(['B']).open(one.secretAccessKey, one.accountId))
    expect(await Promise.all(opened)).toEqual(['secret-one', 'secret-two'])
    await reseal(secretsOf(['B', 'A']))
    expect(await stored()).toEqual(now)
  })

  it('stay as they are where the key that they are under is gone, and the log says so', async () => {
    await reseal(secretsOf(['A']))
    const before = await stored()
    const said: string[] = []
    const logger = { ...silentLogger, error: (_about: object, text: string) => said.push(text) } as unknown as Logger
    await reseal(secretsOf(['B']), logger)
    expect(await stored()).toEqual(before)
    expect(said.length).toBe(2)
  })
})
