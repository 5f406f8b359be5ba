import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  accountCreateSchema,
  accountPatchSchema,
  accountSchema,
  assertAccountChange,
  assertQuota,
  newAccount,
} from '../../../src/domain/account.ts'
import { accountDefaults } from '../../../src/domain/account-defaults.ts'
import {
  credentialCreateSchema,
  credentialSchema,
  credentialViewSchema,
  formatApiKey,
  isCredentialValid,
  newCredential,
  newCredentialSecret,
  parseApiKey,
} from '../../../src/domain/credential.ts'
import { newId } from '../../../src/domain/kinds.ts'
import { patched } from '../../../src/domain/merge-patch.ts'
import { endOperation, isOperationDone, newOperation, operationSchema } from '../../../src/domain/operation.ts'
import {
  assertPlaceFree,
  assertStorageAccountDeletable,
  newStorageAccount,
  showStorageAccount,
  storageAccountCreateSchema,
  storageAccountPatchSchema,
  storageAccountSchema,
  storageAccountViewSchema,
} from '../../../src/domain/storage-account.ts'
import { streamingEndpointPatchSchema, streamingEndpointSchema } from '../../../src/domain/streaming-endpoint.ts'

const times = { created: '2026-11-02T20:15:00Z', lastModified: '2026-11-02T20:15:00Z', etag: '1' }
const account = accountSchema.parse({
  ...newAccount(accountCreateSchema.parse({ name: 'studio' }), randomBytes),
  ...times,
})
const refused = (code: string, details: object = {}) =>
  expect.objectContaining({ code, details: expect.objectContaining(details) })

describe('an account', () => {
  it('comes with a place for media and an endpoint that is meant to run', () => {
    const { storageAccount, streamingEndpoint } = accountDefaults(account, randomBytes)
    expect(storageAccountSchema.parse({ ...storageAccount, ...times })).toMatchObject({
      accountId: account.id,
      name: 'default',
      isDefault: true,
      kind: 'filesystem',
    })
    expect(streamingEndpointSchema.parse({ ...streamingEndpoint, ...times })).toMatchObject({
      accountId: account.id,
      name: 'default',
      isDefault: true,
      state: 'Stopped',
      desiredState: 'Running',
    })
    expect(accountDefaults(account, randomBytes).storageAccount.location).not.toEqual(storageAccount.location)
  })

  it('does not raise its own quotas', () => {
    const change = (patch: object) => patched(accountSchema, accountPatchSchema, account, patch)
    expect(() => assertAccountChange('admin', account, change({ description: 'x' }))).not.toThrow()
    for (const patch of [{ quotas: { channels: 5 } }, { quotas: { locators: 9 } }]) {
      expect(() => assertAccountChange('admin', account, change(patch))).toThrow(refused('PERMISSION_DENIED'))
      expect(() => assertAccountChange('system', account, change(patch))).not.toThrow()
    }
  })

  it('has room for as many as its quota', () => {
    expect(() => assertQuota(account, 'channels', account.quotas.channels - 1)).not.toThrow()
    expect(() => assertQuota(account, 'channels', account.quotas.channels)).toThrow(
      refused('QUOTA_EXCEEDED', { quota: 'channels' }),
    )
  })
})

describe('a credential', () => {
  const given = credentialCreateSchema.parse({ name: 'bot', role: 'operator', expiresAt: '2027-01-01T00:00:00Z' })
  const secret = newCredentialSecret(randomBytes)
  const credential = credentialSchema.parse({ ...newCredential(given, account.id, 'hash', randomBytes), ...times })

  it('can’t be made for system by a client, but by the server', () => {
    expect(credentialCreateSchema.safeParse({ name: 'x', role: 'system' }).success).toBe(false)
    const system = newCredential({ name: 'system', tags: {}, role: 'system' }, 'system', 'hash', randomBytes)
    expect(credentialSchema.parse({ ...system, ...times })).toMatchObject({ accountId: 'system', role: 'system' })
  })

  it('is shown without its hash', () => {
    expect(credentialViewSchema.safeParse(credential).success).toBe(false)
    const { secretHash: _, ...shown } = credential
    expect(credentialViewSchema.parse(shown)).toEqual(shown)
  })

  it('has a key that holds id and secret', () => {
    const key = formatApiKey(credential.id, secret)
    expect(key).toMatch(/^hk_[0-9A-Za-z]{22}_[\w-]{43}$/)
    expect(parseApiKey(key)).toEqual({ credentialId: credential.id, secret })
    for (const text of ['', 'hk_', key.slice(1), `${key}x`, key.slice(0, -1), `${key}\n`, key.replace('hk', 'HK')]) {
      expect(parseApiKey(text)).toBeUndefined()
    }
  })

  it('is refused from its expiry on', () => {
    const expiry = Date.parse('2027-01-01T00:00:00Z')
    expect([expiry - 1, expiry].map((now) => isCredentialValid(credential, now))).toEqual([true, false])
    expect(isCredentialValid({}, expiry)).toBe(true)
  })
})

