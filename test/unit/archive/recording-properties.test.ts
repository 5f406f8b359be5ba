import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadPresentation } from '../../../src/archive/load-presentation.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord } from '../../../src/presentation/records.ts'
import { videoTrack } from '../presentation/sample-log.ts'
import { systemError } from './memory-disk.ts'
import { type BenchOptions, FOLDER, RecordingBench, settle } from './recording-bench.ts'

type Step =
  | { readonly do: 'segments'; readonly count: number; readonly parts: number }
  | { readonly do: 'gap' | 'discontinuity' | 'track' | 'open' | 'end' }
  | { readonly do: 'resume'; readonly keepsMore: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'disk' | 'storage'; readonly isDown: boolean }
  | { readonly do: 'crash'; readonly kept: number; readonly returns: boolean; readonly awayMs: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('segments' as const),
      count: fc.integer({ min: 1, max: 7 }),
      parts: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      { do: 'gap' as const },
      { do: 'discontinuity' as const },
      { do: 'track' as const },
      { do: 'open' as const },
    ),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'end' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resume' as const), keepsMore: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('disk' as const, 'storage' as const), isDown: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      kept: fc.double({ min: 0, max: 1, noNaN: true }),
      returns: fc.boolean(),
      awayMs: fc.integer({ min: 0, max: 20_000 }),
    }),
  },
)

/** What a viewer was shown by one process after the other: no number ever stands for two things, and what is gone stays gone. */
class Viewer {
  /** Start of the segment that a number was shown for, open or closed. */
  readonly shown = new Map<number, number>()
  /** Those that were shown as closed, whole, while the disk was trusted. */
  readonly safe = new Map<number, number>()
  #version = 0
  #first = 0
  #discontinuity = 0

