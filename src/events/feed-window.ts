import type { FeedEvent } from './ports.ts'

/** The newest events of all accounts, bounded in number and in characters of text: what the live edge is served from. */
export class FeedWindow {
  readonly #maxEvents: number
  readonly #maxLength: number
  #events: FeedEvent[] = []
  #length = 0
  #start: number
  #head: number

  /** `position`: up to which nothing is held. */
  constructor(position: number, limits: { readonly maxEvents: number; readonly maxLength: number }) {
    this.#maxEvents = limits.maxEvents
    this.#maxLength = limits.maxLength
    this.#start = position
    this.#head = position
  }

  /** The position of the newest event that is known. */
  get head(): number {
    return this.#head
  }

  /** Forgets what it holds, for a log that goes on after `position`. */
  reset(position: number): void {
    this.#events = []
    this.#length = 0
    this.#start = position
    this.#head = position
  }

  /** Takes what follows the head in the log, in order; the oldest go. */
  append(events: readonly FeedEvent[]): void {
    for (const event of events) {
      this.#events.push(event)
      this.#length += event.text.length
      this.#head = event.position
    }
    let gone = 0
    while (this.#events.length - gone > this.#maxEvents || this.#length > this.#maxLength) {
      const oldest = this.#events[gone]
      if (!oldest) break
      this.#length -= oldest.text.length
      this.#start = oldest.position
      gone += 1
    }
    this.#events.splice(0, gone)
  }

  /** An account's events after a position, up to the head; `undefined` where some of them are not held any more. */
  after(position: number, accountId: string): readonly FeedEvent[] | undefined {
    if (position < this.#start) return undefined
    const first = this.#events.findLastIndex((event) => event.position <= position) + 1
    return this.#events.slice(first).filter(({ event }) => event.accountId === accountId)
  }
}
