import type { NewEvent } from '../domain/events.ts'

/** Whether an event is one of those that the next one of its kind makes up for. */
export function isHeartbeat(event: Pick<NewEvent, 'type'>): boolean {
  return event.type === 'channel.ingest-heartbeat'
}

/** Events that wait to be written, in order and bounded in number: what doesn't fit pushes out a heartbeat, then the oldest. */
export class EventQueue {
  readonly #limit: number
  /** By the order in which they came. */
  readonly #waiting = new Map<number, NewEvent>()
  readonly #heartbeats = new Set<number>()
  #next = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#waiting.size
  }

  /** The event that had to go for it, if one had to: perhaps itself. */
  push(event: NewEvent): NewEvent | undefined {
    const dropped = this.#waiting.size < this.#limit ? undefined : this.#makeRoom(event)
    if (dropped === event) return dropped
    const order = this.#next++
    this.#waiting.set(order, event)
    if (isHeartbeat(event)) this.#heartbeats.add(order)
    return dropped
  }

  /** Takes up to `count`, oldest first. */
  take(count: number): NewEvent[] {
    const taken = [...this.#waiting.entries().take(count)]
    for (const [order] of taken) this.#forget(order)
    return taken.map(([, event]) => event)
  }

  #makeRoom(newcomer: NewEvent): NewEvent | undefined {
    const [heartbeat] = this.#heartbeats
    if (heartbeat === undefined && isHeartbeat(newcomer)) return newcomer
    const [oldest] = this.#waiting.keys()
    const order = heartbeat ?? oldest
    const dropped = order === undefined ? undefined : this.#waiting.get(order)
    if (order !== undefined) this.#forget(order)
    return dropped
  }

  #forget(order: number): void {
    this.#waiting.delete(order)
    this.#heartbeats.delete(order)
  }
}
