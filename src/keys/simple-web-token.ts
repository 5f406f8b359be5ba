import { createHmac, timingSafeEqual } from 'node:crypto'
import type { KeyRefusal } from '../domain/key-refusal.ts'
import type { Claims } from './token-checks.ts'

const SIGNATURE = '&HMACSHA256='
const MAX_CLAIMS = 64
/** What they are called in a JSON Web Token. */
const NAMES: Readonly<Record<string, string>> = { Issuer: 'iss', Audience: 'aud', ExpiresOn: 'exp' }

/**
 * Reads a simple web token (SWT 0.9.5.1), as the Access Control Service gave them out: form-encoded claims, and at their end an
 * HMAC-SHA-256 of all that stands before it. The claims come under the names that they have in a JSON Web Token.
 */
export function verifySimpleWebToken(token: string, keys: readonly Uint8Array[]): Claims | KeyRefusal {
  const at = token.lastIndexOf(SIGNATURE)
  const signature = at < 0 ? undefined : decode(token.slice(at + SIGNATURE.length))
  if (signature === undefined || !/^[A-Za-z0-9+/]{43}=$/.test(signature)) return 'token-malformed'
  const given = Buffer.from(signature, 'base64')
  // Of 43 characters the last has two bits to spare: there is one way to write a signature.
  if (given.toString('base64') !== signature) return 'token-malformed'
  const signed = token.slice(0, at)
  const isRight = (key: Uint8Array) => timingSafeEqual(createHmac('sha256', key).update(signed).digest(), given)
  // Every key is tried, so that time tells nothing of which.
  if (!keys.map(isRight).includes(true)) return 'signature-invalid'
  return claimsOf(signed) ?? 'token-malformed'
}

/** `undefined` for what is no form, says something twice, or says too much. */
function claimsOf(form: string): Claims | undefined {
  const pairs = form.split('&')
  if (pairs.length > MAX_CLAIMS) return undefined
  const claims = new Map<string, unknown>()
  for (const pair of pairs) {
    const [name, value, ...rest] = pair.split('=').map(decode)
    if (name === undefined || value === undefined || rest.length > 0) return undefined
    const known = Object.hasOwn(NAMES, name) ? (NAMES[name] ?? name) : name
    if (claims.has(known)) return undefined
    claims.set(known, known === 'exp' ? secondsOf(value) : value)
  }
  return Object.fromEntries(claims)
}

function secondsOf(text: string): number {
  return /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    // Not percent-encoded as it should be: no token of ours.
    return undefined
  }
}
