import { describe, expect, it } from 'vitest'
import type { Presentation } from '../../../src/presentation/presentation.ts'
import { systemError } from './memory-disk.ts'
import { RecordingBench, START_MS, settle } from './recording-bench.ts'
import { expectWhole, loaded, rowsOf } from './recording-checks.ts'

const never = () => new Promise<void>(() => undefined)

describe('a recording, where things fail', () => {
  it.each([
    ['is full', 'ENOSPC', ['write', 'create', 'put']],
    ['is read-only', 'EROFS', ['write', 'create', 'put', 'truncate', 'remove']],
    ['fails to write', 'EIO', ['write']],
    ['fails to sync', 'EIO', ['sync']],
  ])('goes on live while the disk %s, loses what did not fit, and goes on by itself', async (_name, code, ops) => {
    const bench = await RecordingBench.start({ recording: { queueBytes: 40_000, hotBytes: 0 } })
    await bench.segments(5)
    bench.disk.fault = ({ op }) => {
      if (ops.includes(op)) throw systemError(code)
      return undefined
    }
    for (let made = 0; made < 30; made++) {
      await bench.segment()
      expect(bench.view.endSequence).toBe(6 + made)
      expect(bench.recording.queuedBytes).toBeLessThan(45_000)
      // Live is in memory, whatever the disk does.
      expect(await bench.read(0, bench.view.endSequence - 1)).toBeDefined()
    }
    expect(bench.observer.lostCount).toBeGreaterThan(5)
    bench.disk.fault = () => undefined
    await bench.advance(6_000)
    await bench.segments(15)
    await bench.recording.committed()
    expect(bench.observer.told.filter((told) => told === 'recovered')).toHaveLength(1)
    const gaps = await expectWhole(bench)
    expect(gaps).toBe(bench.observer.lostCount)
    const live = rowsOf(bench.view)
    await bench.crash(1)
    expect(rowsOf(bench.view)).toEqual(live)
    expect(await expectWhole(bench)).toBe(gaps)
    await bench.stop()
    expect(bench.memory.usedBytes).toBe(0)
  })

  it.each([0, 700, 1_999, 9_000])(
    'never gives a number again that was seen while the disk took nothing, %i ms later',
    async (awayMs) => {
      const bench = await RecordingBench.start()
      await bench.segments(3)
      bench.disk.fault = ({ op }) => {
        if (op === 'sync' || op === 'write') throw systemError('ENOSPC')
        return undefined
      }
      await bench.segments(6)
      const open = bench.begin()
      await bench.advance(700)
      expect((bench.view as Presentation).openSegment?.sequence).toBe(open)
      await bench.crash(0)
      expect(bench.view.endSequence).toBe(3)
      await bench.advance(awayMs)
      await bench.resume()
      expect(bench.nextSequence).toBeGreaterThan(open)
      await bench.segments(2)
      expect(await expectWhole(bench)).toBeGreaterThanOrEqual(7)
      await bench.stop()
    },
  )

  it('stops within bounds where the disk never answers, and live went on', async () => {
    const bench = await RecordingBench.start({ recording: { queueBytes: 20_000 } })
    await bench.segments(3)
    bench.disk.fault = never
    await bench.segments(10)
    expect(bench.view.endSequence).toBe(13)
    let stopped = false
    const stopping = bench.recording.stop().then(() => {
      stopped = true
    })
    await bench.advance(9_500)
    expect(stopped).toBe(false)
    await bench.advance(500)
    await stopping
  })

  it('shows a segment at once whose media is lost while it is written', async () => {
    const bench = await RecordingBench.start({ recording: { queueBytes: 4_000 } })
    await bench.segments(2)
    const sequence = bench.begin(20, 300)
    await settle()
    expect((bench.view as Presentation).openSegment?.sequence).toBe(sequence)
    await bench.recording.settled()
    bench.close(sequence)
    await settle()
    expect(bench.view.segment(sequence)).toMatchObject({ gap: true })
    await bench.segments(2)
    expect(bench.observer.lostCount).toBe(1)
    const live = rowsOf(bench.view)
    await bench.crash(1)
    expect(rowsOf(bench.view)).toEqual(live)
    await bench.stop()
  })

  it('keeps on its disk what storage does not take, in order, and brings it there when it does', async () => {
    const bench = await RecordingBench.start({ recording: { hotBytes: 0 } })
    bench.storage.fault = () => {
      throw systemError('ECONNREFUSED')
    }
    await bench.segments(35)
    expect(bench.disk.journals.length).toBeGreaterThan(3)
    expect(await expectWhole(bench)).toBe(0)
    bench.storage.fault = never
    await bench.advance(30_000)
    bench.storage.fault = () => undefined
    await bench.advance(160_000)
    await bench.recording.committed()
    expect(bench.disk.journals).toHaveLength(1)
    const chunks = bench.storage.calls.filter(({ op, name }) => op === 'put' && name.endsWith('.chunk'))
    const names = chunks.map(({ name }) => name)
    expect(names).toEqual([...new Set(names)].toSorted((one, other) => (one < other ? -1 : 1)))
    expect(await expectWhole(bench)).toBe(0)
    await bench.stop()
    expect([bench.memory.usedBytes, bench.disk.openFiles]).toEqual([0, 0])
  })

  it('gives the same blobs when it ends in the middle of a commit, wherever', async () => {
    const reference = await RecordingBench.start()
    await reference.segments(12, 2)
    await reference.recording.committed()
    const calls = reference.storage.calls.length
    for (let at = 0; at <= calls; at++) {
      for (const returns of [false, true]) {
        const bench = await RecordingBench.start()
        bench.storage.fault = () => (bench.storage.calls.length > at ? never() : undefined)
        await bench.segments(12, 2)
        // What hangs of the old process hangs for ever.
        bench.storage.fault = () => undefined
        await bench.crash(1, returns)
        await bench.advance(130_000)
        await bench.recording.committed()
        const spans = bench.storage.names.filter((name) => reference.storage.blobs.has(name))
        expect(spans).toEqual(reference.storage.names)
        for (const name of spans) {
          expect(bench.storage.blobs.get(name)?.equals(reference.storage.blobs.get(name)!)).toBe(true)
        }
        expect(bench.observer.told.filter((told) => told.startsWith('storage'))).toEqual([])
        expect(await expectWhole(bench, 2)).toBe(0)
        await bench.stop()
      }
    }
    await reference.stop()
  })

  it('makes a gap of a segment whose bytes were damaged on the disk', async () => {
    const bench = await RecordingBench.start({ recording: { hotBytes: 0 } })
    bench.storage.fault = never
    await bench.segments(12)
    const [first] = bench.disk.journals
    const bytes = bench.disk.bytesOf(first!)
    const media = Buffer.from(bench.expected(1, START_MS * 90 + 4 * 180_000, 1))
    bytes[bytes.indexOf(media) + 5]! ^= 1
    bench.storage.fault = () => undefined
    await bench.advance(130_000)
    await bench.recording.committed()
    expect(bench.view.segment(4)?.gap).toBe(true)
    expect(await expectWhole(bench)).toBe(1)
    expect(bench.observer.lostCount).toBe(1)
    expect(rowsOf(await loaded(bench))).toEqual(rowsOf(bench.view).slice(0, 10))
    await bench.stop()
  })
})
