import { randomBytes } from 'node:crypto'
import type { Account } from '../../src/domain/account.ts'
import { assetCreateSchema, newAsset } from '../../src/domain/asset.ts'
import { assetFileCreateSchema, newAssetFile } from '../../src/domain/asset-file.ts'
import { ChangeSet } from '../../src/domain/change-set.ts'
import { channelCreateSchema, newChannel } from '../../src/domain/channel.ts'
import { contentKeyCreateSchema } from '../../src/domain/content-key.ts'
import { newCredential } from '../../src/domain/credential.ts'
import { deliveryPolicyCreateSchema, newDeliveryPolicy } from '../../src/domain/delivery-policy.ts'
import { eventSubscriptionCreateSchema, newEventSubscription } from '../../src/domain/event-subscription.ts'
import { newEvent } from '../../src/domain/events.ts'
import { filterCreateSchema, newFilter } from '../../src/domain/filter.ts'
import {
  keyAuthorizationPolicyCreateSchema,
  newKeyAuthorizationPolicy,
} from '../../src/domain/key-authorization-policy.ts'
import { newId } from '../../src/domain/kinds.ts'
import { locatorCreateSchema, newLocator } from '../../src/domain/locator.ts'
import { newOperation } from '../../src/domain/operation.ts'
import { newProgram, programCreateSchema } from '../../src/domain/program.ts'
import { formatTimestamp } from '../../src/domain/scalars.ts'
import { newStorageAccount, storageAccountCreateSchema } from '../../src/domain/storage-account.ts'
import type { TestApi } from './api-harness.ts'

/** One of everything, in an account. */
export type Seed = {
  /** By the name of the path parameter. */
  readonly ids: Readonly<Record<string, string>>
  /** What no answer may say by chance. */
  readonly secrets: Readonly<Record<'stream-key' | 'subscription-secret' | 'content-key', readonly string[]>>
  readonly secretHash: string
}

/** Puts one of everything into an account, straight into the store. */
export async function seed(api: TestApi, account: Pick<Account, 'id'>): Promise<Seed> {
  const { id: accountId } = account
  const changes = new ChangeSet()
  const name = `x-${randomBytes(6).toString('hex')}`
  // One for all seeds: an account has no more than 100.
  const spare = await api.repository.findByName('storage-account', 'spare', accountId)
  const place = spare ?? newStorageAccount(storageAccountCreateSchema.parse({ name: 'spare' }), accountId, randomBytes)
  if (!spare) changes.create('storage-account', place)
  const asset = newAsset(assetCreateSchema.parse({ name }), place.id, accountId, randomBytes)
  changes.create('asset', asset)
  const file = newAssetFile(assetFileCreateSchema.parse({ name: 'a.mp4' }), asset.id, accountId, randomBytes)
  changes.create('asset-file', file)
  const channel = newChannel(channelCreateSchema.parse({ name }), accountId, randomBytes)
  changes.create('channel', channel)
  const wantedProgram = programCreateSchema.parse({ name, channelId: channel.id })
  const program = newProgram(wantedProgram, asset.id, accountId, randomBytes)
  changes.create('program', program)
  const locator = newLocator(locatorCreateSchema.parse({ assetId: asset.id }), accountId, randomBytes)
  changes.create('locator', locator)
  const policy = newDeliveryPolicy(deliveryPolicyCreateSchema.parse({ name }), accountId, randomBytes)
  changes.create('delivery-policy', policy)
  const options = [{ delivery: 'clearkey', restriction: { kind: 'open' } }]
  const openToAll = keyAuthorizationPolicyCreateSchema.parse({ name, options })
  const keyPolicy = newKeyAuthorizationPolicy(openToAll, accountId, randomBytes)
  changes.create('key-authorization-policy', keyPolicy)
  const keyValue = randomBytes(16).toString('base64')
  const given = contentKeyCreateSchema.parse({ kind: 'cbcs', value: keyValue })
  const key = await api.contentKeys.create(given, accountId, new AbortController().signal)
  changes.create('content-key', key)
  const filter = newFilter(filterCreateSchema.parse({ name }), accountId, randomBytes)
  changes.create('filter', filter)
  const wanted = eventSubscriptionCreateSchema.parse({ name, url: 'https://example.com/hook' })
  const subscription = newEventSubscription(wanted, accountId, randomBytes)
  changes.create('event-subscription', subscription)
  const nowMs = Date.parse('2026-11-02T20:15:00Z')
  const letter = {
    id: newId('dead-letter', randomBytes),
    accountId,
    subscriptionId: subscription.id,
    event: { ...newEvent('channel.created', { ...channel, accountId }, {}, nowMs), id: 'ev_0000000000000001' },
    attempts: 1,
    lastAttempt: formatTimestamp(nowMs),
    detail: 'refused',
  }
  changes.create('dead-letter', letter)
  const subject = { kind: 'channel', id: channel.id } as const
  const operation = newOperation('channel.start', subject, accountId, randomBytes)
  changes.create('operation', operation)
  const secretHash = randomBytes(32).toString('base64url')
  const credential = newCredential({ name, tags: {}, role: 'viewer' }, accountId, secretHash, randomBytes)
  changes.create('credential', credential)
  await api.repository.commit(changes)
  const endpoint = await api.repository.findByName('streaming-endpoint', 'default', accountId)
  return {
    ids: {
      accountId,
      assetId: asset.id,
      channelId: channel.id,
      contentKeyId: key.id,
      credentialId: credential.id,
      deadLetterId: letter.id,
      deliveryPolicyId: policy.id,
      fileId: file.id,
      filterId: filter.id,
      keyAuthorizationPolicyId: keyPolicy.id,
      locatorId: locator.id,
      markerId: 'break-1',
      operationId: operation.id,
      programId: program.id,
      storageAccountId: place.id,
      streamingEndpointId: endpoint?.id ?? '',
      subscriptionId: subscription.id,
    },
    secrets: {
      'stream-key': Object.values(channel.streamKeys),
      'subscription-secret': [subscription.secret],
      'content-key': [keyValue],
    },
    secretHash,
  }
}

/** A body that a route takes, with references to what was seeded. */
export function bodyOf(operationId: string, ids: Seed['ids']): unknown {
  const name = `n-${randomBytes(6).toString('hex')}`
  const bodies: Readonly<Record<string, unknown>> = {
    createAccount: { name },
    createCredential: { name, role: 'viewer' },
    createStorageAccount: { name },
    createChannel: { name },
    createAdMarker: { type: 'splice-out' },
    createProgram: { name, channelId: ids['channelId'] },
    createAsset: { name, storageAccountId: ids['storageAccountId'] },
    clipAsset: { name },
    createAssetFile: { name: `${name}.mp4` },
    createFilter: { name },
    scaleStreamingEndpoint: { scaleUnits: 2 },
    createContentKey: { kind: 'cbcs', keyAuthorizationPolicyId: ids['keyAuthorizationPolicyId'] },
    createDeliveryPolicy: { name },
    createKeyAuthorizationPolicy: { name, options: [{ delivery: 'clearkey', restriction: { kind: 'open' } }] },
    createLocator: { assetId: ids['assetId'] },
    createEventSubscription: { name, url: 'https://example.com/hook' },
    writeAssetFileContent: 'media',
  }
  return bodies[operationId]
}
