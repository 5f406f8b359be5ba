import { describe, expect, it } from 'vitest'
import { spanBlob } from '../../../src/archive/blob-names.ts'
import { placeInSpan } from '../../../src/archive/span-place.ts'
import type { Presentation } from '../../../src/presentation/presentation.ts'
import { videoTrack } from '../presentation/sample-log.ts'
import { systemError } from './memory-disk.ts'
import { FOLDER, RecordingBench, START_MS, settle, terms } from './recording-bench.ts'
import { expectWhole, loaded, rowsOf } from './recording-checks.ts'

const never = () => new Promise<void>(() => undefined)

describe('a recording', () => {
  it('comes to storage span by span, and is the same from there', async () => {
    const bench = await RecordingBench.start({ recording: { hotBytes: 0 } })
    await bench.segments(12, 2)
    bench.discontinuity()
    bench.addTrack(videoTrack(3, 'video-1'))
    await bench.segments(4, 2)
    await bench.gap()
    await bench.segments(16, 2)
    await bench.recording.committed()
    expect(await expectWhole(bench, 2)).toBe(1)
    const live = rowsOf(bench.view)
    bench.recording.end()
    await bench.advance(6_000)
    await bench.recording.archived
    expect([bench.view.ended, bench.view.archived, bench.disk.isDestroyed]).toEqual([true, true, true])
    expect(await expectWhole(bench, 2)).toBe(1)
    const again = await loaded(bench)
    expect(rowsOf(again)).toEqual(live)
    expect(again.renditions).toEqual(bench.view.renditions)
    expect([...again.spans]).toEqual((bench.view as Presentation).spans)
    for (let sequence = 0; sequence < again.endSequence; sequence++) {
      for (const { index } of again.renditions) {
        const place = placeInSpan(again, index, sequence)
        if (!place) continue
        const blob = bench.storage.blobs.get(spanBlob(FOLDER, place.track, place.spanTicks))!
        const { startTicks } = again.segment(sequence)!
        const bytes = blob.subarray(place.offset, place.offset + place.sizeBytes)
        expect(bytes.equals(bench.expected(place.track, startTicks, 2))).toBe(true)
      }
    }
    await bench.stop()
    expect([bench.memory.usedBytes, bench.disk.openFiles]).toEqual([0, 0])
  })

  it('is not seen before the disk has it, nor later than it may take', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(2)
    let go: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    bench.disk.fault = ({ op }) => (op === 'sync' ? held : undefined)
    const sequence = bench.begin()
    await settle()
    expect((bench.view as Presentation).openSegment).toBeUndefined()
    await bench.clock.advance(499)
    await settle()
    expect((bench.view as Presentation).openSegment).toBeUndefined()
    await bench.clock.advance(1)
    await settle()
    expect((bench.view as Presentation).openSegment).toMatchObject({ sequence, fragments: { length: 2 } })
    expect(bench.observer.told).toEqual(['degraded'])
    go()
    bench.disk.fault = () => undefined
    await settle()
    expect(bench.observer.told).toEqual(['degraded', 'recovered'])
    // Now it waits again.
    bench.close(sequence)
    expect(bench.view.endSequence).toBe(sequence)
    await settle()
    expect(bench.view.endSequence).toBe(sequence + 1)
    await bench.stop()
  })

  it('commits a span again that lost its first segments to the window meanwhile, and leaves nothing behind', async () => {
    const bench = await RecordingBench.start({ header: { archiveWindowMs: 20_000 }, recording: { spanMs: 16_000 } })
    await bench.segments(8)
    let go: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    bench.storage.fault = ({ name }) => (name.endsWith('.chunk') ? held : undefined)
    await bench.segments(8)
    expect(bench.view.firstSequence).toBeGreaterThan(0)
    bench.storage.fault = () => undefined
    go()
    await settle()
    await bench.recording.committed()
    const { firstSequence } = bench.view
    const oldest = bench.storage.names.find((name) => name.endsWith('.chunk'))
    expect(oldest).toBe(`${FOLDER}/log/${String(firstSequence).padStart(10, '0')}.chunk`)
    expect(await expectWhole(bench)).toBe(0)
    const known = (await loaded(bench)).spans.length
    expect(bench.storage.names.filter((name) => name.includes('/1/') && name.endsWith('.cmfs'))).toHaveLength(known)
    await bench.stop()
  })

  it('discards whole spans, on the disk and in storage, also what storage did not let go of before', async () => {
    const bench = await RecordingBench.start({ header: { archiveWindowMs: 60_000 } })
    const deleted: string[] = []
    bench.storage.fault = ({ op, name }) => {
      if (op === 'delete') deleted.push(name)
      if (op === 'delete' && deleted.length < 40) throw systemError('EIO')
      return undefined
    }
    await bench.segments(60)
    expect(bench.view.firstSequence).toBeGreaterThan(10)
    expect(bench.view.firstSequence % 10).toBe(0)
    await bench.crash(1)
    bench.storage.fault = () => undefined
    expect(bench.view.firstSequence % 10).toBe(0)
    await bench.resume()
    await bench.segments(60)
    await bench.advance(20_000)
    const { firstSequence } = bench.view
    const chunks = bench.storage.names.filter((name) => name.endsWith('.chunk'))
    expect(chunks[0]).toContain(String(firstSequence).padStart(10, '0'))
    expect(bench.disk.names.filter((name) => name.endsWith('.chunk')).length).toBeLessThanOrEqual(chunks.length + 1)
    expect(await expectWhole(bench)).toBeLessThan(3)
    const media = bench.storage.names.filter((name) => name.endsWith('.cmfs'))
    expect(media).toHaveLength(2 * chunks.length)
    await bench.stop()
  })

  it('never lists again after a crash what it had discarded', async () => {
    const bench = await RecordingBench.start({ header: { archiveWindowMs: 60_000 } })
    bench.storage.fault = ({ op }) => (op === 'delete' ? never() : undefined)
    await bench.segments(70)
    const { firstSequence } = bench.view
    const start = bench.view.discontinuityStartTicks(0)
    expect(firstSequence).toBeGreaterThan(20)
    for (let crash = 0; crash < 3; crash++) {
      await bench.crash(1, true)
      expect(bench.view.firstSequence).toBeGreaterThanOrEqual(firstSequence)
      expect(bench.view.discontinuityStartTicks(0)).toBe(start)
    }
    await bench.stop()
  })

  it('knows where a stretch began whose beginning was discarded before anything came to storage', async () => {
    const bench = await RecordingBench.start({ header: { archiveWindowMs: 20_000 }, recording: { spanMs: 8_000 } })
    bench.storage.fault = never
    await bench.segments(30)
    const { firstSequence } = bench.view
    expect(firstSequence).toBeGreaterThan(8)
    bench.storage.fault = () => {
      throw systemError('EIO')
    }
    await bench.crash(1)
    expect(bench.view.firstSequence).toBeGreaterThanOrEqual(firstSequence)
    expect(bench.view.discontinuityStartTicks(0)).toBe(START_MS * 90)
    await bench.stop()
  })
})

