import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountCreateSchema, newAccount } from '../../../src/domain/account.ts'
import { type Asset, assetCreateSchema, newAsset } from '../../../src/domain/asset.ts'
import { ChangeSet } from '../../../src/domain/change-set.ts'
import type { ContentKey } from '../../../src/domain/content-key.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { newId, SYSTEM_ACCOUNT } from '../../../src/domain/kinds.ts'
import { Repository } from '../../../src/domain/repository.ts'
import { newStorageAccount, storageAccountCreateSchema } from '../../../src/domain/storage-account.ts'
import { KeyRotation } from '../../../src/keys/key-rotation.ts'
import { MasterKeys } from '../../../src/keys/master-keys.ts'
import { StorageKeys } from '../../../src/keys/storage-keys.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import type { Logger } from '../../../src/lib/logger.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { openStore } from '../../../src/store/open-store.ts'

const secrets: Record<string, string> = Object.fromEntries(
  ['OLD', 'NEW', 'WRONG'].map((name) => [name, randomBytes(32).toString('base64')]),
)
const OLD = { id: 'old', environment: 'OLD' }
const NEW = { id: 'new', environment: 'NEW' }

let folder: string
let store: Store
let repository: Repository
let clock: VirtualClock
const account = newAccount(accountCreateSchema.parse({ name: 'studio' }), randomBytes)
const accountId = account.id
const storage = newStorageAccount(storageAccountCreateSchema.parse({ name: 'disk' }), accountId, randomBytes)

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-storage-keys-'))
  clock = new VirtualClock()
  store = await openStore({ url: `sqlite:${join(folder, 'store.db')}` }, { clock, logger: silentLogger })
  repository = new Repository(store)
  const changes = new ChangeSet()
  changes.create('account', account)
  changes.create('storage-account', storage)
  await repository.commit(changes)
})
afterEach(async () => {
  await store.stop()
  rmSync(folder, { recursive: true, force: true })
})

function open(...sources: { id: string; environment: string }[]) {
  const masterKeys = new MasterKeys(sources, { clock, environment: secrets })
  return { masterKeys, keys: new StorageKeys({ repository, masterKeys, random: randomBytes }) }
}

let names = 0

async function create(keys: StorageKeys): Promise<Asset> {
  names += 1
  const given = assetCreateSchema.parse({ name: `asset-${names}`, storageEncryption: 'aes256' })
  const draft = newAsset(given, storage.id, accountId, randomBytes)
  const changes = new ChangeSet()
  const handle = changes.create('asset', draft)
  changes.create('content-key', await keys.create(draft))
  return (await repository.commit(changes)).get(handle)
}

async function storedKey(assetId: string): Promise<ContentKey> {
  const [key] = await repository.referring('content-key', accountId, { relation: 'asset', id: assetId })
  if (!key) throw new Error('there is no key')
  return key
}

async function write(key: ContentKey): Promise<void> {
  const changes = new ChangeSet()
  changes.update('content-key', key)
  await repository.commit(changes)
}

/** What is said, by level, with its fields. */
function listening(): { logger: Logger; said: [string, Record<string, unknown>, string][] } {
  const said: [string, Record<string, unknown>, string][] = []
  const at = (level: string) => (fields: Record<string, unknown>, message: string) =>
    said.push([level, fields, message])
  const logger = { ...silentLogger, info: at('info'), warn: at('warn'), error: at('error') } as unknown as Logger
  return { logger, said }
}

