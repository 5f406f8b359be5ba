import type { Asset } from '../../domain/asset.ts'
import { assertAssetKeys } from '../../domain/asset-keys.ts'
import type { ChangeSet } from '../../domain/change-set.ts'
import type { ContentKey } from '../../domain/content-key.ts'
import { isPredefinedPolicy } from '../../domain/delivery-policy.ts'
import type { Draft } from '../../domain/envelope.ts'
import { assertMay } from '../../domain/permissions.ts'
import { fieldError } from '../../domain/validation.ts'
import { AppError } from '../../lib/errors.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'

type Protected = Pick<Draft<Asset>, 'id' | 'accountId' | 'deliveryPolicyId' | 'contentKeys'>

/** That a policy is there, of the account or predefined. @throws AppError `REFERENCE_MISSING` */
export async function assertDeliveryPolicy(
  { repository }: ResourceDeps,
  ref: string | undefined,
  accountId: string,
): Promise<void> {
  if (ref === undefined || isPredefinedPolicy(ref)) return
  await referred(repository, 'delivery-policy', ref, accountId, '/deliveryPolicyId')
}

/** That it is said how a locator's asset may be delivered, where it is stored encrypted. @throws AppError `STATE_CONFLICT` */
export function assertDeliverable(
  { storageEncryption, deliveryPolicyId: ofAsset }: Pick<Asset, 'storageEncryption' | 'deliveryPolicyId'>,
  ofLocator: string | undefined,
): void {
  if (storageEncryption === 'none' || (ofLocator ?? ofAsset) !== undefined) return
  throw new AppError(
    'STATE_CONFLICT',
    'The asset is stored encrypted, and nothing says how it may be delivered: give it, or this locator, a delivery policy ' +
      '(deliveryPolicyId; Predefined_DownloadAndClearStreaming delivers it in the clear).',
  )
}

/**
 * That an asset may be protected as it is to be, by who asks: how content is protected is not for operators to say. Keys of kind
 * `cenc` are written along, so that of two assets that take one at once only one does.
 *
 * @throws AppError `PERMISSION_DENIED`, `REFERENCE_MISSING`, `ENTITY_INVALID`; `IN_USE` where a `cenc` key is another asset's
 */
export async function protectAsset(
  deps: ResourceDeps,
  request: Pick<RestRequest, 'role'>,
  changes: ChangeSet,
  next: Protected,
  before?: Protected,
): Promise<void> {
  const facts = (asset?: Protected) => JSON.stringify([asset?.deliveryPolicyId ?? null, asset?.contentKeys ?? []])
  if (facts(next) === facts(before)) return
  assertMay(request.role, 'update', 'delivery-policy')
  const { accountId, contentKeys = [], deliveryPolicyId } = next
  await assertDeliveryPolicy(deps, deliveryPolicyId, accountId)
  const keys: ContentKey[] = []
  for (const [at, { contentKeyId }] of contentKeys.entries()) {
    const pointer = `/contentKeys/${at}/contentKeyId`
    keys.push(await referred(deps.repository, 'content-key', contentKeyId, accountId, pointer))
  }
  assertAssetKeys(contentKeys, keys)
  for (const key of new Map(keys.map((one) => [one.id, one])).values()) {
    if (key.kind !== 'cenc') continue
    await assertUnshared(deps, key, next.id, `/contentKeys/${keys.indexOf(key)}/contentKeyId`)
    changes.update('content-key', key)
  }
}

async function assertUnshared(
  { repository }: ResourceDeps,
  { id, accountId }: ContentKey,
  assetId: string,
  pointer: string,
): Promise<void> {
  const holders = await repository.referring('asset', accountId, { relation: 'contentKey', id })
  const other = holders.find((asset) => asset.id !== assetId)
  if (!other) return
  const detail = `is the key of the asset ${other.id}: counters would repeat under a cenc key that two assets share`
  throw fieldError('IN_USE', [{ pointer, detail }], { by: [{ kind: 'asset', id: other.id }] })
}
