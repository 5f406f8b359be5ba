import { siteOf } from '../domain/network-site.ts'
import type { Clock } from '../lib/clock.ts'

/** `count` requests of one address within `windowMs`. */
export type Allowance = { readonly count: number; readonly windowMs: number }

const MAX_SITES = 20_000

/** How often an address may come, counted in fixed windows; past 20,000 addresses the one that came longest ago is forgotten. */
export class AddressAllowance {
  readonly #allowance: Allowance
  readonly #clock: Clock
  readonly #sites = new Map<string, { readonly startMs: number; taken: number }>()

  constructor(allowance: Allowance, clock: Clock) {
    this.#allowance = allowance
    this.#clock = clock
  }

  /** Counts as many; gives how long to wait, in ms, where that was too many, else 0. */
  take(address: string, many = 1): number {
    const { count, windowMs } = this.#allowance
    const site = siteOf(address)
    const nowMs = this.#clock.monotonicMs()
    const known = this.#sites.get(site)
    const current = known && nowMs - known.startMs < windowMs ? known : { startMs: nowMs, taken: 0 }
    this.#sites.delete(site)
    this.#sites.set(site, current)
    const [oldest] = this.#sites.keys()
    if (this.#sites.size > MAX_SITES && oldest !== undefined) this.#sites.delete(oldest)
    current.taken += many
    return current.taken > count ? Math.max(1, current.startMs + windowMs - nowMs) : 0
  }
}
