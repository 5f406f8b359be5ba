import type { Kind } from './kinds.ts'

/** That an entity needs another: `restrict` keeps the other from being deleted, `cascade` goes with it. */
export type EntityReference = {
  readonly kind: Kind
  readonly id: string
  readonly relation: string
  readonly onDelete: 'restrict' | 'cascade'
}

type ReferenceSpec = {
  /** Where the id stands: a field, of fields; lists on the way are gone through. */
  readonly path: readonly string[]
  /** Only counts while the entity is in another state than these. */
  readonly endsIn?: readonly string[]
  readonly to: Kind
  readonly relation: string
  readonly onDelete: 'restrict' | 'cascade'
}

const needs = (to: Kind, relation: string, ...path: string[]): ReferenceSpec => ({
  path,
  to,
  relation,
  onDelete: 'restrict',
})
const partOf = (to: Kind, relation: string, ...path: string[]): ReferenceSpec => ({
  path,
  to,
  relation,
  onDelete: 'cascade',
})

/** Work that is over needs its assets no more. */
const whileWorking = (spec: ReferenceSpec): ReferenceSpec => ({ ...spec, endsIn: ['Finished', 'Error', 'Canceled'] })

/** Which kinds refer to which, by which field. A relation's name is what lists are asked by. */
export const references: { readonly [K in Kind]?: readonly ReferenceSpec[] } = {
  asset: [
    needs('storage-account', 'storageAccount', 'storageAccountId'),
    needs('delivery-policy', 'deliveryPolicy', 'deliveryPolicyId'),
    needs('content-key', 'contentKey', 'contentKeys', 'contentKeyId'),
  ],
  'asset-file': [partOf('asset', 'asset', 'assetId')],
  channel: [needs('asset', 'slateAsset', 'slate', 'image', 'assetId')],
  'content-key': [
    needs('key-authorization-policy', 'keyAuthorizationPolicy', 'keyAuthorizationPolicyId'),
    partOf('asset', 'asset', 'assetId'),
  ],
  'dead-letter': [partOf('event-subscription', 'subscription', 'subscriptionId')],
  filter: [partOf('asset', 'asset', 'assetId')],
  locator: [needs('asset', 'asset', 'assetId'), needs('delivery-policy', 'deliveryPolicy', 'deliveryPolicyId')],
  'media-stream': [needs('asset', 'asset', 'assetId')],
  'period-key': [partOf('content-key', 'contentKey', 'contentKeyId')],
  program: [needs('channel', 'channel', 'channelId'), needs('asset', 'asset', 'assetId')],
  task: [
    partOf('job', 'job', 'jobId'),
    whileWorking(needs('asset', 'inputAsset', 'inputs', 'assetId')),
    whileWorking(needs('asset', 'outputAsset', 'outputAssetIds')),
  ],
}

const PREDEFINED = 'Predefined_'

function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  if (Array.isArray(value)) return value.flatMap((entry) => valuesAt(entry, path))
  const [key, ...rest] = path
  if (key === undefined) return [value]
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? valuesAt((value as Record<string, unknown>)[key], rest)
    : []
}

/** What an entity refers to as it is now, each id once per relation. */
export function referencesOf(kind: Kind, entity: Readonly<Record<string, unknown>>): EntityReference[] {
  const counting = (references[kind] ?? []).filter(({ endsIn }) => !endsIn?.includes(String(entity['state'])))
  return counting.flatMap(({ path, to, relation, onDelete }) => {
    // What comes with the program is in no store.
    const ids = valuesAt(entity, path).filter(
      (id): id is string => typeof id === 'string' && !id.startsWith(PREDEFINED),
    )
    return [...new Set(ids)].map((id) => ({ kind: to, id, relation, onDelete }))
  })
}
