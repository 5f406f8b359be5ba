import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Families } from './families.ts'

/** Each tick of its timer wakes the process. */
const LAG_RESOLUTION_MS = 250
const NS_PER_SECOND = 1e9

/** The version that runs, for the build info series. */
export type BuildInfo = { readonly version: string }

/**
 * The process itself. prom-client's own defaults are left out: promtool refuses some of their names. `stop` ends the
 * event loop's monitor.
 */
export class ProcessMetrics {
  readonly #loop = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  #countedCpu = { user: 0, system: 0 }

  constructor(families: Families, build: BuildInfo) {
    this.#loop.enable()
    this.#cpu(families)
    this.#memory(families)
    this.#lag(families)
    families
      .gauge({
        name: 'build_info',
        help: 'Always 1; the labels say which version of Headend and of Node runs.',
        labels: ['version', 'node'],
      })
      .set({ version: build.version, node: process.version }, 1)
  }

  stop(): void {
    this.#loop.disable()
  }

  #cpu(families: Families): void {
    families.counter(
      {
        name: 'process_cpu_seconds_total',
        help: 'Processor time used by this process and its threads; transcoding children are counted apart.',
        labels: ['mode'],
      },
      // A counter that belongs to the operating system is taken over at each scrape as what it has grown by.
      (seconds) => {
        const { user, system } = process.cpuUsage()
        seconds.inc({ mode: 'user' }, Math.max(0, user - this.#countedCpu.user) / 1e6)
        seconds.inc({ mode: 'system' }, Math.max(0, system - this.#countedCpu.system) / 1e6)
        this.#countedCpu = { user, system }
      },
    )
    families.gauge({ name: 'process_uptime_seconds', help: 'Time since the process started.' }, (gauge) =>
      gauge.set(process.uptime()),
    )
  }

  #memory(families: Families): void {
    const memory = families.gauge(
      {
        name: 'process_memory_bytes',
        help: 'Memory of the process by kind: "resident" is what the machine gives it, "heap_used" live JavaScript objects of the main thread, "array_buffers" media and other buffers.',
        labels: ['kind'],
      },
      () => {
        const usage = process.memoryUsage()
        memory.set({ kind: 'resident' }, usage.rss)
        memory.set({ kind: 'heap_used' }, usage.heapUsed)
        memory.set({ kind: 'array_buffers' }, usage.arrayBuffers)
      },
    )
  }

  #lag(families: Families): void {
    const lag = families.gauge(
      {
        name: 'event_loop_lag_seconds',
        help: 'How late the main thread ran its timers since the last scrape: mean, 99th percentile and maximum.',
        labels: ['statistic'],
      },
      () => {
        // The monitor measures the whole distance between two of its ticks; what is more than one tick is lag.
        const over = (ns: number) => (Number.isNaN(ns) ? 0 : Math.max(0, ns / NS_PER_SECOND - LAG_RESOLUTION_MS / 1000))
        lag.set({ statistic: 'mean' }, over(this.#loop.mean))
        lag.set({ statistic: 'p99' }, over(this.#loop.percentile(99)))
        lag.set({ statistic: 'max' }, this.#loop.count === 0 ? 0 : over(this.#loop.max))
        this.#loop.reset()
      },
    )
  }
}
