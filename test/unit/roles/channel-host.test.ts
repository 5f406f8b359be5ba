import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ContributionSink } from '../../../src/channel/ports.ts'
import { Secret } from '../../../src/config/scalars.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { BufferPool } from '../../../src/lib/buffer-pool.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import { ChannelHost } from '../../../src/roles/channel-host.ts'
import { DataDir } from '../../../src/roles/data-dir.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { silentLogger, video } from '../channel/channel-bench.ts'

const FRAME_BYTES = 12_500
const FPS = 30
const REWIND_SECONDS = 60

let folder: string
let host: ChannelHost
const clock = new VirtualClock(1_763_702_400_000)
const pool = new BufferPool()
const memory = new FragmentMemory({ regionBytes: 2 ** 20 })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headend-test-'))
  const { channels, programs } = configSchema.parse({
    bootstrap: {
      channels: [{ name: 'one', latency: 'low', segmentDuration: '2s', partDuration: '500ms' }],
      programs: [{ name: 'one', channel: 'one', rewindWindow: `${REWIND_SECONDS}s` }],
    },
  }).bootstrap
  const identity = { locatorId: 'a', presentationId: 'p', epoch: 'e' }
  host = new ChannelHost(channels[0]!, new Secret('key'), [{ config: programs[0]!, identity }], {
    clock,
    logger: silentLogger,
    metrics: new Metrics({ clock, build: { version: 'test' } }),
    memory,
    pool,
    directory: new LogDirectory({ memory, clock }),
    dataDir: new DataDir(folder),
    logBudgetBytes: 2 ** 30,
  })
})

afterEach(async () => {
  await host.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** 3 Mbit/s in a GOP of two seconds, each picture in a message of its own. Gives the memories that the messages lay in. */
async function publish(sink: ContributionSink, seconds: number): Promise<Set<ArrayBufferLike>> {
  const memories = new Set<ArrayBufferLike>()
  void sink.push({ type: 'config', trackId: 0, config: video })
  for (let frame = 0; frame < seconds * FPS; frame++) {
    const message = pool.take(5 + FRAME_BYTES)
    memories.add(message.buffer)
    const independent = frame % (2 * FPS) === 0
    const dtsMs = Math.round((frame * 1_000) / FPS)
    const data = message.subarray(5)
    void sink.push({ type: 'frame', kind: 'video', trackId: 0, dtsMs, compositionMs: 0, independent, data })
    await clock.advance(1_000 / FPS)
  }
  return memories
}

describe('ChannelHost', () => {
  it('holds what the log holds, and beside it less than a second of what encoders send', async () => {
    const publisher = { id: 's', layer: 'default', end: async () => undefined }
    const admission = await host.admit(publisher)
    if (!admission.accepted) throw new Error(admission.description)
    const memories = await publish(admission.sink, 2 * REWIND_SECONDS)
    expect(memories.size).toBeLessThan(FPS)
    const [log] = host.logs
    expect(log?.sizeBytes).toBeGreaterThan(REWIND_SECONDS * FPS * FRAME_BYTES)
    expect(memory.usedBytes / (log?.sizeBytes ?? 0)).toBeLessThan(1.02)
    // It grows by whole regions, and is let go of by whole segments.
    expect(memory.reservedBytes / (log?.sizeBytes ?? 0)).toBeLessThan(1.2)
  })
})
