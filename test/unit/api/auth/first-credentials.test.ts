import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ensureFirstCredentials } from '../../../../src/api/auth/first-credentials.ts'
import { hashSecret } from '../../../../src/api/auth/secret-hash.ts'
import { formatApiKey, newCredentialSecret, parseApiKey } from '../../../../src/domain/credential.ts'
import type { Store } from '../../../../src/domain/entity-store.ts'
import { newId, SYSTEM_ACCOUNT } from '../../../../src/domain/kinds.ts'
import { Repository } from '../../../../src/domain/repository.ts'
import { systemClock } from '../../../../src/lib/clock.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'
import { openStore } from '../../../../src/store/open-store.ts'

let folder: string
let store: Store
let repository: Repository

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-first-'))
  store = await openStore({ url: `sqlite:${join(folder, 'store.db')}` }, { clock: systemClock, logger: silentLogger })
  repository = new Repository(store)
})
afterEach(async () => {
  await store.stop()
  rmSync(folder, { recursive: true, force: true })
})

function keyFile(kept?: string) {
  const file = {
    text: kept,
    writes: 0,
    read: async () => file.text,
    async write(text: string) {
      file.writes += 1
      file.text = text
    },
  }
  return file
}

const ensure = (file = keyFile(), configuredKey?: string) =>
  ensureFirstCredentials({
    repository,
    clock: systemClock,
    logger: silentLogger,
    random: randomBytes,
    keyFile: file,
    configuredKey,
  })
const newKey = () => formatApiKey(newId('credential', randomBytes), newCredentialSecret(randomBytes))
const systemCredentials = async () =>
  (await repository.list('credential', { accountId: SYSTEM_ACCOUNT, limit: 10 })).items

async function expectToOpen(apiKey: string | undefined): Promise<void> {
  const login = parseApiKey(apiKey ?? '')
  const all = await systemCredentials()
  expect(all).toHaveLength(1)
  expect(all[0]).toMatchObject({ id: login?.credentialId, role: 'system', accountId: SYSTEM_ACCOUNT })
  expect(all[0]?.secretHash).toBe(hashSecret(login?.secret ?? ''))
}

describe('the first start', () => {
  it('makes the system credential, keeps its key, and an account with its defaults', async () => {
    const file = keyFile()
    const { systemApiKey, account } = await ensure(file)
    await expectToOpen(systemApiKey)
    expect(file.text?.trim()).toBe(systemApiKey)
    expect(account.name).toBe('default')
    const endpoints = await repository.list('streaming-endpoint', { accountId: account.id, limit: 10 })
    expect(endpoints.items).toMatchObject([{ name: 'default', isDefault: true, desiredState: 'Running' }])
    const places = await repository.list('storage-account', { accountId: account.id, limit: 10 })
    expect(places.items).toMatchObject([{ name: 'default', isDefault: true }])
    const { records } = await store.readRecords({ log: 'audit', order: 'oldest-first', limit: 10 })
    expect(records.map(({ kind }) => kind)).toEqual(['credential.create', 'account.create'])
  })

  it('writes the key down before it counts: a start that was cut off goes on with it', async () => {
    const file = keyFile(`${newKey()}\n`)
    const { systemApiKey } = await ensure(file)
    expect(systemApiKey).toBe(file.text?.trim())
    await expectToOpen(systemApiKey)
    expect(file.writes).toBe(0)
  })

  it('of two nodes at once makes one of each', async () => {
    const starts = await Promise.all([ensure(), ensure(), ensure()])
    expect(new Set(starts.map(({ account }) => account.id)).size).toBe(1)
    expect(await repository.count('account', SYSTEM_ACCOUNT)).toBe(1)
    const known = starts.flatMap(({ systemApiKey }) => (systemApiKey ? [systemApiKey] : []))
    expect(known).toHaveLength(1)
    await expectToOpen(known[0])
  })
})

describe('a later start', () => {
  it('finds everything as it was', async () => {
    const file = keyFile()
    const first = await ensure(file)
    expect(await ensure(file)).toEqual(first)
    expect(file.writes).toBe(1)
  })

  it('does not make a second key where the first is not here to be shown', async () => {
    const { systemApiKey } = await ensure()
    for (const file of [keyFile(), keyFile('rubbish'), keyFile(newKey())]) {
      expect((await ensure(file)).systemApiKey).toBeUndefined()
      expect(file.writes).toBe(0)
    }
    await expectToOpen(systemApiKey)
  })

  it('makes no default account where there is another', async () => {
    const { account } = await ensure()
    const renamed = await store.get('account', account.id)
    await store.update({ ...renamed!, name: 'studio' }, renamed!.etag)
    expect((await ensure()).account).toMatchObject({ id: account.id, name: 'studio' })
  })
})

describe('a configured key', () => {
  it('is the system credential’s, from the first start on, and is not written down', async () => {
    const [file, key] = [keyFile(), newKey()]
    expect((await ensure(file, key)).systemApiKey).toBe(key)
    await expectToOpen(key)
    expect(file.text).toBeUndefined()
  })

  it('replaces the one before, whichever it was', async () => {
    await ensure()
    const key = newKey()
    await ensure(keyFile(), key)
    await expectToOpen(key)
    const { credentialId } = parseApiKey(key)!
    const sameId = formatApiKey(credentialId, newCredentialSecret(randomBytes))
    await ensure(keyFile(), sameId)
    await expectToOpen(sameId)
    const before = await systemCredentials()
    await ensure(keyFile(), sameId)
    expect(await systemCredentials()).toEqual(before)
  })

  it('that is none stops the start', async () => {
    await expect(ensure(keyFile(), 'secret')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