  watch(bench: RecordingBench): void {
    expect(bench.view.firstSequence).toBeGreaterThanOrEqual(this.#first)
    this.#version = bench.view.version
    bench.log.subscribe({ appended: (_position, record) => this.#see(bench, record), stopped: () => undefined })
  }

  #see(bench: RecordingBench, record: LogRecord): void {
    expect(bench.view.version).toBeGreaterThanOrEqual(this.#version)
    this.#version = bench.view.version
    this.#first = bench.view.firstSequence
    if (record.type === 'segment-opened') {
      expect(this.shown.get(record.sequence) ?? record.startTicks).toBe(record.startTicks)
      for (const sequence of this.shown.keys()) expect(sequence).toBeLessThanOrEqual(record.sequence)
      this.shown.set(record.sequence, record.startTicks)
      expect(record.discontinuitySequence).toBeGreaterThanOrEqual(this.#discontinuity)
      this.#discontinuity = record.discontinuitySequence
    }
    if (record.type === 'segment-closed' && !bench.recording.queuedBytes) {
      this.safe.set(record.sequence, this.shown.get(record.sequence)!)
    }
    if (record.type === 'lost') this.safe.delete(record.firstSequence)
  }
}

async function expectPlayable(bench: RecordingBench, parts: ReadonlyMap<number, number>): Promise<void> {
  const { view } = bench
  for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
    const row = view.segment(sequence)!
    for (const { index } of view.renditions) {
      const cell = view.renditionSegment(index, sequence)
      if (!cell) continue
      const bytes = await bench.read(index, sequence)
      const made = bench.expected(cell.track, row.startTicks, parts.get(row.startTicks)!)
      expect(Buffer.from(bytes ?? []).equals(made)).toBe(true)
    }
  }
}

async function expectSound(bench: RecordingBench, viewer: Viewer): Promise<void> {
  const { view } = bench
  for (const [sequence, startTicks] of viewer.shown) {
    if (sequence < view.firstSequence || sequence >= view.endSequence) continue
    const row = view.segment(sequence)!
    // As it was shown, or a gap in its place.
    if (!row.gap) expect(row.startTicks).toBe(startTicks)
  }
  for (const [sequence, startTicks] of viewer.safe) {
    if (sequence < view.firstSequence) continue
    expect(view.segment(sequence)).toMatchObject({ startTicks, gap: false })
  }
}

async function play(steps: readonly Step[], options: BenchOptions, isDiskTrusted: boolean): Promise<void> {
  const bench = await RecordingBench.start(options)
  const viewer = new Viewer()
  viewer.watch(bench)
  const parts = new Map<number, number>()
  let tracks = 2
  let isEnded = false
  const begin = (count: number) => {
    const sequence = bench.begin(count)
    parts.set(bench.startTicks, count)
    return sequence
  }
  let open: number | undefined
  const close = () => {
    if (open !== undefined) bench.close(open)
    open = undefined
  }
  for (const each of [...steps, { do: 'crash', kept: 1, returns: false, awayMs: 0 } as const]) {
    if (isEnded && !['wait', 'disk', 'storage', 'crash', 'resume'].includes(each.do)) continue
    if (each.do !== 'crash' && each.do !== 'resume') close()
    if (each.do === 'segments') {
      for (let made = 0; made < each.count; made++) {
        const sequence = begin(each.parts)
        await bench.advance(2_000)
        bench.close(sequence)
        await settle()
      }
    }
    if (each.do === 'gap') await bench.gap()
    if (each.do === 'discontinuity') bench.discontinuity()
    if (each.do === 'track') bench.addTrack(videoTrack(++tracks, 'video-1'))
    if (each.do === 'open') {
      open = begin(2)
      await bench.advance(500)
    }
    if (each.do === 'wait') await bench.advance(each.ms)
    if (each.do === 'disk' && !isDiskTrusted) {
      bench.disk.fault = ({ op }) => {
        if (each.isDown && ['write', 'sync', 'create', 'put'].includes(op)) throw systemError('ENOSPC')
        return undefined
      }
    }
    if (each.do === 'storage') {
      bench.storage.fault = () => {
        if (each.isDown) throw systemError('ECONNREFUSED')
        return undefined
      }
    }
    if (each.do === 'end') {
      bench.recording.end()
      isEnded = true
      await settle()
    }
    if (each.do === 'resume' && !bench.view.archived) {
      await bench.resume(true, each.keepsMore ? { archiveWindowMs: 3_600_000 } : {})
      isEnded = false
      open = undefined
    }
    if (each.do === 'crash') {
      open = undefined
      if (!isDiskTrusted) {
        // What was seen while the disk took nothing is nowhere: of that only the time tells.
        bench.disk.fault = () => undefined
        await bench.advance(6_000)
      }
      if (bench.disk.isDestroyed) break
      await bench.crash(each.kept, each.returns)
      await bench.advance(each.awayMs)
      await settle()
      viewer.watch(bench)
      await expectSound(bench, viewer)
      await expectPlayable(bench, parts)
      if (!bench.view.ended) await bench.resume()
      isEnded = bench.view.ended
    }
    expect(bench.recording.rowsEnd?.nextSequence ?? 0).toBeGreaterThanOrEqual(bench.view.endSequence)
  }
  bench.disk.fault = () => undefined
  bench.storage.fault = () => undefined
  close()
  if (!bench.disk.isDestroyed) {
    bench.recording.end()
    await bench.advance(200_000)
    expect(bench.view.archived).toBe(bench.view.endSequence > 0 || bench.view.archived)
  }
  await expectSound(bench, viewer)
  await expectPlayable(bench, parts)
  const loaded = await loadPresentation(bench.storage, FOLDER, silentLogger)
  if (loaded) {
    const again = new Presentation(loaded.header)
    for (const record of loaded.records) if (record.type !== 'opened') again.apply(record)
    for (
      let sequence = Math.max(again.firstSequence, bench.view.firstSequence);
      sequence < again.endSequence;
      sequence++
    ) {
      expect(again.segment(sequence)).toEqual(bench.view.segment(sequence))
      for (const { index } of bench.view.renditions) {
        const { name } = bench.view.renditions[index]!
        const there = again.renditions.findIndex((rendition) => rendition.name === name)
        expect(again.renditionSegment(there, sequence)).toEqual(bench.view.renditionSegment(index, sequence))
      }
    }
  }
  await bench.stop()
  expect(bench.memory.usedBytes).toBe(0)
}

const script = fc.array(step, { minLength: 3, maxLength: 25 })
const KEY = createHash('sha256').update('key').digest()

describe('recordings that are killed again and again', () => {
  it.each([
    ['and keep everything', {}],
    ['sealed', { assetKey: KEY }],
    ['and keep a minute', { header: { archiveWindowMs: 60_000 } }],
  ] as const)(
    'never give a number twice, and lose the open segment at most, %s',
    async (_name, options) => {
      const run = (steps: readonly Step[]) => play(steps, { ...options, recording: { hotBytes: 2_000 } }, true)
      await fc.assert(fc.asyncProperty(script, run), { numRuns: 60 })
    },
    60_000,
  )

  it('stay sound where the disk fails as well', async () => {
    const run = (steps: readonly Step[]) => play(steps, { recording: { hotBytes: 2_000, queueBytes: 12_000 } }, false)
    await fc.assert(fc.asyncProperty(script, run), { numRuns: 60 })
  }, 60_000)
})
