import type { DeadLetter } from '../domain/event-subscription.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { FeedEvent } from './ports.ts'

/** An event on its way to a receiver; `letter` where it is a dead letter that is replayed. */
export type DeliveryItem = FeedEvent & { attempts: number; readonly letter?: DeadLetter }

/** Events about one entity, in their order. */
type Lane = { readonly items: DeliveryItem[]; state: 'ready' | 'in-flight' | 'waiting'; timer: Timer | undefined }

/** An event of the log that is not settled yet: its position, and how many attempts have failed. */
export type Pending = readonly [position: number, attempts: number]

/** Bounds of what may be held: beyond either the lanes are full. */
type LaneLimits = { readonly maxItems: number; readonly maxLength: number }

/**
 * What is to be delivered, a lane for each entity: one event of a lane at a time, the next when it is settled. While a lane
 * waits to try again the others go on.
 */
export class DeliveryLanes {
  readonly #clock: Clock
  readonly #limits: LaneLimits
  readonly #onReady: () => void
  readonly #lanes = new Map<string, Lane>()
  /** In the order in which they became ready. */
  readonly #ready = new Set<Lane>()
  readonly #letters = new Set<string>()
  #items = 0
  #length = 0

  /** `onReady` is called when a lane has waited long enough. */
  constructor(clock: Clock, limits: LaneLimits, onReady: () => void) {
    this.#clock = clock
    this.#limits = limits
    this.#onReady = onReady
  }

  get isFull(): boolean {
    return this.#items >= this.#limits.maxItems || this.#length >= this.#limits.maxLength
  }

  add(item: DeliveryItem): void {
    const key = item.event.subject.id
    const lane: Lane = this.#lanes.get(key) ?? { items: [], state: 'ready', timer: undefined }
    this.#lanes.set(key, lane)
    lane.items.push(item)
    if (item.letter) this.#letters.add(item.letter.id)
    this.#items += 1
    this.#length += item.text.length
    if (lane.state === 'ready') this.#ready.add(lane)
  }

  hasLetter(id: string): boolean {
    return this.#letters.has(id)
  }

  /** The event that is to be tried next; its lane holds still until `settle` or `retry`. */
  take(): DeliveryItem | undefined {
    const [lane] = this.#ready
    if (!lane) return undefined
    this.#ready.delete(lane)
    lane.state = 'in-flight'
    return lane.items[0]
  }

  /** The event that was taken is delivered, or given up: the next of its lane may go. */
  settle(item: DeliveryItem): void {
    const key = item.event.subject.id
    const lane = this.#lanes.get(key)
    if (!lane) return
    lane.items.shift()
    if (item.letter) this.#letters.delete(item.letter.id)
    this.#items -= 1
    this.#length -= item.text.length
    if (lane.items.length === 0) this.#lanes.delete(key)
    else this.#open(lane)
  }

  /** The event that was taken is to be taken again after a while. */
  retry(item: DeliveryItem, delayMs: number): void {
    const lane = this.#lanes.get(item.event.subject.id)
    if (!lane) return
    if (delayMs === 0) {
      this.#open(lane)
      return
    }
    lane.state = 'waiting'
    lane.timer = this.#clock.after(delayMs, () => {
      this.#open(lane)
      this.#onReady()
    })
  }

  /** Ends every wait. */
  retryAllNow(): void {
    for (const lane of this.#lanes.values()) {
      if (lane.state === 'waiting') this.#open(lane)
    }
  }

  /** What of the log is not settled, in its order. Replays are not among it: their dead letters are kept until they are. */
  pending(): Pending[] {
    const items = this.#lanes.values().flatMap((lane) => lane.items.filter(({ letter }) => letter === undefined))
    return items
      .map(({ position, attempts }): Pending => [position, attempts])
      .toArray()
      .sort(([a], [b]) => a - b)
  }

  /** Cancels what waits; nothing is to be taken after this. */
  stop(): void {
    for (const lane of this.#lanes.values()) lane.timer?.cancel()
    this.#ready.clear()
  }

  #open(lane: Lane): void {
    lane.timer?.cancel()
    lane.timer = undefined
    lane.state = 'ready'
    this.#ready.add(lane)
  }
}
