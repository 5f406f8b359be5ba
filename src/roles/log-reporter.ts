import type { Clock, Timer } from '../lib/clock.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { LogMetrics } from '../telemetry/log-metrics.ts'
import type { ChannelHost } from './channel-host.ts'
import type { OriginPool } from './origin-pool.ts'

const REPORT_MS = 1_000

type Counted = { position: number; window: number; budget: number }

/** Tells the metrics, once a second, what the logs hold and how far the origin threads are behind them. */
export class LogReporter implements Stoppable {
  readonly #hosts: readonly ChannelHost[]
  readonly #origins: OriginPool
  readonly #metrics: LogMetrics
  readonly #timer: Timer
  readonly #counted = new Map<string, Counted>()
  readonly #resyncs = new Map<number, number>()

  constructor(hosts: readonly ChannelHost[], origins: OriginPool, metrics: LogMetrics, clock: Clock) {
    this.#hosts = hosts
    this.#origins = origins
    this.#metrics = metrics
    this.#timer = clock.every(REPORT_MS, () => this.#report())
  }

  async stop(): Promise<void> {
    this.#timer.cancel()
  }

  #report(): void {
    for (const { name, logs } of this.#hosts) {
      const heldBytes = logs.reduce((sum, log) => sum + log.sizeBytes, 0)
      const indexBytes = logs.reduce((sum, log) => sum + log.indexBytes, 0)
      this.#metrics.report(name, { heldBytes, indexBytes })
      for (const log of logs) this.#count(name, log)
    }
    for (const { thread, unackedEntries, staleCount } of this.#origins.feedStates()) {
      this.#metrics.replicaLag(thread, unackedEntries)
      for (let seen = this.#resyncs.get(thread) ?? 0; seen < staleCount; seen++) this.#metrics.replicaResynced()
      this.#resyncs.set(thread, staleCount)
    }
  }

  #count(channel: string, log: PresentationLog): void {
    const before = this.#counted.get(log.id) ?? { position: 0, window: 0, budget: 0 }
    const now = { position: log.position, ...log.evictions }
    this.#metrics.recordsAppended(channel, now.position - before.position)
    this.#metrics.evicted(channel, 'window', now.window - before.window)
    this.#metrics.evicted(channel, 'budget', now.budget - before.budget)
    this.#counted.set(log.id, now)
  }
}
