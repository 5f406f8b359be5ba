import fc from 'fast-check'
import { Parser } from 'm3u8-parser'
import { describe, expect, it } from 'vitest'
import { FileView } from '../../../src/ondemand/file-view.ts'
import { FilteredView } from '../../../src/presentation/filtered-view.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import type { Selection, TimeRange, TrackCondition, ViewFilter } from '../../../src/presentation/view-filter.ts'
import { eachVersion, headers, logOf, lossySteps } from '../manifest/random-script.ts'
import { allManifests } from '../manifest/sample-manifests.ts'
import { audioTrack, SampleLog, START_TICKS, sampleHeader, videoTrack } from './sample-log.ts'

const START_MS = START_TICKS / 90

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 })
const ms = (max: number) => some(fc.integer({ min: 0, max }))
const timeRange = fc
  .record({
    startMs: ms(60_000),
    endMs: ms(90_000),
    liveBackoffMs: ms(20_000),
    windowMs: ms(40_000),
    forceEnd: fc.boolean(),
  })
  .map((range) => Object.fromEntries(Object.entries(range).filter(([, value]) => value !== undefined)) as TimeRange)
const condition: fc.Arbitrary<TrackCondition> = fc.oneof(
  fc.record({
    property: fc.constantFrom('type' as const, 'name' as const, 'codec' as const, 'language' as const),
    operation: fc.constantFrom('equal' as const, 'notEqual' as const),
    value: fc.constantFrom('video', 'AUDIO', 'video-1', 'avc1', 'mp4a.40.2', 'und'),
  }),
  fc.record({
    property: fc.constant('bitrate' as const),
    operation: fc.constantFrom('equal' as const, 'notEqual' as const),
    from: fc.constantFrom(0, 128_003, 3_500_001),
    to: fc.constantFrom(200_000, 3_500_001, Number.POSITIVE_INFINITY),
  }),
)
const viewFilter: fc.Arbitrary<ViewFilter> = fc
  .record({
    timeRange: some(timeRange),
    tracks: fc.array(fc.array(condition, { minLength: 1, maxLength: 2 }), { maxLength: 2 }),
    firstQuality: some(fc.constantFrom(1, 3_500_001, 9_999_999)),
  })
  .map(({ timeRange: range, tracks, firstQuality }) => ({
    tracks,
    ...(range && { timeRange: range }),
    ...(firstQuality && { firstQuality }),
  }))
const selections: fc.Arbitrary<Selection> = fc
  .record({
    filters: fc.array(viewFilter, { maxLength: 2 }),
    startMs: some(fc.integer({ min: -5_000, max: 60_000 })),
    lengthMs: some(fc.integer({ min: 1, max: 60_000 })),
  })
  .map(({ filters, startMs, lengthMs }) => ({
    filters,
    ...(startMs !== undefined && { startMs: START_MS + startMs }),
    ...(lengthMs !== undefined && { endMs: START_MS + (startMs ?? 0) + lengthMs }),
  }))

function parse(text: string): Parser['manifest'] {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest
}

/** What every listed segment says has to be what the whole says of that number. */
function assertPart(whole: PresentationView, part: FilteredView): void {
  for (const rendition of part.renditions) {
    expect(whole.renditions[rendition.index]).toEqual(rendition)
    const { segments, mediaSequence } = parse(allManifests(part)[rendition.name] ?? '')
    for (const [at, { uri, timeline }] of segments.entries()) {
      const sequence = mediaSequence + at
      const media = whole.renditionSegment(rendition.index, sequence)
      expect(sequence).toBeGreaterThanOrEqual(whole.firstSequence)
      expect(sequence).toBeLessThan(whole.endSequence)
      expect(timeline).toBe(whole.segment(sequence)?.discontinuitySequence)
      if (media) expect(uri).toBe(`${rendition.name}/${media.startTicks}.m4s`)
    }
  }
}

