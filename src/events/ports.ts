import type { Change, EntityStore } from '../domain/entity-store.ts'
import type { HeadendEvent } from '../domain/events.ts'

/** The part of the store that holds the log of events. */
export type EventLog = Pick<EntityStore, 'readRecords'>

/** Tells what was written to the store, by this node or another, in batches that are never empty. */
export type ChangeNotices = {
  /** Calls `listener`, which must not throw, with every batch, until the function that it gives is called. */
  onChange(listener: (changes: readonly Change[]) => void): () => void
  /** The same, where changes were missed: what is kept of the store is to be read again. */
  onReset(listener: () => void): () => void
}

/** An event on its way to those who follow: `position` is its sequence in the log, `text` its JSON, made once for all. */
export type FeedEvent = { readonly position: number; readonly event: HeadendEvent; readonly text: string }

/** What an account's log holds after the page before, up to and including `position`. */
export type FeedPage = { readonly position: number; readonly events: readonly FeedEvent[] }

/** What comes of events, for metrics. */
export type RecorderObserver = {
  recorded(count: number): void
  dropped(what: 'heartbeat' | 'other', count: number): void
}

/** How an attempt to deliver an event to a webhook, or a whole delivery, ended. */
export type DeliveryOutcome = 'delivered' | 'failed' | 'refused' | 'dead-letter'

/** What comes of deliveries, for metrics. */
export type WebhookObserver = {
  /** `seconds` is how long the attempt took; 0 for `dead-letter`, which is told beside the last attempt's own outcome. */
  delivery(outcome: DeliveryOutcome, seconds: number): void
}
