/** Licences that an outside server makes; we pass challenges on to it. */
export const licenceDeliveries = ['widevine', 'playready', 'fairplay'] as const
/** One of them. */
export type LicenceDelivery = (typeof licenceDeliveries)[number]

/** What is asked of key delivery: AES-128 keys as they are, W3C EME ClearKey licences, and those of outside servers. */
export const keyDeliveries = ['aes128', 'clearkey', ...licenceDeliveries] as const
/** One of them. */
export type KeyDelivery = (typeof keyDeliveries)[number]

/** Why a content key is not given: the closed list of what events and metrics say. */
export const keyRefusals = [
  'key-unknown',
  'key-not-yet',
  'endpoint-unknown',
  'delivery-not-allowed',
  'address-not-allowed',
  'rate-limited',
  'unavailable',
  'request-malformed',
  'token-missing',
  'token-oversized',
  'token-malformed',
  'algorithm-unsupported',
  'algorithm-not-allowed',
  'critical-unsupported',
  'signature-invalid',
  'verification-key-unknown',
  'verification-keys-unavailable',
  'token-expired',
  'token-without-expiry',
  'token-not-yet-valid',
  'issuer-wrong',
  'audience-wrong',
  'claim-missing',
  'claim-wrong',
  'key-id-wrong',
  'licence-server-unknown',
  'licence-server-down',
  'licence-server-late',
  'licence-refused',
] as const
/** One of them. */
export type KeyRefusal = (typeof keyRefusals)[number]

/** Why an account's endpoints don't let somebody in. */
export type EntryRefusal = Extract<KeyRefusal, 'endpoint-unknown' | 'address-not-allowed'>

/** Whether licences of this kind are an outside server's to make. */
export function isLicenceDelivery(delivery: KeyDelivery): delivery is LicenceDelivery {
  return licenceDeliveries.some((one) => one === delivery)
}
