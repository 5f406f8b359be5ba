import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_MARKERS, MAX_MARKERS_BYTES, type Marker, markerBytes } from '../../../src/presentation/markers.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord } from '../../../src/presentation/records.ts'
import { read, simple, stateOf } from './presentation-state.ts'
import { START_TICKS, sampleHeader } from './sample-log.ts'
import { said, sampleMarker } from './sample-markers.ts'

/** By its records, as a log's copy elsewhere is made. */
function copyOf(presentation: Presentation): Presentation {
  const copy = new Presentation(presentation.header)
  for (const record of presentation.records()) copy.apply(record)
  return copy
}

const ids = (presentation: Presentation) => presentation.markers.map(({ id }) => id)

describe('markers of a presentation', () => {
  test('stand in the order of their start; each saying is a new version, and nothing that was said changes', () => {
    const presentation = read(simple().segment().records)
    const versions = [presentation.version]
    const tell = (marker: Marker) => {
      presentation.apply(said(marker))
      versions.push(presentation.version)
    }
    tell(sampleMarker('b', 5, { plannedTicks: 90_000 }))
    tell(sampleMarker('a', 5))
    tell(sampleMarker('c', 1))
    tell(sampleMarker('b', 7, { kind: 'text', plannedTicks: 1, durationTicks: 45_000, revision: 1 }))
    tell(sampleMarker('b', 5, { durationTicks: 1, scte35In: Uint8Array.of(1), revision: 2 }))
    expect(ids(presentation)).toEqual(['c', 'a', 'b'])
    expect(presentation.markers[2]).toEqual({
      ...sampleMarker('b', 5, { plannedTicks: 90_000, durationTicks: 45_000, scte35In: Uint8Array.of(1), revision: 2 }),
      changedSequence: 1,
    })
    expect(versions).toEqual(versions.map((_version, at) => (versions[0] ?? 0) + at))
  })

  test.each<[string, Partial<Marker>]>([
    ['of another version', { version: 2 as 1 }],
    ['without an id', { id: '' }],
    ['with too long an id', { id: 'x'.repeat(129) }],
    ['that starts between two ticks', { startTicks: START_TICKS + 0.5 }],
    ['without a wall clock', { wallMs: Number.NaN }],
    ['of too many bytes', { values: { text: 'ä'.repeat(2_100) } }],
  ])('one %s is refused, and nothing is changed', (_name, more) => {
    const presentation = read(simple().segment().records)
    const before = stateOf(presentation)
    expect(() => presentation.apply(said(sampleMarker('a', 1, more)))).toThrow('marker')
    expect(stateOf(presentation)).toEqual(before)
  })

  test('leave with the window, when they are over', () => {
    // They are kept for 13 target durations more, as long as delta updates may have to say that they have left.
    const log = simple().segments(23)
    const presentation = read(log.records)
    const over = { plannedTicks: 90_000 }
    for (const marker of [
      sampleMarker('short', 1, over),
      sampleMarker('reaching', 3, { plannedTicks: 9 * 90_000 }),
      sampleMarker('open', 2),
      sampleMarker('text', 2, { kind: 'text' }),
      sampleMarker('later', 15, over),
    ]) {
      presentation.apply(said(marker))
    }
    presentation.apply({ type: 'evicted', firstSequence: 17 })
    expect(ids(presentation)).toEqual(['open', 'reaching', 'later'])
    presentation.apply(said(sampleMarker('open', 2, { durationTicks: 90_000, revision: 1 })))
    presentation.apply({ type: 'evicted', firstSequence: 20 })
    expect(ids(presentation)).toEqual(['later'])
  })

  test('are bounded by their bytes too, also behind a snapshot', () => {
    let presentation = read(simple().segment().records)
    for (let at = 0; at < 200; at++) {
      if (at === 100) presentation = copyOf(presentation)
      const values = { text: 'x'.repeat(3_000 + at) }
      presentation.apply(said(sampleMarker(`m${at}`, at, { kind: at % 4 === 0 ? 'ad-break' : 'text', values })))
    }
    const { markers } = presentation
    const bytes = markers.reduce((sum, marker) => sum + markerBytes(marker), 0)
    expect(bytes).toBeLessThanOrEqual(MAX_MARKERS_BYTES)
    expect(bytes).toBeGreaterThan(MAX_MARKERS_BYTES - 4_096)
    // Of breaks there is room for all.
    expect(markers.filter(({ kind }) => kind === 'ad-break')).toHaveLength(50)
    expect(stateOf(copyOf(presentation)).markers).toEqual(stateOf(presentation).markers)
    presentation.apply(
      said({ ...(markers[0] as Marker), durationTicks: 1, scte35In: new Uint8Array(900), revision: 1 }),
    )
    const after = presentation.markers.reduce((sum, marker) => sum + markerBytes(marker), 0)
    expect(after).toBeLessThanOrEqual(MAX_MARKERS_BYTES)
  })

  test('are bounded: texts go before breaks, the oldest first', () => {
    const presentation = read(simple().segment().records)
    for (let at = 0; at < MAX_MARKERS; at++) {
      presentation.apply(said(sampleMarker(`m${at}`, at, { kind: at % 2 === 0 ? 'ad-break' : 'text' })))
    }
    presentation.apply(said(sampleMarker('one more', 0)))
    expect(presentation.markers).toHaveLength(MAX_MARKERS)
    expect(ids(presentation).slice(0, 4)).toEqual(['m0', 'one more', 'm2', 'm3'])
  })

  test('a replica made at any moment follows to the same view; so does a snapshot, and a copy by records', () => {
    const step = fc.oneof(
      fc.constant('segment' as const),
      fc.constant('discontinuity' as const),
      fc.constant('evict' as const),
      fc.record({
        id: fc.constantFrom('a', 'b', 'c'),
        at: fc.nat(20),
        length: fc.option(fc.nat(8)),
        isOver: fc.boolean(),
      }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(60), (steps, copiedAt) => {
        const log = simple().segment()
        let kept = 0
        for (const each of steps) {
          if (each === 'segment') log.segment(180_000, { parts: 2 })
          else if (each === 'discontinuity') log.discontinuity()
          else if (each === 'evict') {
            kept = Math.min(kept + 1, log.nextSequence)
            log.evict(kept)
          } else {
            const planned = each.length === null ? {} : { plannedTicks: each.length * 90_000 }
            const over = each.isOver ? { durationTicks: 90_000, revision: 1 } : {}
            log.records.push(said(sampleMarker(each.id, each.at, { ...planned, ...over })))
          }
        }
        const { records } = log
        const whole = stateOf(read(records))
        const before = read(records.slice(0, copiedAt))
        const rest: readonly LogRecord[] = records.slice(Math.max(1, copiedAt))
        for (const copy of [copyOf(before), Presentation.from(structuredClone(before.snapshot()))]) {
          expect(stateOf(copy)).toEqual(stateOf(before))
          for (const record of rest) copy.apply(record)
          expect(stateOf(copy)).toEqual(whole)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('the chunks of a recording have each where it was last spoken of', () => {
    const log = simple().segments(3)
    const { records } = log
    records.push(said(sampleMarker('early', 1)), said(sampleMarker('both', 2)))
    log.segments(3)
    records.push(said(sampleMarker('both', 2, { durationTicks: 90_000, revision: 1 })), said(sampleMarker('late', 30)))
    log.end()
    const presentation = read(records)
    const spans = [
      [0, 3],
      [3, 6],
    ] as const
    const told = spans.map(([first, end]) =>
      [...presentation.spanRecords(first, end)].flatMap((record) => (record.type === 'marker' ? [record.id] : [])),
    )
    // What was said between two of them is in both.
    expect(told).toEqual([['early'], ['early', 'both', 'late']])
  })

  test('are in a copy of what has not begun', () => {
    const presentation = new Presentation(sampleHeader)
    presentation.apply(said(sampleMarker('a', 1)))
    expect(stateOf(copyOf(presentation))).toEqual(stateOf(presentation))
  })
})
