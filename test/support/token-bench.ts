import { createSecretKey, randomBytes } from 'node:crypto'
import { CompactSign, type JSONWebKeySet, type SignJWT } from 'jose'
import { keyAuthorizationPolicyCreateSchema, type TokenRestriction } from '../../src/domain/key-authorization-policy.ts'
import { CONTENT_KEY_CLAIM } from '../../src/domain/key-id.ts'
import { TokenVerifier } from '../../src/keys/token-verifier.ts'
import { AppError } from '../../src/lib/errors.ts'

export const NOW_MS = Date.parse('2026-11-02T20:15:00Z')
export const KID = '6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b'
export const ISSUER = 'https://issuer.example/'
export const secret = randomBytes(32)
export const symmetric = { kind: 'symmetric', value: secret.toString('base64') }

/** A restriction as the API would take it. */
export function restrictionOf(more: object): TokenRestriction {
  const restriction = { kind: 'token', issuer: ISSUER, audience: 'urn:player', ...more }
  const policy = keyAuthorizationPolicyCreateSchema.parse({ name: 'x', options: [{ delivery: 'aes128', restriction }] })
  return policy.options[0]?.restriction as TokenRestriction
}

type Key = Parameters<SignJWT['sign']>[0]

/** A token that is right but for what is given; `undefined` leaves a claim out. */
export function tokenOf(
  more: object = {},
  alg = 'HS256',
  key: Key = createSecretKey(secret),
  header: object = {},
): Promise<string> {
  const seconds = NOW_MS / 1_000
  const claims = {
    iss: ISSUER,
    aud: 'urn:player',
    exp: seconds + 600,
    nbf: seconds - 5,
    [CONTENT_KEY_CLAIM]: KID,
    ...more,
  }
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg, typ: 'JWT', ...header })
    .sign(key)
}

/** A verifier; the issuer's keys are `issuer`, or can't be had. */
export function verifierOf(issuer?: JSONWebKeySet): TokenVerifier {
  return new TokenVerifier({
    async of() {
      if (issuer) return issuer
      throw new AppError('KEY_PROVIDER_DOWN', 'nobody answers')
    },
  })
}

/** What the verifier says of a token: the reason it is refused for, or `undefined`. */
export function judge(token: string, restriction: TokenRestriction, verifier = verifierOf()) {
  return verifier.refusal(token, restriction, { nowMs: NOW_MS, skewMs: 60_000, keyIds: [KID] })
}

/** One change somewhere in a token, which is another text for sure. */
export function mutated(token: string, random: () => number): string {
  const at = Math.floor(random() * token.length)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=&%+/ '
  const other = alphabet.charAt(Math.floor(random() * alphabet.length))
  const [before, after] = [token.slice(0, at), token.slice(at + 1)]
  const kinds = [
    before + other + after,
    before + after,
    before + other + token.slice(at),
    token.slice(0, at),
    token + other,
  ]
  const made = kinds[Math.floor(random() * kinds.length)] ?? ''
  return made === token ? mutated(token, random) : made
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}
