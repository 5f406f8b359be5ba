import { describe, expect, test } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord } from '../../../src/presentation/records.ts'
import { read, simple, stateOf } from './presentation-state.ts'
import { audioTrack, START_TICKS, sampleHeader, videoTrack } from './sample-log.ts'

describe('what a presentation says', () => {
  test('renditions in the order of their first track, each with its tracks', () => {
    const { records } = simple().segment().discontinuity().add(videoTrack(3, 'video-1'))
    const { renditions } = read(records)
    expect(renditions.map(({ index, name, kind }) => ({ index, name, kind }))).toEqual([
      { index: 0, name: 'video-1', kind: 'video' },
      { index: 1, name: 'audio-1', kind: 'audio' },
    ])
    expect(renditions[0]?.tracks.map(({ track }) => track)).toEqual([1, 3])
  })

  test('a rendition that was handed out does not change when a track is added', () => {
    const presentation = read(simple().records)
    const before = presentation.renditions
    presentation.apply({ type: 'track-added', track: videoTrack(3, 'video-1') })
    expect(before[0]?.tracks).toHaveLength(1)
  })

  test('a closed segment folds its fragments: earliest start, sums, and the first one is what is said of its head', () => {
    const log = simple()
    const head = { discontinuitySequence: 0, startTicks: START_TICKS, wallMs: 5 }
    const common = { type: 'fragment', sequence: 0, track: 1, durationTicks: 90_000, wallMs: 5 } as const
    log.records.push(
      { type: 'segment-opened', sequence: 0, ...head },
      { ...common, startTicks: START_TICKS + 3_600, sizeBytes: 10, leadingBytes: 4, independent: true },
      { ...common, startTicks: START_TICKS, sizeBytes: 20, leadingBytes: 9, independent: false },
      { type: 'segment-closed', sequence: 0, durationTicks: 180_000 },
    )
    const presentation = read(log.records)
    expect(presentation.segment(0)).toEqual({ sequence: 0, ...head, durationTicks: 180_000, gap: false })
    expect(presentation.renditionSegment(0, 0)).toEqual({
      sequence: 0,
      track: 1,
      startTicks: START_TICKS,
      durationTicks: 180_000,
      sizeBytes: 30,
      leadingBytes: 4,
      independent: true,
    })
    expect(presentation.renditionSegment(1, 0)).toBeUndefined()
  })

  test('gaps and segments without any media are gaps', () => {
    const { records } = simple()
      .segment()
      .gap()
      .segment(180_000, { without: ['video-1', 'audio-1'] })
    const presentation = read(records)
    expect([0, 1, 2].map((sequence) => presentation.segment(sequence)?.gap)).toEqual([false, true, true])
  })

  test('the segment that a crash left open is given up for a gap with its number', () => {
    const log = simple().segment()
    const startTicks = START_TICKS + 180_000
    log.records.push({ type: 'segment-opened', sequence: 1, discontinuitySequence: 0, startTicks, wallMs: 0 })
    const presentation = read(log.records)
    presentation.apply({
      type: 'gap',
      sequence: 1,
      discontinuitySequence: 0,
      startTicks,
      durationTicks: 180_000,
      wallMs: 0,
    })
    expect(presentation.openSegment).toBeUndefined()
    expect(presentation.segment(1)?.gap).toBe(true)
  })

  test('finds every segment by its start, and none by any other tick, over gaps, missing media and timescales', () => {
    const log = simple()
    for (let round = 0; round < 300; round++) {
      log.segment(180_000, { without: round % 7 === 3 ? ['audio-1'] : [] })
      if (round % 11 === 5) log.gap()
      if (round === 100) log.discontinuity().add(audioTrack(3, 'audio-1', { timescale: 44_100 }))
      if (round === 200) log.discontinuity().add(audioTrack(4, 'audio-1', { timescale: 48_000 }))
    }
    const presentation = read([...log.records, { type: 'evicted', firstSequence: 37 }])
    let found = 0
    for (let sequence = 0; sequence < presentation.endSequence; sequence++) {
      for (const rendition of [0, 1]) {
        const media = presentation.renditionSegment(rendition, sequence)
        if (!media) continue
        found++
        expect(presentation.findSegment(rendition, media.startTicks)).toEqual(media)
        expect(presentation.findSegment(rendition, media.startTicks + 1)).toBeUndefined()
        expect(presentation.findSegment(rendition, media.startTicks - 1)).toBeUndefined()
      }
    }
    expect(found).toBeGreaterThan(480)
    expect(presentation.findSegment(0, START_TICKS)).toBeUndefined()
    expect(presentation.findSegment(9, START_TICKS)).toBeUndefined()
  })

  test('parts are there for the open segment and for eight target durations, then they fold', () => {
    const log = simple()
    for (let made = 0; made < 11; made++) log.segment(180_000, { parts: 4 })
    const startTicks = START_TICKS + 11 * 180_000
    log.records.push({ type: 'segment-opened', sequence: 11, discontinuitySequence: 0, startTicks, wallMs: 0 })
    const presentation = read(log.records)
    presentation.apply({
      type: 'fragment',
      sequence: 11,
      track: 1,
      startTicks,
      durationTicks: 45_000,
      sizeBytes: 7,
      leadingBytes: 3,
      independent: true,
      wallMs: 0,
    })
    const counts = Array.from({ length: 13 }, (_none, sequence) => presentation.parts(0, sequence)?.length)
    expect(counts).toEqual([undefined, undefined, undefined, 4, 4, 4, 4, 4, 4, 4, 4, 1, undefined])
    expect(presentation.parts(1, 11)).toEqual([])
    expect(presentation.openSegment).toMatchObject({ sequence: 11, startTicks, discontinuitySequence: 0 })
    expect(presentation.renditionSegment(0, 11)).toBeUndefined()
  })

  test('eviction trims the front and renumbers nothing', () => {
    const log = simple().segments(1_500)
    const presentation = read(log.records)
    const kept = presentation.renditionSegment(0, 1_234)
    presentation.apply({ type: 'evicted', firstSequence: 1_200 })
    expect([presentation.firstSequence, presentation.endSequence]).toEqual([1_200, 1_500])
    expect(presentation.segment(1_199)).toBeUndefined()
    expect(presentation.renditionSegment(0, 1_199)).toBeUndefined()
    expect(presentation.renditionSegment(0, 1_234)).toEqual(kept)
    presentation.apply({ type: 'evicted', firstSequence: 1_500 })
    expect(presentation.segment(1_499)).toBeUndefined()
    expect(presentation.endSequence).toBe(1_500)
  })

  test('the version grows with what a manifest may say, and with nothing else', () => {
    const log = simple().segment().gap().discontinuity().segment().evict(1).end()
    const presentation = new Presentation(sampleHeader)
    const silent = new Set(['opened', 'segment-opened', 'fragment'])
    presentation.apply(log.records[0] as LogRecord)
    expect(presentation.version).toBe(0)
    for (const record of log.records.slice(1)) {
      const before = presentation.version
      presentation.apply(record)
      if (silent.has(record.type)) expect(presentation.version).toBe(before)
      else expect(presentation.version).toBeGreaterThan(before)
    }
  })

  test('25 hours of 2 s segments in 7 renditions take at most 10 MB of index, also when the window slides on', () => {
    const presentation = new Presentation(sampleHeader)
    for (let n = 1; n <= 7; n++) presentation.apply({ type: 'track-added', track: videoTrack(n, `video-${n}`) })
    const count = 45_000
    const write = (sequence: number) => {
      const startTicks = START_TICKS + sequence * 180_000
      presentation.apply({ type: 'segment-opened', sequence, discontinuitySequence: 0, startTicks, wallMs: 0 })
      const media = { durationTicks: 180_000, sizeBytes: 1, leadingBytes: 1, independent: true, wallMs: 0 }
      for (let track = 1; track <= 7; track++) {
        presentation.apply({ type: 'fragment', sequence, track, startTicks, ...media })
      }
      presentation.apply({ type: 'segment-closed', sequence, durationTicks: 180_000 })
    }
    for (let sequence = 0; sequence < count; sequence++) write(sequence)
    expect(presentation.indexBytes).toBeLessThanOrEqual(10e6)
    expect(presentation.indexBytes).toBeGreaterThan(count * 7 * 8)
    for (let sequence = count; sequence < count + 2_000; sequence++) {
      write(sequence)
      presentation.apply({ type: 'evicted', firstSequence: sequence - count + 1 })
    }
    expect(presentation.indexBytes).toBeLessThanOrEqual(10e6)
    expect(presentation.endSequence - presentation.firstSequence).toBe(count)
    expect(presentation.findSegment(3, START_TICKS + 30_000 * 180_000)?.sequence).toBe(30_000)
  })
})

