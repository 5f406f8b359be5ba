import type { LicenceDelivery } from '../domain/key-refusal.ts'
import { kidValues, licenceUrl } from '../domain/licence-template.ts'
import type { ProtectedDelivery } from './deliveries.ts'
import type { TrackKeyRef } from './delivery-keys.ts'

/** Where players get a licence, as the delivery policy's template says it for a key; `undefined`: it says nothing. */
export function statedLicenceUrl(
  { licenceUrls, licenceValues }: Pick<ProtectedDelivery, 'licenceUrls' | 'licenceValues'>,
  system: LicenceDelivery | 'clearkey',
  { kid, contentKeyId }: Pick<TrackKeyRef, 'kid' | 'contentKeyId'>,
): string | undefined {
  const template = licenceUrls[system]
  return template === undefined
    ? undefined
    : licenceUrl(template, { ...licenceValues, ...kidValues(kid), keyId: contentKeyId })
}

/** The same, else our own door where that passes challenges on to the licence server of the key's policy. `base`: where this server is. */
export function licenceUrlOf(
  delivery: Pick<ProtectedDelivery, 'licenceUrls' | 'licenceValues' | 'keys'>,
  system: LicenceDelivery,
  ref: Pick<TrackKeyRef, 'kid' | 'contentKeyId'>,
  base: string,
): string | undefined {
  const key = delivery.keys.find(({ contentKeyId }) => contentKeyId === ref.contentKeyId)
  const own = key?.passedOn?.includes(system) ? `${base}/keys/${system}/${ref.kid}` : undefined
  return statedLicenceUrl(delivery, system, ref) ?? own
}

/**
 * Whether what a manifest says of keys may have our own address in it: whole segments' keys and ClearKey's are given here, and challenges may be passed on.
 * Where it says nothing of the kind, a manifest is the same under every name by which this server is reached.
 */
export function namesServer({
  protection,
  keys,
  licenceUrls,
}: Pick<ProtectedDelivery, 'protection' | 'keys' | 'licenceUrls'>): boolean {
  if (protection === 'envelope') return true
  return keys.some(({ had, passedOn = [], signalling }) => {
    // What a provider wants to be said may be of ClearKey.
    if (signalling !== undefined || (had.includes('clearkey') && licenceUrls.clearkey === undefined)) return true
    return (['widevine', 'playready'] as const).some(
      (system) => passedOn.includes(system) && licenceUrls[system] === undefined,
    )
  })
}
