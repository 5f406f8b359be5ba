import { type Credential, isCredentialValid } from '../../domain/credential.ts'
import { idSchema } from '../../domain/kinds.ts'
import type { Repository } from '../../domain/repository.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { LoginAudit } from './login-audit.ts'
import type { LoginGuard } from './login-guard.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { notLetIn, tooMany } from './refusal.ts'
import { matchesSecret, secretMark } from './secret-hash.ts'
import type { SignedTokens, TokenClaims, TokenUse } from './signed-tokens.ts'

type AuthenticatorDeps = {
  readonly repository: Repository
  readonly clock: Clock
  readonly logger: Logger
  readonly guard: LoginGuard
  readonly audit: LoginAudit
  readonly tokens: SignedTokens
  /** What one credential may ask, in whatever form it comes. */
  readonly requests: RateLimiter
}

/** A credential's id, as far as somebody says so, and its secret. */
export type Login = { readonly credentialId: string; readonly secret: string }

const WRONG = 'No credential has this key: it may have been deleted, or its secret made anew.'
const DEAD = 'Its credential has been deleted, or its secret made anew.'

/**
 * Finds the credential behind what somebody shows. It is read from the store each time: what was deleted, expired or given
 * another secret a moment ago lets nobody in any more. A store that is down is never taken for a wrong secret.
 */
export class Authenticator {
  readonly #deps: AuthenticatorDeps

  constructor(deps: AuthenticatorDeps) {
    this.#deps = deps
  }

  /** @throws AppError `UNAUTHENTICATED`, `RATE_LIMITED`, `STORE_DOWN` */
  async bySecret({ credentialId, secret }: Login, address: string): Promise<Credential> {
    const { repository, guard } = this.#deps
    const id = idSchema('credential').safeParse(credentialId).data
    await guard.assertOpen(address, id)
    const credential = id === undefined ? undefined : await repository.findAnywhere('credential', id)
    const isRight = matchesSecret(secret, credential?.secretHash)
    // Of guesses that came together, those after the last that was allowed learn nothing.
    await guard.assertOpen(address, id)
    if (!credential || !isRight) {
      await this.#count(address, id, credential)
      throw notLetIn(WRONG)
    }
    await this.#admit(credential)
    await guard.succeeded(address, credential.id)
    return credential
  }

  /**
   * What is signed can't be guessed: one that is old, or of another installation (browsers send cookies to every port of a
   * host), is no failed login.
   *
   * @throws AppError `UNAUTHENTICATED`, `RATE_LIMITED`, `STORE_DOWN`
   */
  async byToken(
    use: TokenUse,
    token: string,
  ): Promise<{ readonly credential: Credential; readonly claims: TokenClaims }> {
    const claims = await this.#deps.tokens.read(use, token)
    const credential = await this.#deps.repository.findAnywhere('credential', claims.credentialId)
    if (!credential || secretMark(credential.secretHash) !== claims.mark) throw notLetIn(DEAD)
    await this.#admit(credential)
    return { credential, claims }
  }

  async #count(address: string, credentialId: string | undefined, credential: Credential | undefined): Promise<void> {
    const isShutOut = await this.#deps.guard.failed(address, credentialId)
    if (isShutOut) this.#deps.logger.warn({ address, credentialId }, 'too many failed logins: shut out for a while')
    if (credential) await this.#deps.audit.failed(credential, address, isShutOut ? 'RATE_LIMITED' : 'UNAUTHENTICATED')
  }

  async #admit(credential: Credential): Promise<void> {
    const waitMs = await this.#deps.requests.take(credential.id)
    if (waitMs > 0) throw tooMany('Too many requests with this credential.', waitMs)
    if (!isCredentialValid(credential, this.#deps.clock.now())) {
      throw notLetIn(`This credential has expired at ${credential.expiresAt}.`)
    }
  }
}