describe('a storage account', () => {
  it('has a folder of its own and keeps it', () => {
    const make = (given: object) =>
      newStorageAccount(storageAccountCreateSchema.parse({ name: 'x', ...given }), account.id, randomBytes)
    const made = make({})
    expect(made.location).toEqual({ directory: made.id })
    expect(make({ location: { directory: 'films' } }).location).toEqual({ directory: 'films' })
    for (const directory of ['..', '/etc', 'a/b', '']) expect(() => make({ location: { directory } })).toThrow()
    expect(storageAccountPatchSchema.safeParse({ location: { directory: 'y' } }).success).toBe(false)
    expect(storageAccountPatchSchema.safeParse({ kind: 'filesystem' }).success).toBe(false)
  })

  it('may be a bucket, with what its host name and paths take, and a secret that is not shown', () => {
    const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG' }
    const make = (location: object, rest: object = {}) =>
      newStorageAccount(
        storageAccountCreateSchema.parse({
          name: 'x',
          kind: 's3',
          location: { bucket: 'media', ...location },
          ...rest,
        }),
        account.id,
        randomBytes,
      )
    expect(make({}).location).toEqual({ bucket: 'media', region: 'us-east-1', forcePathStyle: false })
    const made = make({ endpoint: 'http://localhost:9000', prefix: 'a/b' }, { credentials })
    expect(made.location).toMatchObject({ prefix: 'a/b', forcePathStyle: true })
    const stored = storageAccountSchema.parse({ ...made, ...times })
    expect(stored.credentials).toEqual(credentials)
    const shown = showStorageAccount(stored)
    expect(storageAccountViewSchema.parse(shown)).toMatchObject({
      credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE' },
    })
    expect(JSON.stringify(shown)).not.toContain(credentials.secretAccessKey)
    for (const location of [
      ...['a', 'A-b', '192.0.2.1', 'a..b', 'a/b', 'arn:aws:s3:::x', '-ab'].map((bucket) => ({ bucket })),
      ...['/a', 'a/', 'a//b', '../b', 'a/b/c/d/e', '%2e'].map((prefix) => ({ prefix })),
      ...['evil.example.com/', 'a b', 'x'.repeat(40)].map((region) => ({ region })),
      ...['ftp://a', 'https://a/b', 'https://u:p@a', 'https://a?x', 'https://a#x', 'nonsense'].map((endpoint) => ({
        endpoint,
      })),
      { directory: 'films' },
    ]) {
      expect(() => make(location), JSON.stringify(location)).toThrow()
    }
    const files = { ...made, ...times, kind: 'filesystem', location: { directory: 'x' } }
    expect(storageAccountSchema.safeParse(files).success).toBe(false)
  })

  it.each([
    [{ directory: 'films' }, { directory: 'FILMS' }, true],
    [{ directory: 'films' }, { directory: 'other' }, false],
    [{ directory: 'films' }, { bucket: 'films', region: 'x' }, false],
    [{ bucket: 'one', region: 'x' }, { bucket: 'one', region: 'y' }, true],
    [{ bucket: 'one', region: 'x' }, { bucket: 'two', region: 'x' }, false],
    [{ bucket: 'one', region: 'x' }, { bucket: 'one', region: 'x', prefix: 'a' }, true],
    [{ bucket: 'one', region: 'x', prefix: 'a/b' }, { bucket: 'one', region: 'x', prefix: 'a' }, true],
    [{ bucket: 'one', region: 'x', prefix: 'ab' }, { bucket: 'one', region: 'x', prefix: 'a' }, false],
    [{ bucket: 'one', region: 'x', endpoint: 'https://A.example' }, { bucket: 'one', region: 'x' }, false],
    [
      { bucket: 'one', region: 'x', endpoint: 'https://A.example' },
      { bucket: 'one', region: 'x', endpoint: 'https://a.example/' },
      true,
    ],
  ])('lies alone: %j beside %j is refused: %s', (location, other, isRefused) => {
    const check = () => assertPlaceFree({ location }, [{ name: 'first', location: other }])
    if (isRefused) expect(check).toThrow(refused('NAME_TAKEN'))
    else expect(check).not.toThrow()
  })

  it('that is the default stays', () => {
    expect(() => assertStorageAccountDeletable({ isDefault: true })).toThrow(refused('ENTITY_PROTECTED'))
    expect(() => assertStorageAccountDeletable({ isDefault: false })).not.toThrow()
  })
})

describe('a streaming endpoint', () => {
  it('can’t be made the default, nor moved to another state, by a patch', () => {
    expect(streamingEndpointPatchSchema.safeParse({ name: 'europe', tags: { a: null } }).success).toBe(true)
    for (const patch of [{ isDefault: true }, { state: 'Running' }, { desiredState: 'Running' }]) {
      expect(streamingEndpointPatchSchema.safeParse(patch).success).toBe(false)
    }
  })
})

describe('an operation', () => {
  const subject = { kind: 'channel', id: newId('channel', randomBytes), name: 'main' } as const
  const operation = operationSchema.parse({
    ...newOperation('channel.start', subject, account.id, randomBytes),
    ...times,
  })
  const problem = { type: 'urn:headend:problem:x', title: 'X', status: 503, detail: 'It broke.' }

  it('ends once, well or with a problem', () => {
    expect(isOperationDone(operation)).toBe(false)
    const running = { ...operation, state: 'running' as const }
    const done = endOperation(running, 0)
    expect(operationSchema.parse(done)).toMatchObject({ state: 'succeeded', completedAt: '1970-01-01T00:00:00.000Z' })
    expect('error' in done).toBe(false)
    expect(operationSchema.parse(endOperation(running, 0, problem))).toMatchObject({ state: 'failed', error: problem })
    expect(isOperationDone(done)).toBe(true)
    expect(() => endOperation(done, 0, problem)).toThrow(refused('STATE_CONFLICT'))
    expect(endOperation(operation, 0, problem).state).toBe('failed')
  })
})