describe('a part of a presentation', () => {
  it('says of every segment what the whole says, whatever is selected and whatever happens', () => {
    fc.assert(
      fc.property(headers, lossySteps(8, 30), fc.boolean(), selections, (header, script, ends, selection) => {
        let part: FilteredView | undefined
        let before: { readonly version: number; readonly texts: string } | undefined
        eachVersion(header, logOf(header, script, ends), (whole) => {
          part ??= new FilteredView(whole, selection)
          const fresh = new FilteredView(whole, selection)
          if (fresh.firstSequence === fresh.endSequence) return
          assertPart(whole, part)
          const texts = JSON.stringify(allManifests(part))
          expect(texts).toBe(JSON.stringify(allManifests(fresh)))
          if (before?.version === part.version) expect(texts).toBe(before.texts)
          before = { version: part.version, texts }
        })
      }),
      { numRuns: 30 },
    )
  })

  function live(segments: number) {
    const log = new SampleLog({ ...sampleHeader, partDurationMs: 500 }).add(videoTrack(1, 'video-1'))
    log.add(audioTrack(2, 'audio-1')).segments(segments)
    const whole = new Presentation({ ...sampleHeader, partDurationMs: 500 })
    for (const record of log.records) whole.apply(record)
    return { whole, log }
  }

  it('has no parts where the live edge is hidden, and the whole’s where it is not', () => {
    const { whole } = live(20)
    const behind: ViewFilter = { tracks: [], timeRange: { liveBackoffMs: 5_000, forceEnd: false } }
    const tracks: ViewFilter = { tracks: [[{ property: 'type', operation: 'equal', value: 'video' }]] }
    const hidden = new FilteredView(whole, { filters: [behind] })
    expect([hidden.live, hidden.header.partDurationMs, hidden.endSequence]).toEqual([undefined, undefined, 17])
    const open = new FilteredView(whole, { filters: [tracks] })
    expect([open.live, open.header.partDurationMs]).toEqual([whole.live, 500])
    expect(open.header).toBe(open.header)
  })

  it('keeps the key frames of each rendition, of the segments that it shows of that one', () => {
    const plan = { instants: [1, 3, 5, 7], keySamples: [] }
    // The second is 3 ms ahead: segments of one instant need not begin together.
    const starts = [
      [90_000, 270_000, 450_000],
      [89_730, 269_730, 449_730],
    ]
    const columns = starts.map((startTicks) => ({
      samples: Uint32Array.of(50, 50, 50),
      startTicks: Float64Array.from(startTicks),
      durationTicks: Float64Array.of(180_000, 180_000, 180_000),
      sizeBytes: Uint32Array.of(1_000, 1_000, 1_000),
      leadingBytes: Uint32Array.of(100, 100, 100),
      independent: Uint8Array.of(1, 1, 1),
      checkpoints: new Float64Array(0),
    }))
    const tracks = ['video-1', 'video-2'].map((name, at) => videoTrack(at + 1, name))
    let made = 0
    const keyFrames = ({ index }: { readonly index: number }) => {
      const ticks = (starts[index] ?? []).flatMap((start) => [start, start + 90_000])
      return {
        samples: Uint32Array.from(ticks.keys()),
        startTicks: Float64Array.from(ticks),
        sizeBytes: Uint32Array.from(ticks.map(() => 100)),
      }
    }
    const whole = new FileView({ header: { ...sampleHeader, hasWallClock: false }, tracks, columns, plan, keyFrames })
    const counted = new Proxy(whole, {
      get: (view, name) => {
        if (name === 'keyFrames') made += 1
        const value: unknown = Reflect.get(view, name, view)
        return typeof value === 'function' ? value.bind(view) : value
      },
    })
    const part = new FilteredView(counted, { filters: [], startMs: 3_000, endMs: 5_000 })
    expect([part.firstSequence, part.endSequence]).toEqual([1, 2])
    for (let round = 0; round < 3; round++) {
      for (const [index, [, start = 0]] of starts.entries()) {
        const shown = part.keyFrames(index) as PresentationView
        expect(part.keyFrames(index)).toBe(shown)
        const sequences = [shown.firstSequence, shown.endSequence - 1]
        const found = sequences.map((sequence) => shown.renditionSegment(index + 2, sequence)?.startTicks)
        expect(found).toEqual([start, start + 90_000])
      }
    }
    expect(made).toBe(2)
  })

  it('behind its end changes no more, however far the whole goes on', () => {
    const { whole } = live(30)
    const part = new FilteredView(whole, { filters: [], startMs: START_MS + 4_000, endMs: START_MS + 20_000 })
    const { version } = part
    const applied = [...whole.records()].length
    const { log } = live(30)
    log.segments(10)
    for (const record of log.records.slice(-1 * (log.records.length - live(30).log.records.length))) whole.apply(record)
    expect([...whole.records()].length).toBeGreaterThan(applied)
    expect([part.version, part.firstSequence, part.endSequence, part.archived]).toEqual([version, 2, 10, true])
    expect(version).not.toBe(whole.version)
    whole.apply({ type: 'evicted', firstSequence: 5 })
    expect(part.firstSequence).toBe(5)
    expect(part.version).not.toBe(version)
  })
})
