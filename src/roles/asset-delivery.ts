import { hash } from 'node:crypto'
import type { Asset } from '../domain/asset.ts'
import type { ContentKey } from '../domain/content-key.ts'
import { type DeliveryPolicy, deliveriesOf, isPredefinedPolicy, predefinedPolicies } from '../domain/delivery-policy.ts'
import { type DeliveryKey, type DeliveryTerms, nothingDelivered } from '../domain/delivery-terms.ts'
import { durationMs } from '../domain/duration.ts'
import type { Locator } from '../domain/locator.ts'
import type { Repository } from '../domain/repository.ts'

const SIGNALLING_DIGITS = 22

type Policy = Pick<DeliveryPolicy, 'protocols' | 'licenceUrls' | 'keyRotationPeriod'>

/** What the store says of how an asset may be delivered. */
export type AssetDelivery = {
  /** How a locator delivers it; `undefined`: all in the clear. */
  termsOf(locator: Pick<Locator, 'deliveryPolicyId'>): DeliveryTerms | undefined
  /** Whether the policy that a locator names was read. */
  knows(locator: Pick<Locator, 'deliveryPolicyId'>): boolean
  /** What all of it was read from: the ids of policies and keys. */
  readonly readFrom: ReadonlySet<string>
}

/** Reads it, with the policies of these locators. @throws AppError `STORE_DOWN` … */
export async function readAssetDelivery(
  repository: Pick<Repository, 'findAnywhere'>,
  assetId: string,
  locators: readonly Pick<Locator, 'deliveryPolicyId'>[],
): Promise<AssetDelivery> {
  const readFrom = new Set<string>()
  const asset = await repository.findAnywhere('asset', assetId)
  const refs = new Set([asset?.deliveryPolicyId, ...locators.map(({ deliveryPolicyId }) => deliveryPolicyId)])
  const policies = new Map<string, Policy | undefined>()
  for (const ref of refs) {
    if (ref === undefined || isPredefinedPolicy(ref)) continue
    readFrom.add(ref)
    policies.set(ref, await repository.findAnywhere('delivery-policy', ref))
  }
  const keys = asset ? await keysOf(repository, asset, readFrom) : []
  const policyOf = (ref: string) => (isPredefinedPolicy(ref) ? predefined(ref) : policies.get(ref))
  return {
    readFrom,
    knows: ({ deliveryPolicyId: ref }) => ref === undefined || isPredefinedPolicy(ref) || policies.has(ref),
    termsOf({ deliveryPolicyId }) {
      // Nobody knows any more how it was protected.
      if (!asset) return { ...nothingDelivered, policy: 'of an asset that is not there' }
      const ref = deliveryPolicyId ?? asset.deliveryPolicyId
      if (ref !== undefined) return termsOf(ref, policyOf(ref), keys, asset)
      return asset.storageEncryption === 'aes256' ? nothingDelivered : undefined
    },
  }
}

async function keysOf(
  repository: Pick<Repository, 'findAnywhere'>,
  { contentKeys = [] }: Asset,
  readFrom: Set<string>,
): Promise<readonly DeliveryKey[]> {
  const keys: DeliveryKey[] = []
  for (const { contentKeyId, tracks } of contentKeys) {
    readFrom.add(contentKeyId)
    const key = await repository.findAnywhere('content-key', contentKeyId)
    if (!key || key.kind === 'storage') continue
    const { kind, rotating, created } = key
    const had = await deliveriesOfKey(repository, key, readFrom)
    const signalling = signallingName(key)
    const told = signalling === undefined ? {} : { signalling }
    keys.push({ contentKeyId, kind, rotating, created, ...had, ...(tracks && { tracks }), ...told })
  }
  return keys
}

/** Another one for other signalling. What is told of a period's key never changes. */
function signallingName({ rotating, signalling = [], source }: ContentKey): string | undefined {
  if (rotating) return source === 'provider' ? 'each period' : undefined
  if (signalling.length === 0) return undefined
  // In an order that no database changes.
  const said = signalling.map((one) => Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
  return hash('sha256', JSON.stringify(said), 'base64url').slice(0, SIGNALLING_DIGITS)
}

async function deliveriesOfKey(
  repository: Pick<Repository, 'findAnywhere'>,
  { keyAuthorizationPolicyId: id }: ContentKey,
  readFrom: Set<string>,
): Promise<Pick<DeliveryKey, 'had' | 'passedOn'>> {
  if (id === undefined) return { had: [] }
  readFrom.add(id)
  const policy = await repository.findAnywhere('key-authorization-policy', id)
  const options = policy?.options ?? []
  const passedOn = new Set(options.filter(({ licenceServer }) => licenceServer).map(({ delivery }) => delivery))
  const had = [...new Set(options.map(({ delivery }) => delivery))]
  return passedOn.size === 0 ? { had } : { had, passedOn: [...passedOn] }
}

function predefined(name: keyof typeof predefinedPolicies): Policy {
  const { hls, dash, smooth, progressive } = predefinedPolicies[name]
  const listed = <T>(given: 'blocked' | readonly T[]) => (given === 'blocked' ? given : [...given])
  const protocols = {
    hls: listed(hls),
    dash: listed(dash),
    smooth: listed(smooth),
    progressive: listed(progressive),
  }
  return { protocols, licenceUrls: {} }
}

/** A policy that is not there delivers nothing. */
function termsOf(
  ref: string,
  policy: Policy | undefined,
  keys: readonly DeliveryKey[],
  { id: assetId, accountId }: Pick<Asset, 'id' | 'accountId'>,
): DeliveryTerms {
  if (!policy) return { ...nothingDelivered, policy: ref }
  const { licenceUrls, keyRotationPeriod } = policy
  return {
    policy: ref,
    protocols: {
      hls: deliveriesOf(policy, 'hls'),
      dash: deliveriesOf(policy, 'dash'),
      smooth: deliveriesOf(policy, 'smooth'),
      progressive: deliveriesOf(policy, 'progressive'),
    },
    licenceUrls,
    ...(keyRotationPeriod !== undefined && { rotationPeriodMs: durationMs(keyRotationPeriod) }),
    licenceValues: { accountId, assetId },
    keys,
  }
}
