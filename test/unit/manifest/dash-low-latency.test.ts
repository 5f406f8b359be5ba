import { parse } from 'mpd-parser'
import { describe, expect, it } from 'vitest'
import { checkMpd, checkMpdReload } from '../../../src/conformance/dash-rules.ts'
import { buildMpd, type MpdOptions } from '../../../src/manifest/dash-mpd.ts'
import { FilteredView } from '../../../src/presentation/filtered-view.ts'
import type { PresentationHeader } from '../../../src/presentation/records.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { CountedLive, FIRST_NUMBER } from '../../http/counted-live.ts'
import { sampleUris } from './sample-manifests.ts'

const START_S = FIRST_NUMBER * 2
const LOW: MpdOptions = { lowLatency: true }

function mpdOf(view: PresentationView, options = LOW): string {
  const text = buildMpd(view, sampleUris, options)
  expect(checkMpd(text)).toEqual([])
  return text
}

/** Of each period its name, start, duration, first number and presentation time offset. */
function periodsOf(text: string): unknown[] {
  const pattern =
    /<Period id="(d\d+)" start="PT(\d+)S"(?: duration="(\S+)")?>[\s\S]*?startNumber="(\d+)" presentationTimeOffset="(\d+)"/g
  return [...text.matchAll(pattern)].map(([, id, start, duration, number, offset]) => {
    return [id, Number(start) - START_S, duration, Number(number) - FIRST_NUMBER, Number(offset) / 1_000 - START_S]
  })
}

const TIMING = '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/>'
const TEMPLATE =
  'timescale="1000" duration="2000" startNumber="850000000" presentationTimeOffset="1700000000000" availabilityTimeOffset="1" availabilityTimeComplete="false"'

