import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { Credential } from '../../domain/credential.ts'
import { newSecret, type RandomBytes } from '../../domain/kinds.ts'
import type { Clock } from '../../lib/clock.ts'
import { notLetIn } from './refusal.ts'
import { secretMark } from './secret-hash.ts'

/** What a token is for: one kind is never taken for the other. */
export type TokenUse = 'token' | 'session'

/** What a token says. What its credential may is never in it: that is read anew each time. */
export type TokenClaims = {
  readonly id: string
  readonly credentialId: string
  /** Of the secret that it was made of; see `secretMark`. */
  readonly mark: string
  /** Unix milliseconds. */
  readonly expiresAt: number
}

/** A token that was made, and when it ends (Unix milliseconds). */
export type IssuedToken = { readonly token: string; readonly expiresAt: number }

const ISSUER = 'urn:headend'
const ALGORITHM = 'HS256'
const audiences: Readonly<Record<TokenUse, string>> = { token: 'urn:headend:api', session: 'urn:headend:session' }
const types: Readonly<Record<TokenUse, string>> = { token: 'at+jwt', session: 'session+jwt' }
const ID_BYTES = 16

const claimsSchema = z.object({ jti: z.string(), sub: z.string(), mark: z.string(), exp: z.number() })

/** Makes and reads the short tokens of clients and the sessions of browsers (JWT, RFC 7519; HS256). */
export class SignedTokens {
  readonly #key: Uint8Array
  readonly #clock: Pick<Clock, 'now'>
  readonly #random: RandomBytes

  /** `key`: at least 256 bits, the same on all nodes. */
  constructor(key: Uint8Array, clock: Pick<Clock, 'now'>, random: RandomBytes) {
    this.#key = key
    this.#clock = clock
    this.#random = random
  }

  async issue(
    use: TokenUse,
    { id, secretHash }: Pick<Credential, 'id' | 'secretHash'>,
    lifetimeMs: number,
  ): Promise<IssuedToken> {
    const nowS = Math.floor(this.#clock.now() / 1_000)
    const expiresS = nowS + Math.floor(lifetimeMs / 1_000)
    const token = await new SignJWT({ mark: secretMark(secretHash), client_id: id })
      .setProtectedHeader({ alg: ALGORITHM, typ: types[use] })
      .setIssuer(ISSUER)
      .setAudience(audiences[use])
      .setSubject(id)
      .setJti(newSecret(ID_BYTES, this.#random))
      .setIssuedAt(nowS)
      .setExpirationTime(expiresS)
      .sign(this.#key)
    return { token, expiresAt: expiresS * 1_000 }
  }

  /** @throws AppError `UNAUTHENTICATED` */
  async read(use: TokenUse, token: string): Promise<TokenClaims> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience: audiences[use],
        typ: types[use],
        currentDate: new Date(this.#clock.now()),
      })
      const { jti, sub, mark, exp } = claimsSchema.parse(payload)
      return { id: jti, credentialId: sub, mark, expiresAt: exp * 1_000 }
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) throw notLetIn(`The ${use} has expired.`, cause)
      throw notLetIn(`This is no ${use} of ours.`, cause)
    }
  }
}
