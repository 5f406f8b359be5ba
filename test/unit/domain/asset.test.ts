import { randomBytes } from 'node:crypto'
import { posix, win32 } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assetCreateSchema, assetSchema, deleteAsset, newAsset } from '../../../src/domain/asset.ts'
import { assetFileCreateSchema, assetFileSchema, newAssetFile } from '../../../src/domain/asset-file.ts'
import { newGuid, newId } from '../../../src/domain/kinds.ts'
import { locatorCreateSchema, locatorSchema, locatorStatus, newLocator } from '../../../src/domain/locator.ts'

const accountId = newId('account', randomBytes)
const assetId = newId('asset', randomBytes)
const times = { created: '2026-11-02T20:15:00Z', lastModified: '2026-11-02T20:15:00Z', etag: '1' }
const refused = (code: string, details: object = {}) =>
  expect.objectContaining({ code, details: expect.objectContaining(details) })

describe('an asset', () => {
  it('is made Empty in a storage account', () => {
    const storageAccountId = newId('storage-account', randomBytes)
    const { storageAccountId: _, ...given } = assetCreateSchema.parse({ name: 'film' })
    const asset = assetSchema.parse({ ...newAsset(given, storageAccountId, accountId, randomBytes), ...times })
    expect(asset).toMatchObject({
      state: 'Empty',
      storageAccountId,
      tracks: [],
    })
  })

  const nobody = { programs: [], jobs: [], locators: [] }

  it('can’t be deleted while a program or a job uses it, not even with force', () => {
    for (const [kind, use] of [
      ['program', { ...nobody, programs: ['pr_1'] }],
      ['job', { ...nobody, jobs: ['jo_1'] }],
    ] as const) {
      for (const force of [false, true]) {
        const by = [expect.objectContaining({ kind })]
        expect(() => deleteAsset({ state: 'Ready' }, use, force)).toThrow(refused('IN_USE', { by }))
      }
    }
  })

  it('needs its locators gone, or force', () => {
    const use = { ...nobody, locators: ['l1', 'l2'] }
    expect(() => deleteAsset({ state: 'Ready' }, use, false)).toThrow(refused('IN_USE'))
    expect(deleteAsset({ state: 'Ready' }, use, true)).toEqual({ remove: ['l1', 'l2'] })
    expect(deleteAsset({ state: 'Failed' }, nobody, false)).toEqual({ remove: [] })
    expect(() => deleteAsset({ state: 'Recording' }, nobody, true)).toThrow(refused('STATE_CONFLICT'))
  })
})

describe('a file of an asset', () => {
  const accepts = (name: unknown) => assetFileCreateSchema.safeParse({ name }).success

  it('is made Pending', () => {
    const given = assetFileCreateSchema.parse({ name: 'a b (1).mp4', mimeType: 'video/mp4' })
    const file = newAssetFile(given, assetId, accountId, randomBytes)
    expect(assetFileSchema.parse({ ...file, ...times })).toMatchObject({ state: 'Pending', isPrimary: false, assetId })
  })

  it('has a name of 1 to 260 characters without path parts', () => {
    expect(['a', 'x'.repeat(260), 'Küche.mp4', '..x', 'a..b', '.hidden', ' '].filter((name) => !accepts(name))).toEqual(
      [],
    )
    const bad = ['', 'x'.repeat(261), '.', '..', 'a/b', '../a', 'a\\b', '/', 'a\0', 'a\nb', '\u007f', '\ud800', 7, null]
    expect(bad.filter(accepts)).toEqual([])
    const nasty = fc.constantFrom('/', '\\', '.', '%2f', '\0', '\r\n', 'a', 'é', '\u202e', '\udc00', '?', '#')
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 6 }), (parts) => {
        const name = parts.join('')
        if (accepts(name)) expect(posix.join('/asset', name)).toBe(`/asset/${name}`)
        if (accepts(name)) expect(win32.basename(name)).toBe(name)
      }),
    )
  })

  it('has sizes and digests that can be', () => {
    const parse = (value: object) => assetFileCreateSchema.safeParse({ name: 'a', ...value }).success
    expect(parse({ sizeBytes: 0, sha256: 'a'.repeat(64) })).toBe(true)
    for (const value of [
      { sizeBytes: -1 },
      { sizeBytes: 1.5 },
      { sizeBytes: 2 ** 51 },
      { sha256: 'A'.repeat(64) },
      { mimeType: 'video' },
    ]) {
      expect(parse(value)).toBe(false)
    }
  })
})

describe('a locator', () => {
  const locator = (given: object) =>
    locatorSchema.parse({
      ...newLocator(locatorCreateSchema.parse({ assetId, ...given }), accountId, randomBytes),
      ...times,
    })
  const accepts = (given: object) => locatorCreateSchema.safeParse({ assetId, ...given }).success

  it('takes a GUID chosen in advance, in lower case, or makes one', () => {
    expect(locator({ id: '6F1D2C3B-5A4E-4F60-8B1A-0C9D8E7F6A5B' }).id).toBe('6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b')
    expect(locator({}).id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(accepts({ id: 'mine' })).toBe(false)
  })

  it('takes no GUID of those under which previews are watched', () => {
    expect(accepts({ id: newGuid(randomBytes, 8) })).toBe(false)
    expect(accepts({ id: newGuid(randomBytes) })).toBe(true)
  })

  it('is pending before its start, active from it, and expired at its expiry', () => {
    const span = locator({ start: '2026-01-01T00:00:00Z', expiry: '2026-01-02T00:00:00Z' })
    const [start, expiry] = [Date.parse('2026-01-01T00:00:00Z'), Date.parse('2026-01-02T00:00:00Z')]
    expect([start - 1, start, expiry - 1, expiry].map((now) => locatorStatus(span, now))).toEqual([
      'pending',
      'active',
      'active',
      'expired',
    ])
    expect(locatorStatus(locator({}), 0)).toBe('active')
  })

  it.each([
    [{ start: '2026-01-02T00:00:00Z', expiry: '2026-01-02T00:00:00Z' }],
    [{ kind: 'other' }],
    [{ permissions: ['read'] }],
  ])('is not made of %j', (given) => expect(accepts(given)).toBe(false))
})
