import type { TokenRestriction } from '../domain/key-authorization-policy.ts'
import { CONTENT_KEY_CLAIM } from '../domain/key-id.ts'
import type { KeyRefusal } from '../domain/key-refusal.ts'

/** What a verified token claims. */
export type Claims = Readonly<Record<string, unknown>>

/** When a token is judged, and for which keys: one of them, where the token has to name one. */
export type TokenContext = {
  readonly nowMs: number
  /** How far its issuer's clock may be off. */
  readonly skewMs: number
  /** The KID that is asked for, and for that of a period the one of its key. */
  readonly keyIds: readonly string[]
}

/** Why the claims of a token, whose signature is right, are not what the restriction wants; `undefined`: they are. */
export function claimsRefusal(
  claims: Claims,
  { issuer, audience, requiredClaims }: TokenRestriction,
  { nowMs, skewMs, keyIds }: TokenContext,
): KeyRefusal | undefined {
  const { exp, nbf, iss, aud } = claims
  if (exp === undefined) return 'token-without-expiry'
  if (!isSeconds(exp) || (nbf !== undefined && !isSeconds(nbf))) return 'token-malformed'
  if (nowMs - skewMs >= exp * 1_000) return 'token-expired'
  if (nbf !== undefined && nowMs + skewMs < nbf * 1_000) return 'token-not-yet-valid'
  if (iss !== issuer) return 'issuer-wrong'
  if (!(Array.isArray(aud) ? aud : [aud]).includes(audience)) return 'audience-wrong'
  for (const { name, value } of requiredClaims) {
    const found = Object.hasOwn(claims, name) ? claims[name] : undefined
    if (found === undefined || found === null) return 'claim-missing'
    if (name === CONTENT_KEY_CLAIM) {
      if (!isKeyId(found, keyIds)) return 'key-id-wrong'
    } else if (value !== undefined && !textsOf(found).includes(value)) return 'claim-wrong'
  }
  return undefined
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function textsOf(claim: unknown): string[] {
  const values = Array.isArray(claim) ? claim : [claim]
  return values.filter((value) => ['string', 'number', 'boolean'].includes(typeof value)).map(String)
}

/** GUIDs are compared without regard to case, and with or without braces, as .NET writes them. */
function isKeyId(claim: unknown, keyIds: readonly string[]): boolean {
  if (typeof claim !== 'string') return false
  return keyIds.includes(claim.toLowerCase().replace(/^(?:nb:kid:uuid:)?\{?([0-9a-f-]{36})\}?$/, '$1'))
}