describe('the MPD of low latency', () => {
  it('says when a segment can be asked for, how far behind to be, and by which clock', () => {
    const view = new CountedLive().segments(0, 3).open(3).part(0).presentation
    const reference = (
      kind: number,
    ) => `<ProducerReferenceTime id="0" type="encoder" wallClockTime="2023-11-14T22:13:20.000Z" presentationTime="1700000000000" inband="true">
${TIMING}
</ProducerReferenceTime>
<Resync type="${kind}" dT="500"/>
<Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>`
    expect(mpdOf(view)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z" publishTime="2023-11-14T22:13:26.000Z" minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT60S" suggestedPresentationDelay="PT6S" minBufferTime="PT2S">
<ServiceDescription id="0">
<Latency referenceId="0" target="2100" min="1100" max="4200"/>
<PlaybackRate min="0.95" max="1.1"/>
</ServiceDescription>
<Period id="d0" start="PT1700000000S">
<AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
${reference(0)}
<SegmentTemplate ${TEMPLATE} media="video-1/1.d0.$Number$.m4s" initialization="init-1.mp4"/>
<Representation id="video-1" bandwidth="3000000" codecs="avc1.64001f" width="1280" height="720" frameRate="25" sar="1:1"/>
</AdaptationSet>
<AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" lang="en" segmentAlignment="true" startWithSAP="1">
<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
${reference(1)}
<SegmentTemplate ${TEMPLATE} media="audio-1/2.d0.$Number$.m4s" initialization="init-2.mp4"/>
<Representation id="audio-1" bandwidth="140000" codecs="mp4a.40.2" audioSamplingRate="48000"/>
</AdaptationSet>
</Period>
${TIMING}
</MPD>
`)
  })

  it('is that of segment timelines where nobody asks, or nothing can be told in advance', () => {
    const grids: Partial<PresentationHeader>[] = [{ partDurationMs: 1_500 }, { partDurationMs: 500, gridMs: 500 }]
    for (const header of grids) expect(mpdOf(new CountedLive(header).segments(0, 2).presentation)).toContain('$Time$')
    const live = new CountedLive().segments(0, 3)
    expect(mpdOf(live.presentation, {})).toContain('$Time$')
    const part = (timeRange: object) =>
      new FilteredView(live.presentation, { filters: [{ tracks: [], timeRange: { forceEnd: false, ...timeRange } }] })
    expect(mpdOf(part({ liveBackoffMs: 2_000 }))).toContain('$Time$')
    expect(mpdOf(part({ startMs: 1_000 }))).toContain('$Time$')
    expect(mpdOf(part({ windowMs: 4_000 }))).toMatch(/timeShiftBufferDepth="PT4S"[\s\S]*\$Number\$/)
    live.apply({ type: 'ended' })
    expect(mpdOf(live.presentation)).toContain('$Time$')
    expect(mpdOf(live.presentation, { ...LOW, endedTimeline: 'epoch' })).toContain('$Number$')
  })

  it('counts from the same number, however much is still kept', () => {
    const live = new CountedLive({ rewindWindowMs: 8_000 }).open(0, 0.5).part(0, 3).part(1, 3).close().segments(1, 12)
    const before = mpdOf(live.presentation)
    live.apply({ type: 'evicted', firstSequence: 5 }).segments(12, 14)
    const after = mpdOf(live.presentation)
    expect(periodsOf(before)).toEqual([['d0', 0, undefined, 0, 0]])
    expect(periodsOf(after)).toEqual(periodsOf(before))
    expect(checkMpdReload(before, after)).toEqual([])
  })

  it('has a period for each stretch of timeline, on the grid, and none that has no time left', () => {
    const live = new CountedLive().segments(0, 2).discontinuity().open(3, 1.5).part(0).part(1).close().segments(4, 5)
    expect(periodsOf(mpdOf(live.presentation))).toEqual([
      ['d0', 0, undefined, 0, 0],
      ['d1', 8, undefined, 4, 8],
    ])
    live.discontinuity().open(5, 0.5).part(0).part(1).close()
    live.discontinuity().open(5, 1).part(0).part(1)
    expect(periodsOf(mpdOf(live.presentation)).map((period) => (period as unknown[])[0])).toEqual([
      'd0',
      'd1',
      'd2',
      'd3',
    ])
    live.close().discontinuity().open(5, 1.5).part(0).part(1)
    expect(periodsOf(mpdOf(live.presentation)).map((period) => (period as unknown[])[0])).toEqual([
      'd0',
      'd1',
      'd2',
      'd4',
    ])
  })

  it('stays as it is while the input is away, and has another period as soon as media has come back', () => {
    const live = new CountedLive().segments(0, 2)
    const before = mpdOf(live.presentation)
    live.gap(2)
    const away = mpdOf(live.presentation)
    expect(periodsOf(away)).toEqual([['d0', 0, undefined, 0, 0]])
    expect(checkMpdReload(before, away)).toEqual([])
    live.gap(3).discontinuity().open(4).part(0).part(1)
    const back = mpdOf(live.presentation)
    expect(periodsOf(back)).toEqual([
      ['d0', 0, undefined, 0, 0],
      ['d1', 8, undefined, 4, 8],
    ])
    expect(checkMpdReload(away, back)).toEqual([])
    const [first = 0, second = 0, third = 0] = [before, away, back].map((text) =>
      Date.parse(/publishTime="([^"]+)"/.exec(text)?.[1] ?? ''),
    )
    expect(first < second && second < third).toBe(true)
  })

  it('is read by mpd-parser as the segments that there are', () => {
    const live = new CountedLive().segments(0, 6).open(6).part(0).part(1)
    const NOW = (START_S + 13.9) * 1_000
    const parsed = parse(mpdOf(live.presentation), { manifestUri: 'http://h/', NOW })
    const uris = parsed.playlists[0]?.segments.map(({ uri }) => uri) ?? []
    expect(uris.at(0)).toBe(`video-1/1.d0.${FIRST_NUMBER}.m4s`)
    expect(uris.length).toBeGreaterThanOrEqual(6)
    expect(uris.at(5)).toBe(`video-1/1.d0.${FIRST_NUMBER + 5}.m4s`)
  })
})