describe('the key of an encrypted asset', () => {
  it('is 32 bytes of its own, the same after a restart', async () => {
    const { keys } = open(OLD)
    const [one, two] = [await create(keys), await create(keys)]
    const key = await keys.of(one)
    expect(key?.byteLength).toBe(32)
    expect(await open(OLD).keys.of(one)).toEqual(key)
    expect(await keys.of(two)).not.toEqual(key)
    expect(await keys.of({ ...one, storageEncryption: 'none' })).toBeUndefined()
    expect((await storedKey(one.id)).sealedValue).not.toContain(
      Buffer.from(key ?? [])
        .toString('base64')
        .slice(0, 40),
    )
  })

  it('opens for no other key’s entity, however it is called', async () => {
    const { keys } = open(OLD)
    const [one, two] = [await create(keys), await create(keys)]
    const [stolen, own] = [await storedKey(one.id), await storedKey(two.id)]
    await write({ ...own, sealedValue: stolen.sealedValue })
    const wrong = { code: 'MASTER_KEY_WRONG', message: expect.stringContaining(own.id) }
    await expect(keys.of(two)).rejects.toMatchObject(wrong)
    await expect(keys.of(one)).resolves.toHaveLength(32)
  })

  it('doesn’t open under a wrong master key, one that is gone, or where it is damaged', async () => {
    const { keys } = open(OLD)
    const asset = await create(keys)
    const swapped = open({ id: 'old', environment: 'WRONG' })
    await expect(swapped.keys.of(asset)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' })
    await expect(open(NEW).keys.of(asset)).rejects.toMatchObject({ code: 'MASTER_KEY_UNAVAILABLE' })
    await expect(open().keys.of(asset)).rejects.toMatchObject({ code: 'MASTER_KEY_UNAVAILABLE' })
    const key = await storedKey(asset.id)
    await write({ ...key, sealedValue: `A${key.sealedValue.slice(1, -4)}AAA=` })
    await expect(keys.of(asset)).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' })
  })

  it('is not made without a master key', async () => {
    const asset = { id: newId('asset', randomBytes), accountId }
    await expect(open().keys.create(asset)).rejects.toMatchObject({ code: 'MASTER_KEY_MISSING' })
    await expect(open({ id: 'x', environment: 'UNSET' }).keys.create(asset)).rejects.toMatchObject({
      code: 'MASTER_KEY_UNAVAILABLE',
    })
  })

  it('is gone with the asset, in one transaction', async () => {
    const { keys } = open(OLD)
    const [asset, other] = [await create(keys), await create(keys)]
    const changes = new ChangeSet()
    changes.delete('asset', asset)
    await repository.commit(changes)
    expect(await repository.count('content-key', accountId)).toBe(1)
    await expect(keys.of(asset)).rejects.toMatchObject({ code: 'INTERNAL' })
    await expect(keys.of(other)).resolves.toHaveLength(32)
  })
})

describe('rotation of the master key', () => {
  it('seals every key anew under the first; then the old one is not needed', async () => {
    const before = open(OLD)
    const assets = [await create(before.keys), await create(before.keys)]
    const values = await Promise.all(assets.map((asset) => before.keys.of(asset)))
    const during = open(NEW, OLD)
    assets.push(await create(during.keys))
    expect(await Promise.all(assets.slice(0, 2).map((asset) => during.keys.of(asset)))).toEqual(values)
    const { logger, said } = listening()
    const rotation = new KeyRotation({ ...during, repository, clock, logger })
    rotation.start()
    await rotation.idle()
    await rotation.stop()
    expect(said).toEqual([['info', { masterKeyId: 'new', resealed: 2 }, expect.stringContaining('sealed')]])
    const after = open(NEW)
    expect(await Promise.all(assets.slice(0, 2).map((asset) => after.keys.of(asset)))).toEqual(values)
    for (const asset of assets) expect((await storedKey(asset.id)).masterKeyId).toBe('new')
  })

  it('says what is left, once, and goes on when the missing key is there', async () => {
    const asset = await create(open(OLD).keys)
    const value = await open(OLD).keys.of(asset)
    const environment: Record<string, string> = { NEW: secrets['NEW'] ?? '' }
    const masterKeys = new MasterKeys([NEW, OLD], { clock, environment })
    const keys = new StorageKeys({ repository, masterKeys, random: randomBytes })
    const { logger, said } = listening()
    const rotation = new KeyRotation({ repository, masterKeys, keys, clock, logger })
    rotation.start()
    await rotation.idle()
    await clock.advance(60_000)
    await rotation.idle()
    expect(said).toEqual([['error', { masterKeyId: 'old', keys: 1 }, expect.stringContaining('variable OLD')]])
    environment['OLD'] = secrets['OLD'] ?? ''
    await clock.advance(60_000)
    await rotation.idle()
    expect(said.at(-1)?.[0]).toBe('info')
    expect(await open(NEW).keys.of(asset)).toEqual(value)
    await rotation.stop()
  })

  it('has nothing to say, and nothing to do again, where all is well or nothing is encrypted', async () => {
    const { logger, said } = listening()
    const rotation = new KeyRotation({ ...open(), repository, clock, logger })
    rotation.start()
    await rotation.idle()
    expect(said).toEqual([])
    await rotation.stop()
    expect(await repository.count('account', SYSTEM_ACCOUNT)).toBe(1)
  })
})