describe('a record that breaks the order', () => {
  const startTicks = START_TICKS + 180_000
  const open = { type: 'segment-opened', sequence: 1, discontinuitySequence: 0, startTicks, wallMs: 0 } as const
  const fragment = {
    type: 'fragment',
    sequence: 1,
    track: 1,
    startTicks: START_TICKS + 180_000,
    durationTicks: 1,
    sizeBytes: 1,
    leadingBytes: 1,
    independent: true,
    wallMs: 0,
  } as const
  const gap = { ...open, type: 'gap', durationTicks: 1 } as const
  const cases: readonly (readonly [string, readonly LogRecord[], LogRecord])[] = [
    ['opened in mid-log', [], { type: 'opened', header: sampleHeader }],
    ['a track number again', [], { type: 'track-added', track: videoTrack(1, 'video-9') }],
    ['a rendition of another kind', [], { type: 'track-added', track: audioTrack(9, 'video-1') }],
    ['a track without a timescale', [], { type: 'track-added', track: videoTrack(9, 'video-9', { timescale: 0 }) }],
    ['a segment number left out', [], { ...open, sequence: 2 }],
    ['a segment number again', [], { ...open, sequence: 0 }],
    ['a segment while one is open', [open], { ...open, sequence: 2 }],
    ['a segment before the last', [], { ...open, startTicks: START_TICKS }],
    ['a segment without a wall clock', [], { ...open, wallMs: Number.NaN }],
    ['an unannounced discontinuity', [], { ...open, discontinuitySequence: 1 }],
    ['a fragment without a segment', [], fragment],
    ['a fragment of another segment', [open], { ...fragment, sequence: 0 }],
    ['a fragment of no track', [open], { ...fragment, track: 77 }],
    ['a fragment in the past', [open], { ...fragment, startTicks: START_TICKS }],
    ['a fragment between ticks', [open], { ...fragment, startTicks: START_TICKS + 180_000.5 }],
    ['a size out of range', [open], { ...fragment, sizeBytes: 2 ** 32 }],
    ['a negative duration', [open], { ...fragment, durationTicks: -1 }],
    [
      'two tracks of a rendition in a segment',
      [{ type: 'track-added', track: videoTrack(9, 'video-1') }, open, fragment],
      { ...fragment, track: 9 },
    ],
    ['a close without a segment', [], { type: 'segment-closed', sequence: 1, durationTicks: 1 }],
    ['a close of another segment', [open], { type: 'segment-closed', sequence: 2, durationTicks: 1 }],
    ['a close with no duration', [open], { type: 'segment-closed', sequence: 1, durationTicks: Number.NaN }],
    [
      'a discontinuity within a segment',
      [open],
      { type: 'discontinuity', discontinuitySequence: 1, reason: 'restart' },
    ],
    ['a discontinuity left out', [], { type: 'discontinuity', discontinuitySequence: 2, reason: 'restart' }],
    ['a gap while another segment is open', [open], { ...gap, sequence: 2, startTicks: START_TICKS + 360_000 }],
    ['a gap number left out', [], { ...gap, sequence: 3 }],
    ['an eviction of what is not there', [], { type: 'evicted', firstSequence: 2 }],
    ['an eviction backwards', [{ type: 'evicted', firstSequence: 1 }], { type: 'evicted', firstSequence: 0 }],
    ['an end with a segment open', [open], { type: 'ended' }],
    ['a segment after the end', [{ type: 'ended' }], open],
    ['a second end', [{ type: 'ended' }], { type: 'ended' }],
  ]

  test.each(cases)('%s is refused, and nothing has changed', (_, before, record) => {
    const presentation = read([...simple().segment().records, ...before])
    const state = stateOf(presentation)
    expect(() => presentation.apply(record)).toThrow(AppError)
    expect(stateOf(presentation)).toEqual(state)
  })

  test('so is the log of another presentation', () => {
    const header = { ...sampleHeader, epoch: 'another' }
    expect(() => new Presentation(sampleHeader).apply({ type: 'opened', header })).toThrow(AppError)
  })
})
