import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { filterNames, readSelectionQuery, selectionQuery } from '../../../src/origin/filter-query.ts'
import type { Published } from '../../../src/origin/ports.ts'
import { Selections } from '../../../src/origin/selections.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { SampleLog, START_TICKS, sampleHeader, videoTrack } from '../presentation/sample-log.ts'

const START_SECONDS = START_TICKS / 90_000

function published(segments: number): Published {
  const view = new Presentation(sampleHeader)
  for (const record of new SampleLog().add(videoTrack(1, 'video-1')).segments(segments).records) view.apply(record)
  return { locatorId: 'l', manifestName: 'm', view }
}

describe('the query of what is shown', () => {
  it('reads times with their zone, and seconds', () => {
    const at = Date.parse('2026-11-21T20:00:00Z')
    for (const text of [
      '2026-11-21T20:00:00Z',
      '2026-11-21T20:00Z',
      '2026-11-21T21:00:00%2B01:00',
      '2026-11-21T21:00:00+0100',
      String(at / 1_000),
    ]) {
      expect(readSelectionQuery(`/l/index.m3u8?start=${text}`)).toEqual({ names: [], startMs: at })
    }
    expect(readSelectionQuery('/x?end=1.0005#start=5')).toEqual({ names: [], endMs: 1_001 })
    expect(readSelectionQuery('/x?CMCD=start%3D5&filter=a;b')).toEqual({ names: ['a', 'b'] })
    expect(readSelectionQuery('/x')).toEqual({ names: [] })
    expect(filterNames(' a ;; b;')).toEqual(['a', 'b'])
  })

  it('is a selection or URL_INVALID, whatever it is, and what it is written as is read as the same', () => {
    const piece = fc.constantFrom(
      'start=',
      'end=',
      'filter=',
      '&',
      ';',
      '?',
      '#',
      '-',
      '1',
      '2026-11-21T20:00:00Z',
      'T',
      '%',
      '%2',
      'a',
      '\u0000',
      '+',
    )
    const queries = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(queries, (query) => {
        try {
          const read = readSelectionQuery(`/l/index.m3u8?${query}`)
          for (const time of [read.startMs, read.endMs]) expect(time ?? 0).toBeGreaterThanOrEqual(0)
          expect(readSelectionQuery(`/x${selectionQuery(read)}`)).toEqual(read)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
          expect((error as AppError).code).toBe('URL_INVALID')
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('selections', () => {
  it('are the same for all who ask for the same segments', () => {
    const selections = new Selections()
    const what = published(20)
    const of = (query: string) => selections.ofUrl(what, `/l/index.m3u8?${query}`)
    const first = of(`start=${START_SECONDS + 4}&end=${START_SECONDS + 19}`)
    expect(first.query).toBe(`?start=${START_SECONDS + 4}&end=${START_SECONDS + 20}`)
    for (const query of [`start=${START_SECONDS + 5.9}&end=${START_SECONDS + 18.1}`, first.query.slice(1)]) {
      expect(of(query)).toEqual(first)
      expect(of(query).view).toBe(first.view)
    }
    expect(of(`start=${START_SECONDS + 6}&end=${START_SECONDS + 19}`).view).not.toBe(first.view)
    expect(of('CMCD=bl%3D1').view).toBe(what.view)
  })

  it('are remembered in a bounded number, those that are asked for longest', () => {
    const selections = new Selections()
    const what = published(300)
    const of = (segment: number) => selections.ofUrl(what, `/x?start=${START_SECONDS + 2 * segment}`).view
    const [kept, forgotten] = [of(0), of(1)]
    for (let segment = 2; segment < 200; segment++) {
      of(segment)
      of(0)
    }
    expect(of(0)).toBe(kept)
    expect(of(1)).not.toBe(forgotten)
  })

  it('find a start again in the milliseconds that they are written in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 90_001, max: 400_000 }), { minLength: 3, maxLength: 12 }),
        fc.nat({ max: 40_000 }),
        fc.integer({ min: 1, max: 40_000 }),
        (durations, fromMs, lengthMs) => {
          const view = new Presentation(sampleHeader)
          const log = new SampleLog().add(videoTrack(1, 'video-1'))
          for (const durationTicks of durations) log.segment(durationTicks)
          for (const record of log.records) view.apply(record)
          const selections = new Selections()
          const what = { locatorId: 'l', manifestName: 'm', view }
          const start = START_SECONDS + fromMs / 1_000
          const url = `/x?start=${start}&end=${start + lengthMs / 1_000}`
          const attempt = (target: string) => {
            try {
              return selections.ofUrl(what, target)
            } catch {
              return undefined
            }
          }
          const first = attempt(url)
          if (!first) return
          const again = attempt(`/x${first.query}`)
          expect([again?.view.firstSequence, again?.view.endSequence]).toEqual([
            first.view.firstSequence,
            first.view.endSequence,
          ])
          expect(again?.query).toBe(first.query)
        },
      ),
      { numRuns: 200 },
    )
  })
})
