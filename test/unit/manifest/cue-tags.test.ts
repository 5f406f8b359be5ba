import { describe, expect, test } from 'vitest'
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
