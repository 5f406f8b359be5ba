import { XMLParser } from 'fast-xml-parser'
import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { parse as parseMpd } from 'mpd-parser'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { buildMpd } from '../../../src/manifest/dash-mpd.ts'
import { buildMediaPlaylist } from '../../../src/manifest/hls-media.ts'
import type { Marker } from '../../../src/presentation/markers.ts'
import type { LogRecord, PresentationHeader } from '../../../src/presentation/records.ts'
import type { PresentationView, Rendition } from '../../../src/presentation/view.ts'
import { audioTrack, SampleLog, START_TICKS, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { said, sampleMarker } from '../presentation/sample-markers.ts'
import { loadInHlsJs } from './hls-js.ts'
import { allManifests, presentationOf, sampleUris } from './sample-manifests.ts'

hlsParser.setOptions({ strictMode: true })

// hls.js looks for what a browser has.
beforeAll(() => void vi.stubGlobal('self', globalThis))
afterAll(() => void vi.unstubAllGlobals())

const header: PresentationHeader = { ...sampleHeader, rewindWindowMs: 20_000 }
const START_MS = START_TICKS / 90
const out = Uint8Array.of(0xfc, 0x30, 0x11)
const back = Uint8Array.of(0xfc, 0x30, 0x12)

function startLog(): SampleLog {
  return new SampleLog(header).add(videoTrack(1, 'video-1')).add(audioTrack(2, 'audio-1'))
}

function viewOf(records: readonly LogRecord[], ...markers: Marker[]): PresentationView {
  return presentationOf(header, [...records, ...markers.map(said)])
}

function playlist(view: PresentationView, options = {}): string {
  return buildMediaPlaylist(view, view.renditions[0] as Rendition, sampleUris, options)
}

function dateRanges(text: string): readonly Readonly<Record<string, unknown>>[] {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest.dateRanges
}

const breakMarker = sampleMarker('b-1', 4.5, {
  plannedTicks: 2_700_000,
  scte35: out,
  values: { 'segment.num': '1/2', upid: 'a"b' },
})
const ended = { ...breakMarker, durationTicks: 540_000, scte35In: back, revision: 1 }

describe('HLS', () => {
  test('EXT-X-DATERANGE of a break that goes on, is over, and of another message', () => {
    const { records } = startLog().segments(3)
    const view = viewOf(records, breakMarker, sampleMarker('s', 5, { kind: 'splice', scte35: back }))
    const tags = playlist(view).match(/#EXT-X-DATERANGE.*/g)
    expect(tags).toEqual([
      '#EXT-X-DATERANGE:ID="b-1",CLASS="org.headend.ad-break",START-DATE="2026-11-21T05:20:04.500Z",PLANNED-DURATION=30.000,X-SEGMENT-NUM="1/2",X-UPID="ab",SCTE35-OUT=0xFC3011',
      '#EXT-X-DATERANGE:ID="s",CLASS="org.headend.splice",START-DATE="2026-11-21T05:20:05.000Z",SCTE35-CMD=0xFC3012',
    ])
    const later = playlist(viewOf(records, ended))
    expect(later.match(/#EXT-X-DATERANGE.*/g)).toEqual([
      '#EXT-X-DATERANGE:ID="b-1",CLASS="org.headend.ad-break",START-DATE="2026-11-21T05:20:04.500Z",DURATION=6.000,PLANNED-DURATION=30.000,X-SEGMENT-NUM="1/2",X-UPID="ab",SCTE35-OUT=0xFC3011,SCTE35-IN=0xFC3012',
    ])
  })

  test('is read by hls-parser and by m3u8-parser, on the time of the segments', () => {
    const view = viewOf(startLog().segments(3).records, ended)
    const text = playlist(view)
    const parsed = hlsParser.parse(text)
    if (parsed.isMasterPlaylist) throw new Error('not a media playlist')
    const [first] = parsed.segments
    expect(first?.dateRange).toMatchObject({ id: 'b-1', start: new Date(START_MS + 4_500), duration: 6 })
    expect(first?.programDateTime?.getTime()).toBe(START_MS)
    expect(dateRanges(text)).toMatchObject([{ id: 'b-1', duration: 6, plannedDuration: 30, xUpid: 'ab' }])
    expect(parsed.segments).toHaveLength(3)
  })

  test('is valid to hls.js, and kept over a delta update', () => {
    const long = { ...header, rewindWindowMs: 3_600_000 }
    const log = new SampleLog(long).add(videoTrack(1, 'video-1')).segments(400)
    const coming = sampleMarker('coming', 900, { plannedTicks: 90_000 })
    const view = presentationOf(long, [...log.records, said(ended), said(coming)])
    const whole = loadInHlsJs(playlist(view), undefined)
    const later = presentationOf(long, [...log.segment().records, said(ended), said(coming)])
    const { details, failed } = loadInHlsJs(playlist(later, { skip: true }), whole)
    expect(failed).toBe(false)
    for (const { dateRanges } of [whole.details, details]) {
      const ranges = Object.values(dateRanges)
      expect(ranges.map((range) => [range?.id, range?.isValid, range?.duration])).toEqual([
        ['b-1', true, 6],
        ['coming', true, null],
      ])
      expect(ranges[0]?.startTime).toBeCloseTo(4.5, 3)
    }
  })

  test('is there as long as it reaches into the window, and while it is to come; not when it was called off', () => {
    const short = { plannedTicks: 90_000 }
    const { records } = startLog().segments(20)
    const view = viewOf(
      records,
      sampleMarker('gone', 10, short),
      sampleMarker('reaching', 10, { plannedTicks: 15 * 90_000 }),
      sampleMarker('open', 1),
      sampleMarker('coming', 60, short),
      sampleMarker('off', 61, { isCancelled: true, revision: 1 }),
      sampleMarker('text', 22, { kind: 'text' }),
    )
    const listed = dateRanges(playlist(view)).map(({ id }) => id)
    expect(listed).toEqual(['open', 'reaching', 'text', 'coming'])
    const over = presentationOf(header, [...records, ...view.markers.map(said), { type: 'ended' }])
    expect(dateRanges(playlist(over)).map(({ id }) => id)).toEqual(['open', 'reaching', 'text'])
  })

  test('stands in delta updates too, and not in playlists of key frames', () => {
    const log = new SampleLog({ ...header, rewindWindowMs: 3_600_000 }).add(videoTrack(1, 'video-1')).segments(400)
    const view = presentationOf({ ...header, rewindWindowMs: 3_600_000 }, [...log.records, said(breakMarker)])
    const delta = playlist(view, { skip: true })
    expect(delta).toContain('#EXT-X-SKIP:')
    expect(delta).toContain('ID="b-1"')
    expect(playlist(view, { lists: 'key-frames' })).not.toContain('DATERANGE')
  })
})

/** Events as an independent reader of XML finds them, by period. */
function eventsOf(mpd: string) {
  const isArray = (name: string) => ['Period', 'EventStream', 'Event'].includes(name)
  const root = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', isArray }).parse(mpd)
  const periods = root.MPD.Period as { id: string; EventStream?: { schemeIdUri: string; Event: object[] }[] }[]
  return periods.map(({ id, EventStream = [] }) => ({ id, streams: EventStream }))
}

describe('DASH', () => {
  test('event streams of the period in which each starts, before its adaptation sets', () => {
    const { records } = startLog().segments(3).discontinuity().segments(2)
    const text = sampleMarker('t', 7, { kind: 'text', values: { text: '<b>"ü"</b>' } })
    const mpd = buildMpd(viewOf(records, ended, text), sampleUris)
    expect(mpd.indexOf('<EventStream')).toBeLessThan(mpd.indexOf('<AdaptationSet'))
    const startTicks = START_TICKS + 405_000
    const offset = String(START_TICKS + 3 * 180_000 + 45_000)
    const signal = (bytes: Uint8Array) => ({
      xmlns: 'http://www.scte.org/schemas/35/2016',
      Binary: Buffer.from(bytes).toString('base64'),
    })
    const scte35 = { schemeIdUri: 'urn:scte:scte35:2014:xml+bin', timescale: '90000' }
    expect(eventsOf(mpd)).toEqual([
      {
        id: 'd0',
        streams: [
          {
            ...scte35,
            presentationTimeOffset: String(START_TICKS),
            Event: [
              {
                presentationTime: String(startTicks),
                duration: '540000',
                id: expect.stringMatching(/^\d{1,10}$/),
                Signal: signal(out),
              },
              {
                presentationTime: String(startTicks + 540_000),
                id: expect.stringMatching(/^\d{1,10}$/),
                Signal: signal(back),
              },
            ],
          },
        ],
      },
      {
        id: 'd1',
        streams: [
          {
            schemeIdUri: 'urn:org.headend:marker:1',
            timescale: '90000',
            presentationTimeOffset: offset,
            Event: [
              {
                presentationTime: String(START_TICKS + 630_000),
                id: expect.any(String),
                messageData: JSON.stringify({ id: 't', kind: 'text', text: '<b>"ü"</b>' }),
              },
            ],
          },
        ],
      },
    ])
  })

  test('mpd-parser reads them, live and on-demand', () => {
    const { records } = startLog().segments(3)
    const read = (mpd: string) => parseMpd(mpd, { manifestUri: 'http://localhost/x.mpd' }).eventStream ?? []
    const live = read(buildMpd(viewOf(records, ended), sampleUris))
    expect(live).toMatchObject([
      { schemeIdUri: 'urn:scte:scte35:2014:xml+bin', presentationTimeOffset: START_TICKS },
      { schemeIdUri: 'urn:scte:scte35:2014:xml+bin', presentationTimeOffset: START_TICKS },
    ])
    const ondemand = presentationOf(header, [...records, said(ended), { type: 'ended' }])
    expect(read(buildMpd(ondemand, sampleUris))).toHaveLength(2)
  })

  test('what is said between two segments makes an MPD that is newer', () => {
    const { records } = startLog().segments(3)
    const published = (view: PresentationView) => /publishTime="(.*?)"/.exec(buildMpd(view, sampleUris))?.[1] ?? ''
    const versions = [viewOf(records), viewOf(records, breakMarker), viewOf(records, ended)].map(published)
    const next = presentationOf(header, [
      ...startLog().segments(3).records,
      said(ended),
      ...startLog().segments(4).records.slice(-4),
    ])
    versions.push(published(next))
    expect(versions.toSorted((a, b) => a.localeCompare(b))).toEqual(versions)
    expect(new Set(versions).size).toBe(4)
  })
})

test('equal markers give equal manifests, in whatever order and by whatever way they came', () => {
  const { records } = startLog().segments(5)
  const view = presentationOf(header, [...records, said(breakMarker), said(sampleMarker('c', 2)), said(ended)])
  const other = presentationOf(header, [
    ...records.slice(0, 6),
    said(sampleMarker('c', 2)),
    ...records.slice(6),
    said(ended),
  ])
  const playlists = (each: PresentationView) => ({ ...allManifests(each), mpd: '', mpdOnEpoch: '' })
  expect(playlists(other)).toEqual(playlists(view))
  const copy = presentationOf(view.header, (view as ReturnType<typeof presentationOf>).records())
  expect(allManifests(copy)).toEqual(allManifests(view))
})
