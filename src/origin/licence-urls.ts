import type { LicenceDelivery } from '../domain/key-refusal.ts'
import { kidValues, licenceUrl } from '../domain/licence-template.ts'
import type { ProtectedDelivery } from './deliveries.ts'
import type { TrackKeyRef } from './delivery-keys.ts'

/** Where players get a licence, as the delivery policy's template says it for a key; `undefined`: it says nothing. */
export function statedLicenceUrl(
  { licenceUrls }: Pick<ProtectedDelivery, 'licenceUrls'>,
  system: LicenceDelivery | 'clearkey',
  { kid, contentKeyId }: Pick<TrackKeyRef, 'kid' | 'contentKeyId'>,
): string | undefined {
  const template = licenceUrls[system]
  return template === undefined ? undefined : licenceUrl(template, { ...kidValues(kid), keyId: contentKeyId })
}

/** The same, else our own door where that passes challenges on to the licence server of the key's policy. `base`: where this server is. */
export function licenceUrlOf(
  delivery: Pick<ProtectedDelivery, 'licenceUrls' | 'keys'>,
  system: LicenceDelivery,
  ref: Pick<TrackKeyRef, 'kid' | 'contentKeyId'>,
  base: string,
): string | undefined {
  const key = delivery.keys.find(({ contentKeyId }) => contentKeyId === ref.contentKeyId)
  const own = key?.passedOn?.includes(system) ? `${base}/keys/${system}/${ref.kid}` : undefined
  return statedLicenceUrl(delivery, system, ref) ?? own
}
