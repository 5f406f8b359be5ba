import type { ContentKey } from './content-key.ts'
import type { DeliveryPolicy, Protection, Protocol } from './delivery-policy.ts'
import type { KeyDelivery } from './key-refusal.ts'
import type { KeyTracks } from './track-keys.ts'

/** A key that media is encrypted with on its way to players, without its value. */
export type DeliveryKey = {
  readonly contentKeyId: string
  readonly kind: Exclude<ContentKey['kind'], 'storage'>
  readonly rotating: boolean
  /** A key that was deleted and made anew under the same id is another one. */
  readonly created: string
  /** Absent: for every track that no other key is for. */
  readonly tracks?: readonly KeyTracks[] | undefined
  /** How it may be had: the kinds of delivery that its authorization policy has an option for. */
  readonly had: readonly KeyDelivery[]
  /** Names what its provider wants players to be told of it, which is kept with the key; absent: nothing. */
  readonly signalling?: string
  /** Those of them whose challenges are passed on from here to a licence server; absent: none. */
  readonly passedOn?: readonly KeyDelivery[]
}

/**
 * What a locator's asset may be delivered as, by the policy of the locator, else by that of the asset; origins that have none deliver it all
 * in the clear. It holds no secret.
 */
export type DeliveryTerms = {
  /** Its id or predefined name, as problems say it; absent: the asset is stored encrypted and has none, so that nothing may be delivered. */
  readonly policy?: string
  /** In the order of the policy, the first being what is given where a URL leaves it open; empty: blocked. */
  readonly protocols: { readonly [P in Protocol]: readonly Protection[] }
  readonly licenceUrls: DeliveryPolicy['licenceUrls']
  /** Of keys that rotate. */
  readonly rotationPeriodMs?: number
  /** What licence URLs may name beside the key; absent: nothing. */
  readonly licenceValues?: { readonly accountId: string; readonly assetId: string }
  /** Those of the asset. */
  readonly keys: readonly DeliveryKey[]
}

/** What is delivered where nothing may be. */
export const nothingDelivered: DeliveryTerms = {
  protocols: { hls: [], dash: [], smooth: [], progressive: [] },
  licenceUrls: {},
  keys: [],
}
