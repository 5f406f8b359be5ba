import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { accountCreateSchema, newAccount } from '../../../src/domain/account.ts'
import { accountDefaults } from '../../../src/domain/account-defaults.ts'
import { assetCreateSchema, newAsset } from '../../../src/domain/asset.ts'
import { assetFileCreateSchema, newAssetFile } from '../../../src/domain/asset-file.ts'
import { channelCreateSchema, newChannel } from '../../../src/domain/channel.ts'
import {
  type EntityOf,
  entitySchemas,
  fromStored,
  type StoredKind,
  storedName,
  toStored,
} from '../../../src/domain/entities.ts'
import type { Draft } from '../../../src/domain/envelope.ts'
import { eventSubscriptionCreateSchema, newEventSubscription } from '../../../src/domain/event-subscription.ts'
import { filterCreateSchema } from '../../../src/domain/filter.ts'
import { kinds, newId } from '../../../src/domain/kinds.ts'
import { locatorCreateSchema, newLocator } from '../../../src/domain/locator.ts'
import { newOperation } from '../../../src/domain/operation.ts'
import { newProgram, programCreateSchema } from '../../../src/domain/program.ts'
import { references, referencesOf } from '../../../src/domain/references.ts'

const account = newAccount(accountCreateSchema.parse({ name: 'studio', tags: { a: 'b' } }), randomBytes)
const { storageAccount, streamingEndpoint } = accountDefaults(account, randomBytes)
const owner = account.id
const channel = newChannel(channelCreateSchema.parse({ name: 'main', tags: { x: 'y' } }), owner, randomBytes)
const asset = newAsset(assetCreateSchema.parse({ name: 'film' }), storageAccount.id, owner, randomBytes)
const program = newProgram(
  programCreateSchema.parse({ name: 'news', channelId: channel.id }),
  asset.id,
  owner,
  randomBytes,
)
const file = newAssetFile(assetFileCreateSchema.parse({ name: 'a b.mp4' }), asset.id, owner, randomBytes)
const locator = newLocator(locatorCreateSchema.parse({ assetId: asset.id }), owner, randomBytes)
const subscription = newEventSubscription(
  eventSubscriptionCreateSchema.parse({ name: 'ops', url: 'https://example.com' }),
  owner,
  randomBytes,
)
const filterOf = (assetId?: typeof asset.id): Draft<EntityOf<'filter'>> => ({
  id: newId('filter', randomBytes),
  accountId: owner,
  ...filterCreateSchema.parse({ name: 'mobile', ...(assetId && { assetId }) }),
})
const operation = newOperation('channel.start', { kind: 'channel', id: channel.id }, owner, randomBytes)

const drafts: { readonly [K in StoredKind]?: Draft<EntityOf<K>> } = {
  account,
  'storage-account': storageAccount,
  'streaming-endpoint': streamingEndpoint,
  channel,
  asset,
  program,
  'asset-file': file,
  locator,
  'event-subscription': subscription,
  filter: filterOf(asset.id),
  operation,
}
const kept = { created: 1_000, lastModified: 2_000, etag: '7' }

