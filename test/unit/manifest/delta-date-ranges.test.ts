import fc from 'fast-check'
import { Parser } from 'm3u8-parser'
import { describe, expect, test } from 'vitest'
import { buildMediaPlaylist } from '../../../src/manifest/hls-media.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord, PresentationHeader } from '../../../src/presentation/records.ts'
import type { Rendition } from '../../../src/presentation/view.ts'
import { SampleLog, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { said, sampleMarker } from '../presentation/sample-markers.ts'
import { sampleUris } from './sample-manifests.ts'

const header: PresentationHeader = { ...sampleHeader, rewindWindowMs: 60_000 }
const skipRule = { boundaryTargets: 6, minSkipped: 0 }

function playlist(presentation: Presentation, skip: boolean | 'v2'): string {
  return buildMediaPlaylist(presentation, presentation.renditions[0] as Rendition, sampleUris, { skip, skipRule })
}

const dateRanges = (text: string) =>
  new Map([...text.matchAll(/^#EXT-X-DATERANGE:ID="([^"]+)".*$/gm)].map(([line, id = '']) => [id, line]))
const removedIn = (text: string) => /RECENTLY-REMOVED-DATERANGES="([^"]*)"/.exec(text)?.[1]?.split('\t') ?? []
const numberIn = (text: string, tag: string) => Number(new RegExp(`${tag}(\\d+)`).exec(text)?.[1] ?? 0)
const endOf = (text: string) => numberIn(text, 'MEDIA-SEQUENCE:') + (text.match(/^#EXTINF/gm)?.length ?? 0)

describe('delta updates of date ranges', () => {
  test('leave out what was told long ago, and name what has left', () => {
    const log = new SampleLog(header).add(videoTrack(1, 'video-1')).segments(20)
    const presentation = new Presentation(header)
    const apply = (records: readonly LogRecord[]) => {
      for (const record of records) presentation.apply(record)
    }
    apply(log.records)
    expect(playlist(presentation, 'v2')).not.toContain('DATERANGES')
    apply([said(sampleMarker('old', 20, { plannedTicks: 90_000 }))])
    expect(playlist(presentation, false)).toMatch(/#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.0,CAN-SKIP-DATERANGES=YES,/)
    apply(new SampleLog(header).add(videoTrack(1, 'video-1')).segments(40).records.slice(log.records.length))
    apply([
      said(sampleMarker('new', 78)),
      said(sampleMarker('off', 90)),
      said(sampleMarker('gone', 19, { kind: 'cue' })),
    ])
    apply([said(sampleMarker('off', 90, { isCancelled: true, revision: 1 }))])
    const [v1, v2] = [playlist(presentation, true), playlist(presentation, 'v2')]
    expect([...dateRanges(v1).keys()]).toEqual(['old', 'new'])
    expect(numberIn(v1, 'VERSION:')).toBe(9)
    expect(numberIn(v2, 'VERSION:')).toBe(10)
    expect([...dateRanges(v2).keys()]).toEqual(['new'])
    expect(removedIn(v2)).toEqual(['gone', 'off'])
    const parser = new Parser()
    parser.push(v2)
    parser.end()
    expect(parser.manifest.skip).toMatchObject({ recentlyRemovedDateranges: ['gone', 'off'] })
  })

  test('a player that keeps to them knows what the whole playlist says, whatever happens', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('segment' as const) },
      { weight: 1, arbitrary: fc.constant('evict' as const) },
      {
        weight: 1,
        arbitrary: fc.record({
          id: fc.nat(6),
          at: fc.nat(30),
          length: fc.nat(9),
          news: fc.constantFrom('begin', 'end', 'cancel'),
        }),
      },
    )
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 120 }), fc.integer({ min: 1, max: 8 }), (steps, every) => {
        const log = new SampleLog(header).add(videoTrack(1, 'video-1')).segments(32)
        const presentation = new Presentation(header)
        let applied = 0
        let kept = 0
        const catchUp = () => {
          for (; applied < log.records.length; applied++) presentation.apply(log.records[applied] as LogRecord)
        }
        catchUp()
        let known = dateRanges(playlist(presentation, false))
        let end = endOf(playlist(presentation, false))
        for (const [at, each] of steps.entries()) {
          if (each === 'segment') log.segment(180_000)
          else if (each === 'evict') {
            kept = Math.max(kept, presentation.endSequence - 31)
            log.evict(kept)
          } else {
            const start = (presentation.endSequence - 10) * 2 + each.at
            const length = { durationTicks: each.length * 90_000, revision: 1 }
            const begun = sampleMarker(`m${each.id}`, start, { kind: 'cue', plannedTicks: 180_000 })
            const placed = presentation.markers.find(({ id }) => id === begun.id)
            const { changedSequence: _then, ...earlier } = placed ?? { ...begun, changedSequence: 0 }
            if (each.news === 'begin') log.records.push(said(begun))
            else if (placed && each.news === 'end') log.records.push(said({ ...earlier, ...length }))
            else if (placed) log.records.push(said({ ...earlier, isCancelled: true, revision: 1 }))
          }
          catchUp()
          if (at % every > 0) continue
          const [whole, delta] = [playlist(presentation, false), playlist(presentation, 'v2')]
          const firstKept = numberIn(delta, 'MEDIA-SEQUENCE:') + numberIn(delta, 'SKIPPED-SEGMENTS=')
          if (!delta.includes('RECENTLY') || end < firstKept) known = dateRanges(whole)
          else {
            for (const id of removedIn(delta)) known.delete(id)
            for (const [id, line] of dateRanges(delta)) known.set(id, line)
          }
          end = endOf(whole)
          expect(known).toEqual(dateRanges(whole))
        }
      }),
      { numRuns: 40 },
    )
  })
})
