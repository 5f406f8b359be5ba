import { RateLimiterMemory } from 'rate-limiter-flexible'

/**
 * Counts what happens under a key. The library behind it reads the machine's clock and sets timers that keep no process
 * alive; all that is asked of it goes through these four.
 */
export type RateLimiter = {
  /** Counts one; gives how long to wait, in ms, where that was one too many, else 0. */
  take(key: string): Promise<number>
  /** Counts one, and closes the key for the lock-out where that makes the limit; gives how many are left: below 0 it was closed. */
  fail(key: string): Promise<number>
  /** How long the key stays closed, in ms; 0 where it is open. */
  closedMs(key: string): Promise<number>
  /** Forgets what was counted. */
  clear(key: string): Promise<void>
}

/** `count` in `windowMs`; a key that has failed so often is closed for `lockOutMs`. */
export type RateLimit = { readonly count: number; readonly windowMs: number; readonly lockOutMs?: number }

const MAX_KEYS = 10_000

/** In memory, of at most 10,000 keys: past them the one that was counted longest ago is forgotten. */
export class MemoryRateLimiter implements RateLimiter {
  readonly #limiter: RateLimiterMemory
  readonly #limit: RateLimit
  readonly #maxKeys: number
  readonly #keys = new Set<string>()

  constructor(limit: RateLimit, maxKeys: number = MAX_KEYS) {
    this.#limit = limit
    this.#maxKeys = maxKeys
    this.#limiter = new RateLimiterMemory({ points: limit.count, duration: limit.windowMs / 1_000 })
  }

  async take(key: string): Promise<number> {
    await this.#touch(key)
    const { consumedPoints, msBeforeNext } = await this.#limiter.penalty(key)
    return consumedPoints > this.#limit.count ? Math.max(1, msBeforeNext) : 0
  }

  async fail(key: string): Promise<number> {
    await this.#touch(key)
    const { consumedPoints } = await this.#limiter.penalty(key)
    const left = this.#limit.count - consumedPoints
    if (left === 0) await this.#limiter.block(key, (this.#limit.lockOutMs ?? this.#limit.windowMs) / 1_000)
    return left
  }

  async closedMs(key: string): Promise<number> {
    const found = await this.#limiter.get(key)
    return found && found.consumedPoints > this.#limit.count ? Math.max(0, found.msBeforeNext) : 0
  }

  async clear(key: string): Promise<void> {
    if (this.#keys.delete(key)) await this.#limiter.delete(key)
  }

  /** The set is in the order of use. */
  async #touch(key: string): Promise<void> {
    this.#keys.delete(key)
    this.#keys.add(key)
    const [oldest] = this.#keys
    if (this.#keys.size > this.#maxKeys && oldest !== undefined) await this.clear(oldest)
  }
}
