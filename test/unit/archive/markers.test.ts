import { describe, expect, it } from 'vitest'
import { clipPresentation } from '../../../src/archive/clip/clip-log.ts'
import type { Marker } from '../../../src/presentation/markers.ts'
import { presentationOf } from '../manifest/sample-manifests.ts'
import { SampleLog, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { said, sampleMarker } from '../presentation/sample-markers.ts'
import { type BenchOptions, RecordingBench, START_MS } from './recording-bench.ts'
import { loaded } from './recording-checks.ts'

function marker(id: string, seconds: number, more: Partial<Marker> = {}): Marker {
  const wallMs = START_MS + seconds * 1_000
  return { version: 1, id, kind: 'ad-break', startTicks: wallMs * 90, wallMs, revision: 0, ...more }
}

const message = Uint8Array.of(0xfc, 1, 2, 3)
const open = marker('break', 5, { plannedTicks: 2_700_000, scte35: message, values: { upid: 'ä"b' } })
const over = { ...open, durationTicks: 900_000, scte35In: message, revision: 1 }

/** Five spans of two segments, with a break that begins in the second and ends in the fourth. */
async function recorded(options: BenchOptions = {}): Promise<RecordingBench> {
  const bench = await RecordingBench.start({ ...options, recording: { spanMs: 4_000, ...options.recording } })
  await bench.segments(2)
  bench.recording.append(said(marker('text', 3, { kind: 'text' })))
  const sequence = bench.begin()
  bench.recording.append(said(open))
  bench.close(sequence)
  await bench.segments(3)
  bench.recording.append(said(over))
  await bench.segments(4)
  return bench
}

const withoutPlace = (bench: Pick<RecordingBench, 'view'>) =>
  bench.view.markers.map(({ changedSequence: _place, ...rest }) => rest)

describe('markers of a clip', () => {
  it('are those that reach into it', async () => {
    const { records } = new SampleLog().add(videoTrack(1, 'video-1')).segments(10)
    const planned = { plannedTicks: 180_000 }
    const told = [
      sampleMarker('before', 1, planned),
      sampleMarker('into', 5, planned),
      sampleMarker('within', 9, { kind: 'text' }),
      sampleMarker('behind', 14, planned),
    ]
    const source = presentationOf(sampleHeader, [...records, ...told.map(said)])
    const rows = [3, 4, 5, 6].map((sequence) => ({ source: sequence }))
    const log = { view: source, spanRecords: source.spanRecords.bind(source) }
    const clip = await clipPresentation(log, rows, { id: 'clip', epoch: 'e' }, async () => undefined)
    expect(clip.markers.map(({ id }) => id)).toEqual(['into', 'within'])
    expect(clip.ended).toBe(true)
  })
})

describe('markers of a recording', () => {
  it('are found by the next run, whatever of them is in storage', async () => {
    const bench = await recorded()
    const before = withoutPlace(bench)
    expect(before).toEqual([marker('text', 3, { kind: 'text' }), over])
    await bench.crash()
    expect(withoutPlace(bench)).toEqual(before)
    const { version } = bench.view
    await bench.resume()
    bench.recording.append(said(marker('after', 60)))
    await bench.segments(3)
    expect(bench.view.version).toBeGreaterThan(version)
    await bench.crash()
    expect(withoutPlace(bench)).toEqual([...before, marker('after', 60)])
    await bench.stop()
  })

  it('are found after a crash at any moment, as they were or as they had been just before', async () => {
    // `undefined`: before it was said; what is found is never older than what the segment before had.
    const stages = [undefined, open, over] as const
    for (let kept = 0; kept <= 1; kept += 0.1) {
      for (const [at, stage] of stages.entries()) {
        const bench = await RecordingBench.start({ recording: { spanMs: 4_000 } })
        if (kept < 0.5) bench.storage.fault = () => new Promise(() => undefined)
        for (const told of stages.slice(0, at)) {
          if (told) bench.recording.append(said(told))
          await bench.segments(2)
        }
        bench.begin()
        if (stage) bench.recording.append(said(stage))
        await bench.crash(kept)
        const found = bench.view.markers[0]?.revision ?? -1
        const newest = stage?.revision ?? -1
        expect([newest - 1, newest]).toContain(found)
        expect(bench.view.markers.length).toBeLessThanOrEqual(1)
        await bench.stop()
      }
    }
  })

  it('are found where the disk has all of them, and storage nothing', async () => {
    const bench = await RecordingBench.start({ recording: { spanMs: 4_000 } })
    bench.storage.fault = () => new Promise(() => undefined)
    await bench.segments(3)
    bench.recording.append(said(open))
    const sequence = bench.begin()
    bench.recording.append(said(over))
    await bench.recording.settled()
    await bench.crash()
    expect(withoutPlace(bench)).toEqual([over])
    bench.close(sequence)
    await bench.stop()
  })

  it('are part of what storage has: on-demand', async () => {
    const bench = await recorded()
    bench.recording.append(said(marker('last', 19, { plannedTicks: 90_000 })))
    bench.recording.end()
    await bench.recording.committed()
    const { markers } = await loaded(bench)
    expect(markers).toEqual(bench.view.markers)
    expect(markers.map(({ id }) => id)).toEqual(['text', 'break', 'last'])
    await bench.stop()
  })

  it('leave with the archive window', async () => {
    const bench = await recorded({ header: { archiveWindowMs: 10_000 } })
    // 13 target durations after it has left: so long delta updates may have to say so.
    await bench.segments(15)
    expect(withoutPlace(bench)).toEqual([over])
    await bench.segments(10)
    expect(withoutPlace(bench)).toEqual([])
    await bench.crash()
    expect(withoutPlace(bench)).toEqual([])
    await bench.stop()
  })

  it('of a form that is not known are left out, and do no harm', async () => {
    const bench = await recorded()
    bench.recording.append(said({ ...marker('new', 20), version: 2 as 1 }))
    await bench.segments(2)
    await bench.crash()
    expect(withoutPlace(bench)).toEqual([marker('text', 3, { kind: 'text' }), over])
    await bench.stop()
  })
})
