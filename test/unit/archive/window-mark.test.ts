import { describe, expect, it } from 'vitest'
import { decodeMark } from '../../../src/archive/mark.ts'
import { systemError } from './memory-disk.ts'
import { RecordingBench, START_MS } from './recording-bench.ts'

const WINDOW_MS = 60_000

/** Everything that is listed can be read, and is what was made. */
async function expectReadable(bench: RecordingBench): Promise<void> {
  const { view } = bench
  for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
    for (const { index } of view.renditions) {
      const cell = view.renditionSegment(index, sequence)
      if (!cell) continue
      const bytes = await bench.read(index, sequence)
      expect(bytes).toEqual(bench.expected(cell.track, view.segment(sequence)!.startTicks, 1))
    }
  }
}

/** A minute is kept of two: spans of ten segments were discarded. */
async function discarded(): Promise<RecordingBench> {
  const bench = await RecordingBench.start({ header: { archiveWindowMs: WINDOW_MS }, recording: { hotBytes: 2_000 } })
  await bench.segments(60)
  expect(bench.view.firstSequence).toBe(20)
  return bench
}

describe('what an archive window has discarded', () => {
  it('is not listed again after a crash that brings back its chunk, under terms that keep more', async () => {
    const bench = await RecordingBench.start({ header: { archiveWindowMs: WINDOW_MS }, recording: { hotBytes: 2_000 } })
    await bench.segments(23)
    await bench.gap()
    await bench.advance(38_000)
    await bench.crash(0)
    expect(bench.view.firstSequence).toBe(0)
    // The gaps of the absence push the first span out of the window before that is gone.
    await bench.resume(true, { archiveWindowMs: 10 * WINDOW_MS })
    expect(bench.view.firstSequence).toBe(10)
    expect(bench.storage.names).not.toContain('as_one/log/0000000000.chunk')
    expect(bench.disk.afterCrash(0, true).names).toContain('0000000000.chunk')
    await bench.crash(0, true)
    expect(bench.view.header.archiveWindowMs).toBe(10 * WINDOW_MS)
    expect(bench.view.firstSequence).toBe(10)
    expect(bench.view.discontinuityStartTicks(0)).toBe(START_MS * 90)
    await expectReadable(bench)
    await bench.stop()
  })

  it('is not listed again after a crash behind the end, and is deleted then', async () => {
    const bench = await discarded()
    const marks: number[] = []
    bench.storage.fault = ({ op }) => {
      if (op !== 'delete') return undefined
      marks.push(decodeMark(bench.disk.bytesOf('window.mark')))
      // Half of a span is gone when storage fails.
      if (marks.length > 2) throw systemError('ECONNREFUSED')
      return undefined
    }
    await bench.segments(10)
    expect(bench.view.firstSequence).toBe(30)
    // It is set down before the first of it is deleted.
    expect(marks.slice(0, 3)).toEqual([30, 30, 30])
    bench.recording.end()
    await bench.advance(1_000)
    bench.storage.fault = () => undefined
    await bench.crash()
    expect([bench.view.ended, bench.view.firstSequence]).toEqual([true, 30])
    await expectReadable(bench)
    await bench.advance(20_000)
    expect(bench.view.archived).toBe(true)
    const chunks = bench.storage.names.filter((name) => name.endsWith('.chunk'))
    expect(chunks[0]).toContain('0000000030')
    expect(bench.storage.names.filter((name) => name.endsWith('.cmfs'))).toHaveLength(2 * chunks.length)
    await bench.stop()
  })

  it('is not listed again where it had not come to storage', async () => {
    const bench = await RecordingBench.start({ header: { archiveWindowMs: WINDOW_MS } })
    bench.storage.fault = () => {
      throw systemError('ECONNREFUSED')
    }
    await bench.segments(60)
    const { firstSequence, version } = bench.view
    expect(firstSequence).toBeGreaterThan(20)
    bench.recording.end()
    await bench.advance(0)
    await bench.crash()
    expect(bench.view.firstSequence).toBe(firstSequence)
    expect(bench.view.version).toBeGreaterThan(version)
    await bench.stop()
  })

  it('is not listed again after the second crash either', async () => {
    const bench = await discarded()
    expect(bench.disk.afterCrash(0, true).names).toContain('0000000010.chunk')
    await bench.crash(0, true)
    await bench.resume()
    bench.storage.fault = ({ op }) => {
      if (op === 'delete') throw systemError('ECONNREFUSED')
      return undefined
    }
    await bench.segments(10)
    expect(bench.view.firstSequence).toBe(30)
    bench.recording.end()
    await bench.advance(1_000)
    await bench.crash()
    expect([bench.view.ended, bench.view.firstSequence]).toEqual([true, 30])
    await expectReadable(bench)
    await bench.stop()
  })

  it('is deleted also after an outage of storage that was longer than the window', async () => {
    const bench = await RecordingBench.start({ header: { archiveWindowMs: WINDOW_MS }, recording: { hotBytes: 2_000 } })
    bench.storage.fault = () => {
      throw systemError('ECONNREFUSED')
    }
    await bench.segments(50)
    expect(bench.view.firstSequence).toBeGreaterThan(0)
    expect(bench.storage.names).toEqual([])
    bench.storage.fault = () => undefined
    await bench.segments(90)
    const chunks = bench.storage.names.filter((name) => name.endsWith('.chunk'))
    expect(chunks[0]).toContain(String(bench.view.firstSequence).padStart(10, '0'))
    expect(bench.disk.names.filter((name) => name.endsWith('.chunk'))).toHaveLength(chunks.length)
    await expectReadable(bench)
    await bench.stop()
  })

  it('is let go of by storage also while the disk does not take down that it is discarded', async () => {
    const bench = await discarded()
    bench.disk.fault = ({ op, name }) => {
      if (op === 'put' && name === 'window.mark') throw systemError('ENOSPC')
      return undefined
    }
    await bench.segments(10)
    expect(bench.view.firstSequence).toBe(30)
    expect(bench.storage.names.find((name) => name.endsWith('.chunk'))).toContain('0000000030')
    const marked = () => decodeMark(bench.disk.bytesOf('window.mark'))
    expect(marked()).toBe(20)
    bench.disk.fault = () => undefined
    await bench.advance(10_000)
    expect(marked()).toBe(30)
    await bench.stop()
  })

  it('is what the window says where nothing else tells: a damaged mark counts for nothing', async () => {
    const bench = await discarded()
    for (const damage of ['', 'abc', '99999999', 'nonsense and more']) {
      bench.disk.set('window.mark', Buffer.from(damage))
      await bench.crash()
      expect([bench.view.firstSequence, bench.view.endSequence]).toEqual([20, 60])
    }
    await bench.stop()
  })

  it('may be more than the journal knows, of which the newest segment is kept then', async () => {
    const bench = await discarded()
    const behind = bench.disk.bytesOf('window.mark')
    await bench.stop()
    const other = await RecordingBench.start({ header: { archiveWindowMs: WINDOW_MS } })
    await other.segments(3)
    other.disk.set('window.mark', behind)
    await other.crash()
    expect([other.view.firstSequence, other.view.endSequence, other.nextSequence]).toEqual([2, 3, 3])
    await other.resume()
    await other.segments(30)
    expect(other.view.firstSequence).toBe(20)
    await expectReadable(other)
    await other.stop()
  })
})
