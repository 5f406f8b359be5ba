import type { KeyDelivery, KeyRefusal } from '../domain/key-refusal.ts'
import type { Clock, Timer } from '../lib/clock.ts'

/** So many answers alike, about one key. */
export type DeliveryReport = {
  readonly accountId: string
  readonly keyId: string
  readonly delivery: KeyDelivery
  readonly count: number
} & (
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused'; readonly reason: KeyRefusal; readonly address: string }
)

type Key = { readonly accountId: string; readonly keyId: string }

const REFUSALS_MS = 1_000
const DELIVERIES_MS = 60_000
/** In a second, and in a minute; beyond them only metrics count. */
const MAX_REFUSALS = 256
const MAX_DELIVERIES = 10_000

type Tally = { readonly report: Omit<DeliveryReport, 'count'>; count: number }

/**
 * Brings together what is to be told of key deliveries: refusals alike within a second, deliveries of a key within a minute, so that
 * neither a crowd nor an attack fills the log of events.
 */
export class DeliveryReports {
  readonly #send: (reports: readonly DeliveryReport[]) => void
  readonly #refusals = new Map<string, Tally>()
  readonly #deliveries = new Map<string, Tally>()
  readonly #timers: readonly Timer[]

  constructor(clock: Clock, send: (reports: readonly DeliveryReport[]) => void) {
    this.#send = send
    this.#timers = [
      clock.every(REFUSALS_MS, () => this.#flush(this.#refusals)),
      clock.every(DELIVERIES_MS, () => this.#flush(this.#deliveries)),
    ]
  }

  delivered(delivery: KeyDelivery, { accountId, keyId }: Key): void {
    count(this.#deliveries, MAX_DELIVERIES, { kind: 'delivered', accountId, keyId, delivery })
  }

  refused(delivery: KeyDelivery, { accountId, keyId }: Key, reason: KeyRefusal, address: string): void {
    const report = { kind: 'refused', accountId, keyId, delivery, reason, address: address.slice(0, 64) } as const
    count(this.#refusals, MAX_REFUSALS, report)
  }

  /** Sends what is left. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#flush(this.#refusals)
    this.#flush(this.#deliveries)
  }

  #flush(tallies: Map<string, Tally>): void {
    if (tallies.size === 0) return
    // What a tally was made of is a report but for its count.
    this.#send([...tallies.values()].map(({ report, count: times }) => ({ ...report, count: times }) as DeliveryReport))
    tallies.clear()
  }
}

function count(tallies: Map<string, Tally>, max: number, report: Omit<DeliveryReport, 'count'>): void {
  const key = JSON.stringify(report)
  const known = tallies.get(key)
  if (known) known.count += 1
  else if (tallies.size < max) tallies.set(key, { report, count: 1 })
}
