import type { Asset } from '../../domain/asset.ts'
import { assertAssetKeys } from '../../domain/asset-keys.ts'
import type { ChangeSet } from '../../domain/change-set.ts'
import type { ContentKey } from '../../domain/content-key.ts'
import { deliveriesOf, isPredefinedPolicy, predefinedPolicies, protocols } from '../../domain/delivery-policy.ts'
import type { Draft } from '../../domain/envelope.ts'
import { assertMay, may } from '../../domain/permissions.ts'
import { fieldError } from '../../domain/validation.ts'
import { AppError } from '../../lib/errors.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'
import { assertRotation, type RotationTerms } from './rotation-check.ts'

type Protected = Pick<Draft<Asset>, 'id' | 'accountId' | 'deliveryPolicyId' | 'contentKeys'>

/** That a policy is there, of the account or predefined; gives it. @throws AppError `REFERENCE_MISSING` */
export async function assertDeliveryPolicy(
  { repository }: ResourceDeps,
  ref: string | undefined,
  accountId: string,
): Promise<RotationTerms | undefined> {
  if (ref === undefined) return undefined
  if (isPredefinedPolicy(ref)) return { protocols: predefinedPolicies[ref] }
  return referred(repository, 'delivery-policy', ref, accountId, '/deliveryPolicyId')
}

/**
 * That it is said how a locator's asset may be delivered, where it is stored encrypted; also where it has content keys, unless who asks may say that it is
 * delivered in the clear. @throws AppError `STATE_CONFLICT`
 */
export function assertDeliverable(
  { storageEncryption, deliveryPolicyId: ofAsset, contentKeys = [] }: Asset,
  ofLocator: string | undefined,
  { role }: Pick<RestRequest, 'role'>,
): void {
  if ((ofLocator ?? ofAsset) !== undefined) return
  if (storageEncryption === 'none') {
    if (contentKeys.length === 0 || may(role, 'update', 'delivery-policy')) return
    throw new AppError(
      'STATE_CONFLICT',
      'The asset has content keys, and nothing says how it may be delivered: an admin has to give it a delivery policy (deliveryPolicyId).',
    )
  }
  throw new AppError(
    'STATE_CONFLICT',
    'The asset is stored encrypted, and nothing says how it may be delivered: give it, or this locator, a delivery policy ' +
      '(deliveryPolicyId; Predefined_DownloadAndClearStreaming delivers it in the clear).',
  )
}

/** The policy of a clip, which has none of its recording's keys: whatever is protected of the recording is blocked until an admin gives it some. */
const WITHOUT_CLEAR = 'Predefined_MultiDrmStreaming'

/**
 * The policy that a clip of an asset has: the asset's. Where that has none, but its locators have: one by which nothing is in the clear, so that who may
 * make a clip can't publish in the clear what the recording is protected by.
 */
export async function policyOfClip(
  { repository }: ResourceDeps,
  { id, accountId, deliveryPolicyId, contentKeys = [] }: Asset,
): Promise<Asset['deliveryPolicyId']> {
  if (deliveryPolicyId !== undefined) return deliveryPolicyId
  const locators = await repository.referring('locator', accountId, { relation: 'asset', id })
  const refs = [...new Set(locators.flatMap((locator) => locator.deliveryPolicyId ?? []))].sort()
  for (const ref of refs) {
    const policy = isPredefinedPolicy(ref)
      ? { protocols: predefinedPolicies[ref] }
      : await repository.find('delivery-policy', ref, accountId)
    if (policy && !hasClear(policy)) return ref
  }
  return contentKeys.length > 0 ? WITHOUT_CLEAR : refs[0]
}

function hasClear(policy: Parameters<typeof deliveriesOf>[0]): boolean {
  return protocols.some((protocol) => deliveriesOf(policy, protocol).includes('clear'))
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
  const policy = await assertDeliveryPolicy(deps, deliveryPolicyId, accountId)
  const keys: ContentKey[] = []
  for (const [at, { contentKeyId }] of contentKeys.entries()) {
    const pointer = `/contentKeys/${at}/contentKeyId`
    keys.push(await referred(deps.repository, 'content-key', contentKeyId, accountId, pointer))
  }
  assertAssetKeys(contentKeys, keys)
  assertRotation(keys, policy)
  await assertLocatorRotation(deps, keys, next)
  for (const key of new Map(keys.map((one) => [one.id, one])).values()) {
    if (key.kind !== 'cenc') continue
    await assertUnshared(deps, key, next.id, `/contentKeys/${keys.indexOf(key)}/contentKeyId`)
    changes.update('content-key', key)
  }
}

/** That keys which rotate have a period to do so in by the policies of the asset's locators, too. @throws AppError `ENTITY_INVALID`, at `/contentKeys` */
async function assertLocatorRotation(
  { repository }: ResourceDeps,
  keys: readonly ContentKey[],
  { id, accountId }: Protected,
): Promise<void> {
  if (!keys.some(({ rotating }) => rotating)) return
  const locators = await repository.referring('locator', accountId, { relation: 'asset', id })
  for (const ref of new Set(locators.flatMap(({ deliveryPolicyId }) => deliveryPolicyId ?? []))) {
    const policy = isPredefinedPolicy(ref)
      ? { protocols: predefinedPolicies[ref] }
      : await repository.find('delivery-policy', ref, accountId)
    assertRotation(keys, policy, '/contentKeys')
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
