import type { KeyRefusal } from '../domain/key-refusal.ts'

/** What a player is answered. `headers` are names and values in turn. */
export type KeyDoorAnswer = {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Uint8Array
}

const STATUS: Readonly<Partial<Record<KeyRefusal, number>>> = {
  'key-unknown': 404,
  'key-not-yet': 412,
  'rate-limited': 429,
  'request-malformed': 400,
  'token-missing': 401,
  unavailable: 503,
  'endpoint-unknown': 404,
  'licence-server-unknown': 404,
  'licence-server-down': 502,
  'licence-server-late': 504,
  'verification-keys-unavailable': 503,
}

/** Said to who asks; none tells of a policy more than the holder of a token needs to get a better one. */
const DETAILS: Readonly<Record<KeyRefusal, string>> = {
  'key-unknown': 'There is no such key.',
  'key-not-yet': 'The period of this key is not near yet.',
  'delivery-not-allowed': 'This key is not given out in this way.',
  'endpoint-unknown': 'No streaming endpoint of the account that the key belongs to answers under this host.',
  'address-not-allowed': 'This key is not given to your address.',
  'rate-limited': 'Too many keys were asked for from your address.',
  unavailable: 'Whether you may have this key can not be told for the moment.',
  'request-malformed':
    'A licence request is sent by POST: for ClearKey a JSON object {"kids": ["…"]} with 1 to 64 key ids of 22 base64url characters, for other systems the player’s challenge of at most 64 KiB.',
  'token-missing': 'This key is given for a token: send it as "Authorization: Bearer …" or as ?token=….',
  'token-oversized': 'The token is longer than 8,192 characters.',
  'token-malformed': 'The token can not be read.',
  'algorithm-unsupported': 'The token is signed in a way that is never taken, or not at all.',
  'algorithm-not-allowed': 'The token is signed in another way than this key is given for.',
  'critical-unsupported': 'The token has a header that must be understood, and is not.',
  'signature-invalid': 'The signature of the token is not right.',
  'verification-key-unknown': 'The token is signed with a key that its issuer does not publish.',
  'verification-keys-unavailable': 'The keys of the token’s issuer can not be had for the moment.',
  'token-expired': 'The token has expired.',
  'token-without-expiry': 'The token does not say when it expires.',
  'token-not-yet-valid': 'The token is not valid yet.',
  'issuer-wrong': 'The token is by another issuer.',
  'audience-wrong': 'The token is for another audience.',
  'claim-missing': 'The token lacks a claim that this key is given for.',
  'claim-wrong': 'A claim of the token is not what this key is given for.',
  'key-id-wrong': 'The token is for another key.',
  'licence-server-unknown': 'Licences of this kind are not passed on for this key.',
  'licence-server-down': 'The licence server can not be reached, or does not answer as it should.',
  'licence-server-late': 'The licence server did not answer in time.',
  'licence-refused': 'The licence server refuses a licence.',
}

/** A problem document (RFC 9457) with a `reason` that programs can act on. */
export function refusalAnswer(reason: KeyRefusal, waitMs = 1_000): KeyDoorAnswer {
  const status = STATUS[reason] ?? 403
  const type = `urn:headend:problem:${status === 404 ? 'url-unknown' : 'key-refused'}`
  const body = { type, title: 'The key is not given', status, detail: DETAILS[reason], reason }
  const headers = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store']
  if (status === 401) headers.push('WWW-Authenticate', 'Bearer realm="keys"')
  else if (
    status === 403 &&
    /^(?:token|algorithm|critical|signature|issuer|audience|claim|key-id|verification)-/.test(reason)
  )
    headers.push('WWW-Authenticate', `Bearer realm="keys", error="invalid_token", error_description="${reason}"`)
  if (status === 429 || status === 503) headers.push('Retry-After', String(Math.ceil(waitMs / 1_000)))
  return { status, headers, body: Buffer.from(JSON.stringify(body)) }
}
