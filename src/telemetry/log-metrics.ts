import type { Families } from './families.ts'

/** Why segments left the log: they fell out of the window, or the byte budget was reached before that. */
export type EvictionCause = 'budget' | 'window'

/** How much of a channel's presentation the log keeps now. */
export type LogReport = { readonly heldBytes: number; readonly indexBytes: number }

/** The presentation log and its replicas in the origin threads. */
export class LogMetrics {
  readonly #heldBytes
  readonly #indexBytes
  readonly #endedBytes
  readonly #records
  readonly #evictions
  readonly #resyncs
  readonly #lag
  #refresh: () => void = () => undefined

  constructor(families: Families) {
    const labels = ['channel'] as const
    this.#heldBytes = families.gauge(
      {
        name: 'log_held_bytes',
        help: 'Media bytes that the presentation log of the channel keeps in memory.',
        labels,
      },
      () => this.#refresh(),
    )
    this.#indexBytes = families.gauge({
      name: 'log_index_bytes',
      help: 'Memory used by the segment index of the channel.',
      labels,
    })
    this.#endedBytes = families.gauge({
      name: 'log_ended_bytes',
      help: 'Media bytes kept in memory of presentations that have ended and can still be watched.',
    })
    this.#records = families.counter({
      name: 'log_records_total',
      help: 'Records appended to the presentation log of the channel.',
      labels,
    })
    this.#evictions = families.counter({
      name: 'log_evictions_total',
      help: 'Segments discarded from the log: "window" is the ordinary end of life, "budget" means that memory ran out first.',
      labels: [...labels, 'cause'],
    })
    this.#resyncs = families.counter({
      name: 'log_replica_resyncs_total',
      help: 'Times that an origin thread lost its place in the log and was given a whole snapshot again.',
    })
    this.#lag = families.gauge({
      name: 'log_replica_lag_records',
      help: 'Records sent to an origin thread that it has not acknowledged.',
      labels: ['thread'],
    })
  }

  /** Calls `refresh` at each scrape, which then shows what is held at that moment; the result ends that. There is one at a time. */
  beforeScrape(refresh: () => void): () => void {
    this.#refresh = refresh
    return () => {
      if (this.#refresh === refresh) this.#refresh = () => undefined
    }
  }

  recordsAppended(channel: string, count: number): void {
    this.#records.inc({ channel }, count)
  }

  report(channel: string, report: LogReport): void {
    this.#heldBytes.set({ channel }, report.heldBytes)
    this.#indexBytes.set({ channel }, report.indexBytes)
  }

  ended(heldBytes: number): void {
    this.#endedBytes.set(heldBytes)
  }

  evicted(channel: string, cause: EvictionCause, segments: number): void {
    this.#evictions.inc({ channel, cause }, segments)
  }

  replicaResynced(): void {
    this.#resyncs.inc()
  }

  /** `thread` is the thread's place among its siblings, counted from 0; a successor takes over the number. */
  replicaLag(thread: number, records: number): void {
    this.#lag.set({ thread }, records)
  }
}
