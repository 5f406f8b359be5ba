import { describe, expect, it } from 'vitest'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { PresentationLog } from '../../../src/log/presentation-log.ts'
import type { LogRecord } from '../../../src/presentation/records.ts'
import { TestLog, testTrack } from '../../contract/log-fixture.ts'

/** Video, audio: 2 × 100 + 10 bytes. */
const SEGMENT_BYTES = 210

describe('PresentationLog', () => {
  it('numbers records and tells listeners in order, what it evicts included', () => {
    const live = new TestLog('p', { budgetBytes: 5 * SEGMENT_BYTES })
    const heard: [number, string][] = []
    live.log.subscribe({
      appended: (position, { type }) => void heard.push([position, type]),
      stopped: () => undefined,
    })
    live.addTracks().addSegments(7)
    expect(heard.map(([position]) => position)).toEqual(heard.map((_, index) => index + 1))
    expect(live.log.position).toBe(heard.length)
    expect(heard.filter(([, type]) => type === 'evicted')).toHaveLength(2)
  })

  it('keeps a segment for the rewind window and three targets more', () => {
    const live = new TestLog('p', { retainMs: 0 }, { rewindWindowMs: 20_000 }).addTracks().addSegments(100)
    // 20 s listed and 6 s after that are 13 segments of 2 s.
    expect(live.log.view.endSequence - live.log.view.firstSequence).toBe(13)
    expect(live.log.evictions).toEqual({ window: 87, budget: 0 })
    expect(live.log.sizeBytes).toBe(13 * SEGMENT_BYTES)
    expect(live.memory.usedBytes).toBe(13 * 3 * 1024)
  })

  it('keeps for as long as a rewind window that was changed asks, from then on', () => {
    const live = new TestLog('p', { retainMs: 0 }, { rewindWindowMs: 20_000 }).addTracks().addSegments(50)
    const { version } = live.log.view
    live.log.append({ type: 'rewind-changed', rewindWindowMs: 60_000 })
    expect(live.log.view.header).toMatchObject({ rewindWindowMs: 60_000, rewindChanges: 1 })
    expect(live.log.view.version).toBe(version + 1)
    live.addSegments(50)
    expect(live.log.view.endSequence - live.log.view.firstSequence).toBe(33)
    live.log.append({ type: 'rewind-changed', rewindWindowMs: 20_000 })
    live.addSegments(1)
    expect(live.log.view.endSequence - live.log.view.firstSequence).toBe(13)
    expect(() => live.log.append({ type: 'rewind-changed', rewindWindowMs: Number.NaN })).toThrow('no duration')
    live.log.append({ type: 'ended' })
    expect(() => live.log.append({ type: 'rewind-changed', rewindWindowMs: 1 })).toThrow('has ended')
  })

  it('keeps longer where it is told to, and everything where there is no limit', () => {
    const longer = new TestLog('p', { retainMs: 60_000 }).addTracks().addSegments(100)
    expect(longer.log.view.endSequence - longer.log.view.firstSequence).toBe(30)
    const all = new TestLog('p', { retainMs: undefined }).addTracks().addSegments(100)
    expect(all.log.view.firstSequence).toBe(0)
  })

  it('drops the oldest past the byte budget, but never the newest three', () => {
    const live = new TestLog('p', { budgetBytes: 5 * SEGMENT_BYTES, retainMs: undefined }).addTracks().addSegments(20)
    expect(live.log.view.firstSequence).toBe(15)
    expect(live.log.evictions).toEqual({ window: 0, budget: 15 })
    const tight = new TestLog('p', { budgetBytes: 1, retainMs: undefined }).addTracks().addSegments(20)
    expect(tight.log.view.endSequence - tight.log.view.firstSequence).toBe(3)
    const done = new AbortController().signal
    expect(tight.log.read(0, 17, done)?.map((bytes) => [...bytes])).toEqual(TestLog.videoOf(17))
    expect(tight.log.read(0, 16, done)).toBeUndefined()
  })

  it('shares fragments with another log, and copies what is not in fragment memory', () => {
    const memory = new FragmentMemory({ regionBytes: 1 << 20 })
    const logs = ['a', 'b'].map((id) => new TestLog(id, { memory }).addTracks())
    const bytes = memory.allocate(3_000)
    const plain = new Uint8Array(2_000).fill(7)
    for (const { log } of logs) {
      log.append({ type: 'segment-opened', sequence: 0, discontinuitySequence: 0, startTicks: 90_000, wallMs: 1 })
      const fragment = {
        type: 'fragment',
        sequence: 0,
        durationTicks: 1,
        leadingBytes: 1,
        independent: true,
        wallMs: 1,
      } as const
      log.append({ ...fragment, track: 1, startTicks: 90_000, sizeBytes: 3_000 }, bytes)
      log.append({ ...fragment, track: 2, startTicks: 48_000, sizeBytes: 2_000 }, plain)
      log.append({ type: 'segment-closed', sequence: 0, durationTicks: 1 })
    }
    memory.disown(bytes)
    plain.fill(0)
    const done = new AbortController()
    expect(logs.map(({ log }) => log.read(0, 0, done.signal)?.[0]?.byteOffset)).toEqual([
      bytes.byteOffset,
      bytes.byteOffset,
    ])
    expect(logs.map(({ log }) => log.read(1, 0, done.signal)?.[0]?.every((byte) => byte === 7))).toEqual([true, true])
    done.abort()
    // Pages of 1 KB: three shared, and two for each copy.
    expect(memory.usedBytes).toBe((3 + 2 + 2) * 1024)
    logs[0]?.log.stop()
    expect(memory.usedBytes).toBe((3 + 2) * 1024)
    logs[1]?.log.stop()
    expect(memory.usedBytes).toBe(0)
  })

  it('does not keep an encoder’s message alive for the sake of a few bytes of it', () => {
    const { log } = new TestLog('p').addTracks()
    const track = log.view.track(1)
    expect(track?.init.buffer.byteLength).toBe(50)
    expect(track?.config.record.buffer.byteLength).toBe(20)
  })

  it('takes nothing that breaks the order, or has no bytes, or comes after the stop', () => {
    const live = new TestLog('p').addTracks()
    const stray: LogRecord = { type: 'segment-closed', sequence: 9, durationTicks: 1 }
    expect(() => live.log.append(stray)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    live.open()
    const fragment: LogRecord = {
      type: 'fragment',
      sequence: 0,
      track: 1,
      startTicks: 1,
      durationTicks: 1,
      sizeBytes: 5,
      leadingBytes: 1,
      independent: true,
      wallMs: 1,
    }
    expect(() => live.log.append(fragment)).toThrow(/without them/)
    expect(() => live.log.append({ ...fragment, track: 77 }, new Uint8Array(5))).toThrow()
    expect(live.memory.usedBytes).toBe(0)
    expect(live.log.position).toBe(3)
    live.log.stop()
    live.log.stop()
    expect(() => live.log.append({ type: 'ended' })).toThrow(expect.objectContaining({ code: 'STOPPED' }))
  })

  it('lists what it has for a header without a rewind window', () => {
    const log = new PresentationLog(
      { id: 'p', epoch: 'e', targetDurationMs: 2_000 },
      { memory: new FragmentMemory({ regionBytes: 1 << 16 }), budgetBytes: 1, retainMs: undefined },
    )
    log.append({ type: 'track-added', track: testTrack(1, 'v', 'video') })
    expect(log.view.renditions).toHaveLength(1)
  })
})
