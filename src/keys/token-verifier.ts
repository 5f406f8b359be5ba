import { createSecretKey, type KeyObject } from 'node:crypto'
import { compactVerify, createLocalJWKSet, decodeProtectedHeader, errors, type JSONWebKeySet } from 'jose'
import type { TokenRestriction } from '../domain/key-authorization-policy.ts'
import type { KeyRefusal } from '../domain/key-refusal.ts'
import { publicKeyOf } from '../domain/public-key.ts'
import type { VerificationKey } from '../domain/verification-key.ts'
import { verifySimpleWebToken } from './simple-web-token.ts'
import { type Claims, claimsRefusal, type TokenContext } from './token-checks.ts'

/** Where keys are fetched from that tokens are verified with. */
export type IssuerKeys = {
  /**
   * The key set of a restriction. `fresher`: not the one that was given before, if it may be fetched again already.
   *
   * @throws AppError `KEY_PROVIDER_DOWN`
   */
  of(restriction: TokenRestriction, fresher?: JSONWebKeySet): Promise<JSONWebKeySet>
}

const MAX_TOKEN_CHARACTERS = 8_192
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/
const HMAC = ['HS256', 'HS384', 'HS512']
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const EDDSA = ['EdDSA', 'Ed25519']
const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
const ASYMMETRIC = [...RSA, ...Object.values(CURVES), ...EDDSA]

type StaticKey = { readonly key: KeyObject; readonly algorithms: readonly string[] }

/** Says of tokens whether they are what a restriction wants, and if not why. */
export class TokenVerifier {
  readonly #issuers: IssuerKeys
  readonly #keys = new WeakMap<VerificationKey, StaticKey>()

  constructor(issuers: IssuerKeys) {
    this.#issuers = issuers
  }

  /** `undefined`: it is right. Never rejects for what a token holds. */
  async refusal(token: string, restriction: TokenRestriction, context: TokenContext): Promise<KeyRefusal | undefined> {
    if (token.length > MAX_TOKEN_CHARACTERS) return 'token-oversized'
    const claims =
      restriction.tokenType === 'swt'
        ? verifySimpleWebToken(token, symmetricKeys(restriction))
        : await this.#verify(token, restriction)
    return typeof claims === 'string' ? claims : claimsRefusal(claims, restriction, context)
  }

  async #verify(token: string, restriction: TokenRestriction): Promise<Claims | KeyRefusal> {
    if (!JWT.test(token) || !isCanonical(token)) return 'token-malformed'
    const algorithm = algorithmOf(token)
    if (algorithm === undefined) return 'token-malformed'
    if (![...HMAC, ...ASYMMETRIC].includes(algorithm)) return 'algorithm-unsupported'
    const known = [restriction.primaryKey, ...restriction.alternateKeys].flatMap((key) =>
      key ? [this.#import(key)] : [],
    )
    // A key verifies what its own kind signs and nothing else: an RSA key's text is never an HMAC secret.
    const fitting = known.filter(({ algorithms }) => algorithms.includes(algorithm))
    const hasIssuer = restriction.jwksUrl !== undefined || restriction.openIdDiscoveryUrl !== undefined
    let refusal: KeyRefusal = 'algorithm-not-allowed'
    for (const { key, algorithms } of fitting) {
      const verified = await outcome(() => compactVerify(token, key, { algorithms: [...algorithms] }))
      if (typeof verified !== 'string') return verified
      refusal = verified
    }
    if (!hasIssuer || !ASYMMETRIC.includes(algorithm)) return refusal
    return this.#verifyByIssuer(token, restriction)
  }

  /** With a key set of the issuer's; one that does not know the key is fetched anew. */
  async #verifyByIssuer(token: string, restriction: TokenRestriction): Promise<Claims | KeyRefusal> {
    let keys: JSONWebKeySet | undefined
    let refusal: KeyRefusal = 'verification-keys-unavailable'
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const before = keys
      try {
        keys = await this.#issuers.of(restriction, before)
      } catch {
        // What is wrong with the issuer is in the log, by who asked it.
        return 'verification-keys-unavailable'
      }
      if (keys === before) return refusal
      const set = createLocalJWKSet(keys)
      const verified = await outcome(() => compactVerify(token, set, { algorithms: ASYMMETRIC }))
      if (verified !== 'verification-key-unknown') return verified
      refusal = verified
    }
    return refusal
  }

  #import(key: VerificationKey): StaticKey {
    const known = this.#keys.get(key) ?? importKey(key)
    this.#keys.set(key, known)
    return known
  }
}

function symmetricKeys({ primaryKey, alternateKeys }: TokenRestriction): Uint8Array[] {
  return [primaryKey, ...alternateKeys].flatMap((key) =>
    key?.kind === 'symmetric' ? [Buffer.from(key.value, 'base64')] : [],
  )
}

function importKey(key: VerificationKey): StaticKey {
  if (key.kind === 'symmetric') return { key: createSecretKey(key.value, 'base64'), algorithms: HMAC }
  const found = publicKeyOf(key)
  const { asymmetricKeyType: type, asymmetricKeyDetails: { namedCurve = '' } = {} } = found
  if (type === 'rsa') return { key: found, algorithms: RSA }
  if (type === 'rsa-pss') return { key: found, algorithms: RSA.filter((name) => name.startsWith('PS')) }
  if (type === 'ed25519') return { key: found, algorithms: EDDSA }
  const curve = CURVES[namedCurve]
  return { key: found, algorithms: curve === undefined ? [] : [curve] }
}

/** Base64 of some lengths has bits to spare; a token that uses them is another text for the same signature, and refused. */
function isCanonical(token: string): boolean {
  return token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}

function algorithmOf(token: string): string | undefined {
  try {
    const { alg } = decodeProtectedHeader(token)
    return typeof alg === 'string' ? alg : undefined
  } catch {
    // Its header is no JSON.
    return undefined
  }
}

/** The claims of a token that verifies, else why it doesn't. */
async function outcome(verify: () => Promise<{ readonly payload: Uint8Array }>): Promise<Claims | KeyRefusal> {
  let payload: Uint8Array
  try {
    ;({ payload } = await verify())
  } catch (error) {
    return refusalOf(error)
  }
  try {
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims)
      ? (claims as Claims)
      : 'token-malformed'
  } catch {
    // Signed as it should be, and no JSON.
    return 'token-malformed'
  }
}

function refusalOf(error: unknown): KeyRefusal {
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature-invalid'
  if (error instanceof errors.JWKSNoMatchingKey) return 'verification-key-unknown'
  // Several keys could have signed it, and the token doesn't name one.
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'verification-key-unknown'
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm-not-allowed'
  if (error instanceof errors.JOSENotSupported) return 'critical-unsupported'
  if (error instanceof errors.JWSInvalid) return 'token-malformed'
  // A key that can't be used with this algorithm, such as an RSA key that is too short.
  return 'signature-invalid'
}
