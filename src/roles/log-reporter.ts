import type { Clock, Timer } from '../lib/clock.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { LogMetrics } from '../telemetry/log-metrics.ts'
import type { OriginPool } from './origin-pool.ts'

const REPORT_MS = 1_000

/** A running channel, as it is called in metrics, and the logs that it writes. */
export type ReportedChannel = { readonly name: string; readonly logs: readonly PresentationLog[] }

/** What is reported. */
export type LogSources = {
  channels(): Iterable<ReportedChannel>
  /** Of presentations that no channel writes any more. */
  endedBytes(): number
}

type Counted = { position: number; window: number; budget: number }

/** Tells the metrics, once a second, what the logs hold and how far the origin threads are behind them. */
export class LogReporter implements Stoppable {
  readonly #sources: LogSources
  readonly #origins: OriginPool
  readonly #metrics: LogMetrics
  readonly #timer: Timer
  /** By the log itself: one that takes another's place begins anew. */
  readonly #counted = new WeakMap<PresentationLog, Counted>()
  readonly #resyncs = new Map<number, number>()

  constructor(sources: LogSources, origins: OriginPool, metrics: LogMetrics, clock: Clock) {
    this.#sources = sources
    this.#origins = origins
    this.#metrics = metrics
    this.#timer = clock.every(REPORT_MS, () => this.#report())
  }

  async stop(): Promise<void> {
    this.#timer.cancel()
  }

  #report(): void {
    for (const { name, logs } of this.#sources.channels()) {
      // A channel's logs hold the same fragments, which lie in memory once: the longest one's are all of them.
      const heldBytes = logs.reduce((most, log) => Math.max(most, log.sizeBytes), 0)
      const indexBytes = logs.reduce((sum, log) => sum + log.indexBytes, 0)
      this.#metrics.report(name, { heldBytes, indexBytes })
      for (const log of logs) this.#count(name, log)
    }
    this.#metrics.ended(this.#sources.endedBytes())
    for (const { thread, unackedEntries, staleCount } of this.#origins.feedStates()) {
      this.#metrics.replicaLag(thread, unackedEntries)
      for (let seen = this.#resyncs.get(thread) ?? 0; seen < staleCount; seen++) this.#metrics.replicaResynced()
      this.#resyncs.set(thread, staleCount)
    }
  }

  #count(channel: string, log: PresentationLog): void {
    const before = this.#counted.get(log) ?? { position: 0, window: 0, budget: 0 }
    const now = { position: log.position, ...log.evictions }
    this.#metrics.recordsAppended(channel, now.position - before.position)
    this.#metrics.evicted(channel, 'window', now.window - before.window)
    this.#metrics.evicted(channel, 'budget', now.budget - before.budget)
    this.#counted.set(log, now)
  }
}