describe('an entity in the store’s terms', () => {
  it.each(Object.entries(drafts))('%s goes in and comes back as it was', (kind, draft) => {
    const stored = toStored(kind as StoredKind, draft as never)
    expect(stored.kind).toBe(kind)
    expect(JSON.parse(JSON.stringify(stored))).toEqual(stored)
    const { refs: _, ...columns } = stored
    expect(fromStored(kind as StoredKind, { ...columns, ...kept })).toEqual({
      ...draft,
      created: '1970-01-01T00:00:01.000Z',
      lastModified: '1970-01-01T00:00:02.000Z',
      etag: '7',
    })
  })

  it('keeps what has no account of its own under the system’s', () => {
    expect(toStored('account', account)).toMatchObject({ accountId: 'system', name: 'studio', tags: { a: 'b' } })
    expect(toStored('channel', channel)).toMatchObject({ accountId: owner, name: 'main', tags: { x: 'y' } })
  })

  it('names files and filters of an asset within it, those of the account in the account', () => {
    expect(toStored('asset-file', file).name).toBe(`${asset.id}/a b.mp4`)
    expect(toStored('filter', filterOf(asset.id)).name).toBe(storedName(asset.id, 'mobile'))
    expect(toStored('filter', filterOf()).name).toBe('mobile')
    expect(toStored('locator', locator).name).toBeUndefined()
  })

  it('that was written before a field existed has its default', () => {
    const { refs: _, ...stored } = toStored('channel', channel)
    const { latency: __, ...older } = stored.body as Record<string, unknown>
    expect(fromStored('channel', { ...stored, ...kept, body: older }).latency).toBe('normal')
  })

  it('that is damaged is an internal error, not the client’s', () => {
    const { refs: _, ...stored } = toStored('channel', channel)
    expect(() => fromStored('channel', { ...stored, ...kept, body: { state: 'Exploded' } })).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    )
  })

  it('of every kind is known but logs and what comes with the program', () => {
    const stored = Object.keys(entitySchemas)
    expect(new Set(kinds.filter((kind) => !stored.includes(kind)))).toEqual(
      new Set(['audit-record', 'media-processor']),
    )
  })
})

describe('references', () => {
  it('of a program: its channel and its asset', () => {
    expect(toStored('program', program).refs).toEqual([
      { kind: 'channel', id: channel.id, relation: 'channel', onDelete: 'restrict' },
      { kind: 'asset', id: asset.id, relation: 'asset', onDelete: 'restrict' },
    ])
  })

  it('of a part go with the whole, of a user keep what is used', () => {
    expect(toStored('asset-file', file).refs).toMatchObject([{ kind: 'asset', onDelete: 'cascade' }])
    expect(toStored('filter', filterOf(asset.id)).refs).toMatchObject([{ kind: 'asset', onDelete: 'cascade' }])
    expect(toStored('filter', filterOf()).refs).toEqual([])
    expect(toStored('locator', locator).refs).toMatchObject([{ kind: 'asset', onDelete: 'restrict' }])
    expect(toStored('asset', asset).refs).toMatchObject([{ kind: 'storage-account', onDelete: 'restrict' }])
  })

  it('of a task last while it has work to do, each asset once', () => {
    const inputs = [{ assetId: 'as_1' }, { assetId: 'as_1' }, { task: 0, output: 0 }]
    const task = { jobId: 'jo_1', inputs, outputAssetIds: ['as_2', 'as_3'] }
    const ids = (state: string) => referencesOf('task', { ...task, state }).map(({ id }) => id)
    for (const state of ['Queued', 'Scheduled', 'Processing', 'Canceling']) {
      expect(ids(state)).toEqual(['jo_1', 'as_1', 'as_2', 'as_3'])
    }
    for (const state of ['Finished', 'Error', 'Canceled']) expect(ids(state)).toEqual(['jo_1'])
  })

  it('of nested and listed fields are found, absent ones are none', () => {
    const inputs = [[{ assetId: 'as_1' }], { assetId: null }]
    expect(referencesOf('task', { inputs })).toMatchObject([{ id: 'as_1', relation: 'inputAsset' }])
    expect(referencesOf('channel', {})).toEqual([])
    expect(referencesOf('asset', { storageAccountId: 7 })).toEqual([])
  })

  it('point from fields that there are to kinds that there are', () => {
    for (const [kind, specs] of Object.entries(references)) {
      const shape = entitySchemas[kind as StoredKind].shape as Record<string, unknown>
      for (const { path, to } of specs) {
        expect(Object.keys(shape)).toContain(path[0])
        expect(Object.keys(entitySchemas)).toContain(to)
      }
    }
  })
})
