import { expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { LiveNode } from '../../support/live-node.ts'
import { video } from '../channel/channel-bench.ts'
import { publishRequest } from './live-bench.ts'

const FRAME_BYTES = 12_500
const FPS = 30
const REWIND_SECONDS = 60

it('a channel holds what its log holds, and beside it less than a second of what encoders send', async () => {
  const clock = new VirtualClock(1_763_702_400_000)
  const node = await LiveNode.start({ clock, regionBytes: 2 ** 20 })
  const output = { segmentDuration: 'PT2S', partDuration: 'PT0.5S' }
  const channel = await node.channel({ latency: 'low', output })
  const live = await node.run(channel)
  const program = await node.program(channel, { rewindWindow: `PT${REWIND_SECONDS}S` })
  await live.startProgram(program)
  const handle = { id: 's', remoteAddress: '192.0.2.1', end: async () => undefined }
  const admission = await live.admit(publishRequest(channel.streamKeys.primary), 'primary', handle)
  if (!admission.accepted) throw new Error(admission.description)
  const { sink } = admission

  // 3 Mbit/s in a GOP of two seconds, each picture in a message of its own.
  const memories = new Set<ArrayBufferLike>()
  void sink.push({ type: 'config', trackId: 0, config: video })
  for (let frame = 0; frame < 2 * REWIND_SECONDS * FPS; frame++) {
    const message = node.pool.take(5 + FRAME_BYTES)
    memories.add(message.buffer)
    const independent = frame % (2 * FPS) === 0
    const dtsMs = Math.round((frame * 1_000) / FPS)
    const data = message.subarray(5)
    void sink.push({ type: 'frame', kind: 'video', trackId: 0, dtsMs, compositionMs: 0, independent, data })
    await clock.advance(1_000 / FPS)
  }
  expect(memories.size).toBeLessThan(FPS)
  const log = node.shelf.find(program.assetId)?.log
  expect(log?.sizeBytes).toBeGreaterThan(REWIND_SECONDS * FPS * FRAME_BYTES)
  // The preview, of the same fragments, takes nothing more.
  expect(node.memory.usedBytes / (log?.sizeBytes ?? 0)).toBeLessThan(1.02)
  // It grows by whole regions, and is let go of by whole segments.
  expect(node.memory.reservedBytes / (log?.sizeBytes ?? 0)).toBeLessThan(1.2)
  await node.stop()
  expect(node.memory.usedBytes).toBe(0)
})
