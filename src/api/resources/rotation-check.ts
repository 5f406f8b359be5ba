import type { Asset } from '../../domain/asset.ts'
import type { ContentKey } from '../../domain/content-key.ts'
import { type DeliveryPolicy, deliveriesOf, protocols } from '../../domain/delivery-policy.ts'
import { durationMs } from '../../domain/duration.ts'
import { isReservedGuid } from '../../domain/key-id.ts'
import { fieldError } from '../../domain/validation.ts'
import type { ResourceDeps } from './ports.ts'

/** What of a policy says how keys rotate, and which it delivers under. */
export type RotationTerms = NonNullable<Parameters<typeof deliveriesOf>[0]> &
  Partial<Pick<DeliveryPolicy, 'keyRotationPeriod'>>

/** What a provider gives for a period is kept for as long as its content key is: a key that changes more often would fill the store. */
const SHORTEST_PROVIDED_MS = 60_000

/**
 * That keys which rotate have a period to do so in, by a policy that delivers something under them: without one nothing of the asset is delivered. Where a provider
 * gives the keys of periods these last a minute at least.
 * @throws AppError `ENTITY_INVALID`, at `pointer`
 */
export function assertRotation(
  keys: readonly Pick<ContentKey, 'id' | 'kind' | 'rotating' | 'source'>[],
  policy: RotationTerms | undefined,
  pointer = '/deliveryPolicyId',
): void {
  if (!policy || isLong(policy)) return
  const { keyRotationPeriod: period } = policy
  const turning = keys.find(
    ({ kind, rotating, source }) =>
      rotating &&
      (period === undefined || source === 'provider') &&
      protocols.some((one) => deliveriesOf(policy, one).some((by) => by === kind)),
  )
  if (!turning) return
  const advice = "give the policy a keyRotationPeriod, or the asset a key that doesn't rotate"
  const detail =
    period === undefined
      ? `the content key ${turning.id} rotates, and the policy says no period for it: ${advice}`
      : `the key provider gives a key for each period of ${turning.id}, and ${period} is too short for that: keyRotationPeriod has to be PT1M at least`
  throw fieldError('ENTITY_INVALID', [{ pointer, detail }])
}

/** Whether keys may rotate by it whatever they come from. */
function isLong({ keyRotationPeriod: period }: Pick<RotationTerms, 'keyRotationPeriod'>): boolean {
  return period !== undefined && durationMs(period) >= SHORTEST_PROVIDED_MS
}

/** The keys that an asset names and that rotate. */
export async function rotatingKeysOf(
  { repository }: ResourceDeps,
  { accountId, contentKeys = [] }: Pick<Asset, 'accountId' | 'contentKeys'>,
): Promise<ContentKey[]> {
  // Only they have ids of Headend's own kind: of most assets nothing is read.
  const ids = contentKeys.map(({ contentKeyId }) => contentKeyId).filter(isReservedGuid)
  const found = await Promise.all(ids.map((id) => repository.find('content-key', id, accountId)))
  return found.filter((key) => key !== undefined)
}

/** That what is delivered by a policy, as it is to be, goes on to be. @throws AppError `ENTITY_INVALID`, at `/keyRotationPeriod` */
export async function assertPolicyRotation(deps: ResourceDeps, policy: DeliveryPolicy): Promise<void> {
  if (isLong(policy)) return
  const { id, accountId } = policy
  const by = { relation: 'deliveryPolicy', id }
  const [assets, locators] = await Promise.all([
    deps.repository.referring('asset', accountId, by),
    deps.repository.referring('locator', accountId, by),
  ])
  const known = new Map<string, Asset | undefined>(assets.map((asset) => [asset.id, asset]))
  for (const { assetId } of locators) {
    if (!known.has(assetId)) known.set(assetId, await deps.repository.find('asset', assetId, accountId))
  }
  for (const asset of known.values()) {
    if (asset) assertRotation(await rotatingKeysOf(deps, asset), policy, '/keyRotationPeriod')
  }
}
