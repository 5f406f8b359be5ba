import { periodKeyId } from '../domain/key-id.ts'
import type { Clock } from '../lib/clock.ts'
import type { KeyPeriod, KeyWish, PeriodWish, ProvidedKey } from './key-provider.ts'

/** Keys of these KIDs, in their order. */
type FetchKeys = (wish: KeyWish, kids: readonly PeriodWish[], signal: AbortSignal) => Promise<ProvidedKey[]>

/** Where keys of periods outlive the process; what it has of a KID never changes. */
export type PeriodShelf = {
  find(wish: KeyWish, kid: string): Promise<ProvidedKey | undefined>
  /** Gives what is kept from now on, which is what another node has kept where that was first. */
  keep(wish: KeyWish, kid: string, key: ProvidedKey): Promise<ProvidedKey>
}

/** Periods that are asked for along with the one that is needed. */
const AHEAD = 3
/** In memory: some hours of many keys, or days of one. */
const MAX_KEYS = 10_000

/**
 * The keys of the periods of keys that rotate, as a provider gives them: each asked for once, and the next ones with it, so that no player waits for a
 * provider when the key changes, and one that is down for less than some periods is noticed by nobody. What is on the shelf is not asked for again.
 */
export class PeriodKeys {
  readonly #fetch: FetchKeys
  readonly #clock: Clock
  readonly #shelf: PeriodShelf
  /** In the order of use. */
  readonly #known = new Map<string, Promise<ProvidedKey>>()

  constructor(fetch: FetchKeys, clock: Clock, shelf: PeriodShelf) {
    this.#fetch = fetch
    this.#clock = clock
    this.#shelf = shelf
  }

  /** @throws AppError `KEY_PROVIDER_DOWN`; the signal's reason */
  async keyOf(wish: KeyWish, { kid, startMs, periodMs }: KeyPeriod, signal: AbortSignal): Promise<ProvidedKey> {
    const known = this.#known.get(kid)
    const ahead = this.#missing(wish.keyId, startMs, periodMs)
    if (known) {
      this.#keep(kid, known)
      // One period before the stock runs out there is time to fill it; nobody waits for that.
      if (ahead.length >= AHEAD - 1) this.#begin(wish, ahead, signal)
      return known
    }
    this.#begin(wish, [{ kid, startMs }, ...ahead], signal)
    return this.#known.get(kid) as Promise<ProvidedKey>
  }

  /** Of a recording's periods, which are over, none is fetched that nobody has asked for. */
  #missing(keyId: string, startMs: number, periodMs: number): Required<PeriodWish>[] {
    if (startMs + periodMs < this.#clock.now() - periodMs) return []
    const starts = Array.from({ length: AHEAD }, (_, at) => startMs + (at + 1) * periodMs)
    return starts
      .map((start) => ({ kid: periodKeyId(keyId, start), startMs: start }))
      .filter(({ kid }) => !this.#known.has(kid))
  }

  /** One request for all that are not on the shelf; what fails is forgotten, and asked for again by whoever needs it. */
  #begin(wish: KeyWish, periods: readonly Required<PeriodWish>[], signal: AbortSignal): void {
    const found = periods.map(({ kid }) => this.#shelf.find(wish, kid))
    const fetched = this.#fetchMissing(wish, periods, found, signal)
    // Those that are found need none of it; whoever needs it is told below.
    fetched.catch(() => undefined)
    for (const [at, { kid }] of periods.entries()) {
      const one = Promise.resolve(found[at]).then(async (known) => known ?? ((await fetched).get(kid) as ProvidedKey))
      this.#keep(kid, one)
      one.catch(() => {
        if (this.#known.get(kid) === one) this.#known.delete(kid)
      })
    }
  }

  async #fetchMissing(
    wish: KeyWish,
    periods: readonly Required<PeriodWish>[],
    found: readonly Promise<ProvidedKey | undefined>[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ProvidedKey>> {
    const known = await Promise.all(found)
    const missing = periods.filter((_, at) => !known[at])
    if (missing.length === 0) return new Map()
    const keys = await this.#fetch(wish, missing, signal)
    const kept = missing.map(async ({ kid }, at) => {
      // One was asked for, and the client gives as many.
      return [kid, await this.#shelf.keep(wish, kid, keys[at] as ProvidedKey)] as const
    })
    return new Map(await Promise.all(kept))
  }

  #keep(kid: string, key: Promise<ProvidedKey>): void {
    this.#known.delete(kid)
    this.#known.set(kid, key)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_KEYS && oldest !== undefined) this.#known.delete(oldest)
  }
}
