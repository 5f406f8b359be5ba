import type { Families } from './families.ts'

/** How an attempt to deliver an event to a webhook ended, or that an event was given up on. */
export type DeliveryOutcome = 'delivered' | 'failed' | 'refused' | 'dead-letter'

/** Why an event socket ended. */
export type ClientEnd = 'client' | 'gone' | 'revoked' | 'silent' | 'slow' | 'stopped'

const SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The log of events and those who hear of them. */
export class EventMetrics {
  readonly #recorded
  readonly #dropped
  readonly #deliveries
  readonly #attempts
  readonly #clients
  readonly #closed

  constructor(families: Families) {
    this.#recorded = families.counter({
      name: 'events_recorded_total',
      help: 'Events of this node’s own parts that were written to the log; those of the API are written with the change.',
    })
    this.#dropped = families.counter({
      name: 'events_dropped_total',
      help: 'Events that were lost because the store was down for too long, or refused them: heartbeats go first.',
      labels: ['event'],
    })
    this.#deliveries = families.counter({
      name: 'webhook_deliveries_total',
      help: 'Attempts to post an event to a webhook by outcome, and events that became dead letters after the last of them.',
      labels: ['outcome'],
    })
    this.#attempts = families.histogram(
      { name: 'webhook_attempt_seconds', help: 'How long attempts to post an event to a webhook took.' },
      SECONDS,
    )
    this.#clients = families.gauge({
      name: 'event_clients',
      help: 'Event sockets (WebSockets) that are open.',
    })
    this.#closed = families.counter({
      name: 'event_clients_closed_total',
      help: 'Event sockets that ended, by reason: "slow" are those that did not read as fast as events came.',
      labels: ['reason'],
    })
  }

  recorded(count: number): void {
    this.#recorded.inc(count)
  }

  dropped(what: 'heartbeat' | 'other', count: number): void {
    this.#dropped.inc({ event: what }, count)
  }

  delivery(outcome: DeliveryOutcome, seconds: number): void {
    this.#deliveries.inc({ outcome })
    if (outcome !== 'dead-letter') this.#attempts.observe(seconds)
  }

  clientOpened(): void {
    this.#clients.inc()
  }

  /** Once for each `clientOpened`. */
  clientClosed(end: ClientEnd): void {
    this.#clients.dec()
    this.#closed.inc({ reason: end })
  }
}
