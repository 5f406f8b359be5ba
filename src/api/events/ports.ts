import type { Change } from '../../domain/entity-store.ts'
import type { HeadendEvent } from '../../domain/events.ts'

/** An event with its JSON, made once for all who get it. */
export type StreamedEvent = { readonly event: HeadendEvent; readonly text: string }

/** Where an account's events are followed. */
export type EventSource = {
  /** The sequence of the newest event of all accounts. @throws AppError `STORE_DOWN` */
  newest(): Promise<number>
  /**
   * From an event's sequence, or from now, on, in order and without gap, until the signal is aborted.
   * @throws AppError `EVENTS_GONE` where the log doesn't reach back that far
   */
  follow(
    accountId: string,
    after: number | undefined,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly events: readonly StreamedEvent[] }>
}

/** Tells what was written to the store. */
export type ChangeNotices = {
  /** Calls `listener`, which must not throw, until the function that it gives is called. */
  onChange(listener: (changes: readonly Change[]) => void): () => void
}

/** Why an event socket ended: its client, or a reason of ours. */
export type ClientEnd = 'client' | 'gone' | 'revoked' | 'silent' | 'slow' | 'stopped'

/** What becomes of event sockets, for metrics. */
export type EventClientObserver = {
  clientOpened(): void
  /** Once for each `clientOpened`. */
  clientClosed(end: ClientEnd): void
}
