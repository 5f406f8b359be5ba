import { describe, expect, test } from 'vitest'
import { cueTagsOf } from '../../../src/manifest/hls-markers.ts'
import { buildMediaPlaylist, MediaPlaylist } from '../../../src/manifest/hls-media.ts'
import type { Marker } from '../../../src/presentation/markers.ts'
import type { Rendition } from '../../../src/presentation/view.ts'
import { SampleLog, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { said, sampleMarker } from '../presentation/sample-markers.ts'
import { presentationOf, sampleUris } from './sample-manifests.ts'

/** The tags before each of the segments, of two seconds each. */
function cuesOf(count: number, ...markers: Marker[]): string[] {
  const { records } = new SampleLog().add(videoTrack(1, 'video-1')).segments(count)
  const view = presentationOf(sampleHeader, [...records, ...markers.map(said)])
  const text = buildMediaPlaylist(view, view.renditions[0] as Rendition, sampleUris, { cues: true })
  const segments = text.slice(text.indexOf('#EXT-X-MAP')).split(/\.m4s\n/)
  return segments.slice(0, count).map((segment) => (segment.match(/#EXT-(X-CUE|OATCLS).*/g) ?? []).join(' '))
}

const scte35 = Uint8Array.of(0xfc, 0x30)

describe('the tags of breaks from before EXT-X-DATERANGE', () => {
  test('a break begins and ends with the segments that start nearest', () => {
    const marker = sampleMarker('b', 2.7, { plannedTicks: 360_000, durationTicks: 360_000, scte35, revision: 1 })
    expect(cuesOf(5, marker)).toEqual([
      '',
      '#EXT-OATCLS-SCTE35:/DA= #EXT-X-CUE-OUT:4.000',
      '#EXT-X-CUE-OUT-CONT:ElapsedTime=1.300,Duration=4.000,SCTE35=/DA=',
      '#EXT-X-CUE-IN',
      '',
    ])
  })

  test('one that goes on, one that is not there, and one that is shorter than a segment', () => {
    expect(cuesOf(3, sampleMarker('b', 2))).toEqual(['', '#EXT-X-CUE-OUT', '#EXT-X-CUE-OUT-CONT:ElapsedTime=2.000'])
    expect(cuesOf(3, sampleMarker('off', 2, { isCancelled: true }), sampleMarker('t', 2, { kind: 'text' }))).toEqual([
      '',
      '',
      '',
    ])
    const short = sampleMarker('b', 2.2, { durationTicks: 9_000 })
    expect(cuesOf(3, short)).toEqual(['', '', ''])
  })

  test('of a segment stay what they are when those before it are gone', () => {
    const { records } = new SampleLog().add(videoTrack(1, 'video-1')).segments(60)
    const markers = [
      sampleMarker('over', 3, { durationTicks: 12 * 90_000 }),
      sampleMarker('long', 20.5, { plannedTicks: 90 * 90_000 }),
    ].map(said)
    const whole = presentationOf(sampleHeader, [...records, ...markers])
    const cut = presentationOf(sampleHeader, [...records, ...markers])
    const all = cueTagsOf(whole)
    const expected = Array.from({ length: 60 }, (_, sequence) => all(sequence))
    expect(expected.filter((tags) => tags.includes('CUE-OUT:'))).toHaveLength(2)
    for (let first = 1; first < 40; first++) {
      cut.apply({ type: 'evicted', firstSequence: first })
      const tags = cueTagsOf(cut)
      expect([first, first + 1].map((sequence) => tags(sequence))).toEqual([expected[first], expected[first + 1]])
    }
  })

  test('are the same in whatever order segments are asked for, and cost a look at each marker', () => {
    const { records } = new SampleLog().add(videoTrack(1, 'video-1')).segments(2_000)
    const breaks = Array.from({ length: 900 }, (_, at) =>
      sampleMarker(`b${at}`, at * 4 + 0.7, { durationTicks: (at % 5) * 100_000 + 9_000 }),
    )
    const view = presentationOf(sampleHeader, [...records, ...breaks.map(said)])
    const forwards = cueTagsOf(view)
    const expected = Array.from({ length: 2_000 }, (_, sequence) => forwards(sequence))
    const backwards = cueTagsOf(view)
    for (const sequence of [1_999, 1_000, 1_001, 3, 500]) expect(backwards(sequence)).toBe(expected[sequence])
    expect(expected.filter((tags) => tags.includes('#EXT-X-CUE-OUT:')).length).toBeGreaterThan(600)
    let looks = 0
    const { markers } = view
    const counted = markers.map(
      (marker) =>
        new Proxy(marker, {
          get(target, name) {
            if (name === 'startTicks') looks++
            return Reflect.get(target, name)
          },
        }),
    )
    const watched = cueTagsOf({ segment: (sequence) => view.segment(sequence), markers: counted })
    for (let sequence = 0; sequence < 2_000; sequence++) watched(sequence)
    expect(looks).toBeLessThan(30_000)
  })

  test('stand in no playlist that was not asked for them; a block with them is made anew when something is said', () => {
    const { records } = new SampleLog().add(videoTrack(1, 'video-1')).segments(600)
    const view = presentationOf(sampleHeader, [...records, said(sampleMarker('b', 700))])
    const rendition = view.renditions[0] as Rendition
    expect(buildMediaPlaylist(view, rendition, sampleUris)).not.toContain('CUE')
    const open = (cues: boolean) => new MediaPlaylist(view, rendition, sampleUris, { cues })
    const [plain, cued] = [open(false).stamp(1), open(true).stamp(1)]
    expect(open(true).block(1)).toContain('#EXT-X-CUE-OUT\n')
    view.apply(said(sampleMarker('b', 700, { durationTicks: 90_000, revision: 1 })))
    expect(open(false).stamp(1).markerChanges).toBe(plain.markerChanges)
    expect(open(true).stamp(1).markerChanges).not.toBe(cued.markerChanges)
  })
})
