import type { Clock, Timer } from '../lib/clock.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { OriginPool } from './origin-pool.ts'
import type { ShelvedPresentation } from './presentation-shelf.ts'

const REPORT_MS = 1_000

/** A running channel, as it is called in metrics, and the logs that it writes. */
export type ReportedChannel = { readonly name: string; readonly logs: readonly PresentationLog[] }

/** What is reported. */
export type LogSources = {
  channels(): Iterable<ReportedChannel>
  /** What is on the shelf. */
  presentations(): Iterable<Pick<ShelvedPresentation, 'log' | 'state' | 'recording'>>
}

type Counted = { position: number; window: number; budget: number }

/** Tells the metrics, once a second and at each scrape, what the logs hold and how far the origin threads are behind them. */
export class LogReporter implements Stoppable {
  readonly #sources: LogSources
  readonly #origins: OriginPool
  readonly #metrics: Pick<Metrics, 'log' | 'archive'>
  readonly #timer: Timer
  readonly #endRefresh: () => void
  /** By the log itself: one that takes another's place begins anew. */
  readonly #counted = new WeakMap<PresentationLog, Counted>()
  readonly #resyncs = new Map<number, number>()

  constructor(sources: LogSources, origins: OriginPool, metrics: Pick<Metrics, 'log' | 'archive'>, clock: Clock) {
    this.#sources = sources
    this.#origins = origins
    this.#metrics = metrics
    this.#timer = clock.every(REPORT_MS, () => this.#report())
    // A dozen megabytes come in a second: what was held a second ago explains no figure of the process's memory.
    this.#endRefresh = metrics.log.beforeScrape(() => this.#report())
  }

  async stop(): Promise<void> {
    this.#timer.cancel()
    this.#endRefresh()
  }

  #report(): void {
    for (const { name, logs } of this.#sources.channels()) {
      // A channel's logs hold the same fragments, which lie in memory once: the longest one's are all of them.
      const heldBytes = logs.reduce((most, log) => Math.max(most, log.sizeBytes), 0)
      const indexBytes = logs.reduce((sum, log) => sum + log.indexBytes, 0)
      this.#metrics.log.report(name, { heldBytes, indexBytes })
      for (const log of logs) this.#count(name, log)
    }
    this.#reportPresentations()
    for (const { thread, unackedEntries, staleCount } of this.#origins.feedStates()) {
      this.#metrics.log.replicaLag(thread, unackedEntries)
      for (let seen = this.#resyncs.get(thread) ?? 0; seen < staleCount; seen++) this.#metrics.log.replicaResynced()
      this.#resyncs.set(thread, staleCount)
    }
  }

  #reportPresentations(): void {
    let endedBytes = 0
    let spooledBytes = 0
    let queuedBytes = 0
    for (const { log, state, recording } of this.#sources.presentations()) {
      if (state !== 'growing') endedBytes += log.sizeBytes
      spooledBytes += recording?.spooledBytes ?? 0
      queuedBytes += recording?.queuedBytes ?? 0
    }
    this.#metrics.log.ended(endedBytes)
    this.#metrics.archive.report({ spooledBytes, queuedBytes })
  }

  #count(channel: string, log: PresentationLog): void {
    const before = this.#counted.get(log) ?? { position: 0, window: 0, budget: 0 }
    const now = { position: log.position, ...log.evictions }
    this.#metrics.log.recordsAppended(channel, now.position - before.position)
    this.#metrics.log.evicted(channel, 'window', now.window - before.window)
    this.#metrics.log.evicted(channel, 'budget', now.budget - before.budget)
    this.#counted.set(log, now)
  }
}
