import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountCreateSchema, newAccount } from '../../../src/domain/account.ts'
import { ChangeSet } from '../../../src/domain/change-set.ts'
import { newContentKeyId } from '../../../src/domain/content-key.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { periodKeyId } from '../../../src/domain/key-id.ts'
import type { Id } from '../../../src/domain/kinds.ts'
import { Repository } from '../../../src/domain/repository.ts'
import { ContentKeys } from '../../../src/keys/content-keys.ts'
import { type KeyWish, localKeyProvider } from '../../../src/keys/key-provider.ts'
import { KeyRotation } from '../../../src/keys/key-rotation.ts'
import { MasterKeys } from '../../../src/keys/master-keys.ts'
import { StoredPeriodKeys } from '../../../src/keys/period-shelf.ts'
import { SealedKeys } from '../../../src/keys/sealed-keys.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { openStore } from '../../../src/store/open-store.ts'

const environment = { OLD: randomBytes(32).toString('base64'), NEW: randomBytes(32).toString('base64') }
const [OLD, NEW] = [
  { id: 'old', environment: 'OLD' },
  { id: 'new', environment: 'NEW' },
]
const folder = mkdtempSync(join(tmpdir(), 'headend-period-shelf-'))
const clock = new VirtualClock()
const { id: accountId, ...account } = newAccount(accountCreateSchema.parse({ name: 'studio' }), randomBytes)
const signalling = [{ systemId: 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed', pssh: 'AAAA' }]
let store: Store
let repository: Repository
let wish: KeyWish

beforeAll(async () => {
  store = await openStore({ url: `sqlite:${join(folder, 'store.db')}` }, { clock, logger: silentLogger })
  repository = new Repository(store)
  wish = { keyId: newContentKeyId(true, randomBytes), kind: 'cbcs', accountId }
  const changes = new ChangeSet()
  changes.create('account', { ...account, id: accountId })
  changes.create('content-key', await contentKey(wish.keyId))
  await repository.commit(changes)
})
afterAll(async () => {
  await store.stop()
  rmSync(folder, { recursive: true, force: true })
})

type Source = { readonly id: string; readonly environment: string }

function contentKey(id: string) {
  const masterKeys = new MasterKeys([OLD], { clock, environment })
  const keys = new ContentKeys({ masterKeys, provider: localKeyProvider(randomBytes), random: randomBytes })
  const given = { id: id as Id<'content-key'>, kind: 'cbcs', rotating: true, tags: {} } as const
  return keys.create(given, accountId, new AbortController().signal)
}

function shelfWith(...sources: readonly Source[]) {
  const masterKeys = new MasterKeys(sources, { clock, environment })
  const sealed = new SealedKeys(masterKeys, randomBytes)
  return { masterKeys, sealed, shelf: new StoredPeriodKeys({ repository, masterKeys, sealed }) }
}

const kidAt = (index: number) => periodKeyId(wish.keyId, 1_800_000_000_000 + index * 60_000)

describe('the keys of periods in the store', () => {
  it('are sealed, and nowhere in its files', async () => {
    const { shelf } = shelfWith(OLD)
    const value = randomBytes(16)
    const key = { value, signalling }
    expect(await shelf.find(wish, kidAt(0))).toBeUndefined()
    expect(await shelf.keep(wish, kidAt(0), key)).toEqual(key)
    expect(await shelfWith(OLD).shelf.find(wish, kidAt(0))).toEqual(key)
    const files = Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))))
    expect(files.includes(kidAt(0))).toBe(true)
    for (const form of [value, value.toString('base64').slice(0, 22), value.toString('hex')])
      expect(files.includes(form)).toBe(false)
    expect(await shelf.find({ ...wish, accountId: 'another' }, kidAt(0))).toBeUndefined()
  })

  it('are what the first of several nodes had', async () => {
    const [one, other] = [{ value: randomBytes(16) }, { value: randomBytes(16) }]
    const kept = await Promise.all([
      shelfWith(OLD).shelf.keep(wish, kidAt(1), one),
      shelfWith(OLD).shelf.keep(wish, kidAt(1), other),
    ])
    const held = (await shelfWith(OLD).shelf.find(wish, kidAt(1)))?.value
    expect(kept.map(({ value }) => Buffer.from(value))).toEqual([Buffer.from(held ?? []), Buffer.from(held ?? [])])
  })

  it('are sealed anew under the first master key, and open under no other', async () => {
    const { shelf } = shelfWith(OLD)
    const key = { value: randomBytes(16) }
    await shelf.keep(wish, kidAt(2), key)
    const { masterKeys, sealed } = shelfWith(NEW, OLD)
    const rotation = new KeyRotation({ repository, masterKeys, keys: sealed, clock, logger: silentLogger })
    rotation.start()
    await rotation.idle()
    await rotation.stop()
    expect(await shelfWith(NEW).shelf.find(wish, kidAt(2))).toEqual(key)
    await expect(shelf.find(wish, kidAt(2))).rejects.toMatchObject({ code: 'MASTER_KEY_UNAVAILABLE' })
    await expect(shelfWith().shelf.keep(wish, kidAt(3), key)).rejects.toMatchObject({ code: 'MASTER_KEY_MISSING' })
    const wrong = shelfWith({ id: 'new', environment: 'OLD' }).shelf
    await expect(wrong.find(wish, kidAt(2))).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' })
  })

  it('go with the content key', async () => {
    const key = await repository.get('content-key', wish.keyId, accountId)
    const changes = new ChangeSet()
    changes.delete('content-key', key)
    await repository.commit(changes)
    expect(await repository.count('period-key', accountId)).toBe(0)
  })
})
