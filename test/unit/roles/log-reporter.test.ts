import { expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { PresentationLog } from '../../../src/log/presentation-log.ts'
import { LogReporter } from '../../../src/roles/log-reporter.ts'
import type { OriginPool } from '../../../src/roles/origin-pool.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'

it('counts the fragments that several logs of a channel hold once, as they lie in memory', async () => {
  const clock = new VirtualClock(1_763_702_400_000)
  const metrics = new Metrics({ clock, build: { version: 'test' } })
  const memory = new FragmentMemory()
  const logs = ['program', 'preview'].map((id) => {
    const header = { id, epoch: 'e', targetDurationMs: 2_000 }
    return new PresentationLog(header, { memory, budgetBytes: 2 ** 20, retainMs: undefined })
  })
  for (const log of logs) {
    Object.defineProperty(log, 'sizeBytes', { value: log.id === 'program' ? 5_000 : 3_000, configurable: true })
  }
  const origins: Pick<OriginPool, 'feedStates'> = { feedStates: () => [] }
  const sources = { channels: () => [{ name: 'one', logs }], presentations: () => [] }
  const reporter = new LogReporter(sources, origins as OriginPool, metrics, clock)
  await clock.advance(1_000)
  expect(await metrics.text()).toContain('headend_log_held_bytes{channel="one"} 5000')
  // What a scrape shows is of that moment, not of the last report.
  for (const log of logs) Object.defineProperty(log, 'sizeBytes', { value: 7_000 })
  expect(await metrics.text()).toContain('headend_log_held_bytes{channel="one"} 7000')
  await reporter.stop()
})
