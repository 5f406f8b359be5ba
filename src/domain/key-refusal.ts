/** What is asked of key delivery: AES-128 keys as they are, and W3C EME ClearKey licences. */
export const keyDeliveries = ['aes128', 'clearkey'] as const
/** One of them. */
export type KeyDelivery = (typeof keyDeliveries)[number]

/** Why a content key is not given: the closed list of what events and metrics say. */
export const keyRefusals = [
  'key-unknown',
  'key-not-yet',
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
] as const
/** One of them. */
export type KeyRefusal = (typeof keyRefusals)[number]
