import { siteOf } from '../../domain/network-site.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { tooMany } from './refusal.ts'

/** What is counted of logins. */
export type LoginLimiters = {
  /** Failed logins from one address, whatever they named. */
  readonly address: RateLimiter
  /** Failed logins with one credential from one address. */
  readonly credential: RateLimiter
}

const MAX_KNOWN = 10_000

/**
 * Shuts out who guesses. What fails is counted by address, and by credential *at* an address: whatever happens at one
 * address, the owner of a credential gets in from another. What has come in from an address before isn't shut out with it,
 * so that one client's mistake behind a shared address stays its own.
 */
export class LoginGuard {
  readonly #limiters: LoginLimiters
  /** Credentials at addresses from which they have come in, in the order of their last use. */
  readonly #known = new Set<string>()

  constructor(limiters: LoginLimiters) {
    this.#limiters = limiters
  }

  /** @throws AppError `RATE_LIMITED` */
  async assertOpen(address: string, credentialId: string | undefined): Promise<void> {
    const site = siteOf(address)
    const pair = `${credentialId ?? ''} ${site}`
    const waitMs = Math.max(
      credentialId === undefined ? 0 : await this.#limiters.credential.closedMs(pair),
      this.#known.has(pair) ? 0 : await this.#limiters.address.closedMs(site),
    )
    if (waitMs > 0) throw tooMany('Too many failed logins.', waitMs)
  }

  /**
   * Counts a failure; `true` where it was the one that shut somebody out.
   *
   * @throws AppError `RATE_LIMITED` where they were shut out meanwhile: of guesses that come together none is told more
   */
  async failed(address: string, credentialId: string | undefined): Promise<boolean> {
    const site = siteOf(address)
    const pair = `${credentialId ?? ''} ${site}`
    const leftHere = await this.#limiters.address.fail(site)
    const left = credentialId === undefined ? leftHere : await this.#limiters.credential.fail(pair)
    const isKnown = this.#known.has(pair)
    if (left < 0 || (leftHere < 0 && !isKnown)) await this.assertOpen(address, credentialId)
    return left === 0 || leftHere === 0
  }

  /** Somebody came in. */
  async succeeded(address: string, credentialId: string): Promise<void> {
    const pair = `${credentialId} ${siteOf(address)}`
    this.#known.delete(pair)
    this.#known.add(pair)
    const [oldest] = this.#known
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest)
    await this.#limiters.credential.clear(pair)
  }
}
