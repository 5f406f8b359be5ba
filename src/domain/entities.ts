import type { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { accountSchema } from './account.ts'
import { assetSchema } from './asset.ts'
import { assetFileSchema } from './asset-file.ts'
import { channelSchema } from './channel.ts'
import { contentKeySchema } from './content-key.ts'
import { credentialSchema } from './credential.ts'
import { deliveryPolicySchema } from './delivery-policy.ts'
import type { Draft } from './envelope.ts'
import { deadLetterSchema, eventSubscriptionSchema } from './event-subscription.ts'
import { filterSchema } from './filter.ts'
import { jobSchema } from './job.ts'
import { keyAuthorizationPolicySchema } from './key-authorization-policy.ts'
import { SYSTEM_ACCOUNT } from './kinds.ts'
import { locatorSchema } from './locator.ts'
import { mediaStreamSchema } from './media-stream.ts'
import { operationSchema } from './operation.ts'
import { periodKeySchema } from './period-key.ts'
import { programSchema } from './program.ts'
import { type EntityReference, referencesOf } from './references.ts'
import { formatTimestamp } from './scalars.ts'
import { storageAccountSchema } from './storage-account.ts'
import { storageTaskSchema } from './storage-task.ts'
import { streamingEndpointSchema } from './streaming-endpoint.ts'
import { taskSchema } from './task.ts'
import { fieldProblems } from './validation.ts'

/** What is stored of each kind. Audit records are in a log instead, and media processors come with the program. */
export const entitySchemas = {
  account: accountSchema,
  asset: assetSchema,
  'asset-file': assetFileSchema,
  channel: channelSchema,
  'content-key': contentKeySchema,
  credential: credentialSchema,
  'dead-letter': deadLetterSchema,
  'delivery-policy': deliveryPolicySchema,
  'event-subscription': eventSubscriptionSchema,
  filter: filterSchema,
  job: jobSchema,
  'key-authorization-policy': keyAuthorizationPolicySchema,
  locator: locatorSchema,
  'media-stream': mediaStreamSchema,
  operation: operationSchema,
  'period-key': periodKeySchema,
  program: programSchema,
  'storage-account': storageAccountSchema,
  'storage-task': storageTaskSchema,
  'streaming-endpoint': streamingEndpointSchema,
  task: taskSchema,
} as const

/** A kind that the store keeps. */
export type StoredKind = keyof typeof entitySchemas
/** The entity of a kind. */
export type EntityOf<K extends StoredKind> = z.output<(typeof entitySchemas)[K]>

/** An entity in the store's terms: the columns that it looks at, and the rest. */
export type StoredContent = {
  readonly kind: string
  readonly id: string
  readonly accountId: string
  readonly name?: string
  readonly tags: Readonly<Record<string, string>>
  readonly refs: readonly EntityReference[]
  readonly body: unknown
}

/** What the store gives back; times in ms since the epoch. */
export type StoredEntity = Omit<StoredContent, 'refs'> & {
  readonly created: number
  readonly lastModified: number
  readonly etag: string
}

type Loose = Readonly<Record<string, unknown>>

/** Names that are unique not in the account but in what these belong to. */
const scopeFields: { readonly [K in StoredKind]?: string } = { 'asset-file': 'assetId', filter: 'assetId' }

/** The name as the store knows it: of a file or filter of an asset with the asset's id in front, so that it is unique there. */
export function storedName(scopeId: string | undefined, name: string): string {
  return scopeId === undefined ? name : `${scopeId}/${name}`
}

/** An entity as the store takes it. */
export function toStored<K extends StoredKind>(kind: K, entity: Draft<EntityOf<K>>): StoredContent {
  const { id, accountId = SYSTEM_ACCOUNT, tags = {}, created, lastModified, etag, ...rest } = entity as Loose
  const { name, ...body } = rest
  const scopeId = rest[scopeFields[kind] ?? ''] as string | undefined
  return {
    kind,
    id: String(id),
    accountId: String(accountId),
    ...(typeof name === 'string' && { name: storedName(scopeId, name) }),
    tags: tags as Record<string, string>,
    refs: referencesOf(kind, entity as Loose),
    body,
  }
}

/**
 * An entity as the store gave it back, fields that are newer than it filled with their defaults.
 *
 * @throws AppError `INTERNAL` for what is no such entity: the store's content is damaged.
 */
export function fromStored<K extends StoredKind>(kind: K, stored: StoredEntity): EntityOf<K> {
  const { id, accountId, name, tags, created, lastModified, etag, body } = stored
  const shape = entitySchemas[kind].shape as Loose
  const result = entitySchemas[kind].safeParse({
    ...(body as Loose),
    id,
    ...('accountId' in shape && { accountId }),
    // Neither ids nor names have a slash: what stands before one is the scope.
    ...(name !== undefined && { name: name.slice(name.indexOf('/') + 1) }),
    ...('tags' in shape && { tags }),
    created: formatTimestamp(created),
    lastModified: formatTimestamp(lastModified),
    etag,
  })
  if (result.success) return result.data as EntityOf<K>
  const problems = fieldProblems(result.error)
  throw new AppError('INTERNAL', `The ${kind} ${id} in the store is damaged.`, { details: { kind, id, problems } })
}
