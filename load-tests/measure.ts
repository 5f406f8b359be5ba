import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { costOfTree } from './process-cost.ts'

/** What a process cost while it was under load. */
export type Measurement = {
  /** CPU seconds per minute of wall clock. */
  readonly cpuSecondsPerMinute: number
  /** At the end, of the whole tree. */
  readonly rssBytes: number
}

/** Waits for the warm-up to pass and measures the tree below `pid`. */
export async function measure(
  pid: number,
  { warmupSeconds, seconds }: { readonly warmupSeconds: number; readonly seconds: number },
): Promise<Measurement> {
  await sleep(warmupSeconds * 1_000)
  const before = costOfTree(pid)
  const beforeMs = performance.now()
  await sleep(seconds * 1_000)
  const after = costOfTree(pid)
  const minutes = (performance.now() - beforeMs) / 60_000
  return {
    cpuSecondsPerMinute: (after.cpuSeconds - before.cpuSeconds) / minutes,
    rssBytes: after.rssBytes,
  }
}