describe('a recording goes on', () => {
  it('in the same process, where its channel went away with a segment open', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(3)
    const open = bench.begin()
    await settle()
    await bench.advance(5_000)
    const { version } = bench.view
    await bench.resume()
    await bench.segments(2)
    expect(bench.view.segment(open)).toMatchObject({ gap: true })
    expect(bench.view.version).toBeGreaterThan(version)
    expect(bench.view.endSequence).toBe(bench.nextSequence)
    expect(bench.view.segment(bench.view.endSequence - 1)).toMatchObject({ gap: false, discontinuitySequence: 1 })
    await bench.stop()
  })

  it('ends, also with a segment open, and is archived', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(3)
    const open = bench.begin()
    await settle()
    await bench.advance(1_000)
    bench.recording.end()
    await bench.recording.settled()
    expect(bench.view.segment(open)).toMatchObject({ gap: true, durationTicks: 90_000 })
    expect(bench.view.ended).toBe(true)
    await bench.advance(6_000)
    expect(bench.view.archived).toBe(true)
    await bench.stop()
  })

  it('after its end: no number twice, no version back, and what was announced in between is known', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(3)
    bench.recording.end()
    await bench.recording.settled()
    const versions = [bench.view.version]
    await bench.resume()
    versions.push(bench.view.version)
    expect(bench.view.ended).toBe(false)
    await bench.segments(12)
    bench.recording.rewindTo(60_000)
    await bench.segment()
    versions.push(bench.view.version)
    expect(versions).toEqual(versions.toSorted((one, other) => one - other))
    expect(bench.view.endSequence).toBe(16)
    expect(bench.view.header).toMatchObject({ resumptions: 1, rewindWindowMs: 60_000 })
    const live = rowsOf(bench.view)
    await bench.crash(0)
    expect(bench.view.header).toMatchObject({ resumptions: 1, rewindWindowMs: 60_000, rewindChanges: 1 })
    expect(rowsOf(bench.view)).toEqual(live)
    expect(bench.recovered?.hasEnded).toBe(false)
    await bench.stop()
  })

  it('with its end written last, is found ended, and archived in its time', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(3)
    bench.recording.end()
    await bench.recording.settled()
    await bench.crash(0)
    expect([bench.recovered?.hasEnded, bench.view.ended]).toEqual([true, true])
    await bench.advance(6_500)
    expect(bench.view.archived).toBe(true)
    expect((bench.view as Presentation).spans).toHaveLength(1)
    await bench.stop()
  })

  it('is not archived before the disk and the storage have all of it', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(3)
    bench.disk.fault = ({ op }) => {
      if (op === 'write' || op === 'sync') throw systemError('EIO')
      return undefined
    }
    await bench.segments(2)
    bench.recording.end()
    await bench.advance(60_000)
    expect([bench.view.ended, bench.view.archived, bench.disk.isDestroyed]).toEqual([true, false, false])
    bench.disk.fault = () => undefined
    await bench.advance(30_000)
    expect([bench.view.archived, bench.disk.isDestroyed]).toEqual([true, true])
    expect(await expectWhole(bench)).toBe(0)
    await bench.stop()
  })

  it('tells of a pause by gaps, as far as that is worth a row', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(3)
    await bench.crash(0)
    await bench.advance(10_000)
    await bench.resume(false)
    const gaps = rowsOf(bench.view).filter(({ row }) => row?.gap)
    expect(gaps).toHaveLength(5)
    bench.recording.resume(terms, 2_000)
    await settle()
    expect(bench.view.endSequence).toBe(8)
    await bench.stop()
  })
})
