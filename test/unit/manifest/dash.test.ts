import { parse } from 'mpd-parser'
import { describe, expect, test } from 'vitest'
import { buildMpd, type MpdOptions } from '../../../src/manifest/dash-mpd.ts'
import { buildMediaPlaylist } from '../../../src/manifest/hls-media.ts'
import type { PresentationHeader, Track } from '../../../src/presentation/records.ts'
import { audioTrack, SampleLog, START_TICKS, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { presentationOf, readMpd, sampleUris } from './sample-manifests.ts'

const header: PresentationHeader = { ...sampleHeader, rewindWindowMs: 60_000 }
const START_SECONDS = START_TICKS / 90_000

function startLog(): SampleLog {
  const small: Partial<Track> = { frameRate: 29.97, bandwidth: 1_000_000, averageBandwidth: 900_000 }
  return new SampleLog(header)
    .add(videoTrack(1, 'video-1'))
    .add(videoTrack(2, 'video-2', small))
    .add(audioTrack(3, 'audio-1', { language: 'de' }))
}

const AUDIO_HEAD = `<AdaptationSet id="2" contentType="audio" mimeType="audio/mp4" lang="de" segmentAlignment="true" startWithSAP="1">
<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
<Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>`

describe('live MPD', () => {
  test('one period on the epoch, the timeline shared by the video renditions', () => {
    const view = presentationOf(header, startLog().segments(3).records)
    expect(buildMpd(view, sampleUris)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z" publishTime="2026-11-21T05:20:06.000Z" minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT60S" suggestedPresentationDelay="PT6S" minBufferTime="PT2S">
<Period id="d0" start="PT1795238400S">
<AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
<Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
<SegmentTemplate timescale="90000" presentationTimeOffset="161571456000000">
<SegmentTimeline>
<S t="161571456000000" d="180000" r="2"/>
</SegmentTimeline>
</SegmentTemplate>
<Representation id="video-1" bandwidth="4000000" codecs="avc1.64001f" width="1280" height="720" frameRate="25" sar="1:1">
<SegmentTemplate media="video-1/$Time$.m4s" initialization="init-1.mp4"/>
</Representation>
<Representation id="video-2" bandwidth="1000000" codecs="avc1.64001f" width="1280" height="720" frameRate="30000/1001" sar="1:1">
<SegmentTemplate media="video-2/$Time$.m4s" initialization="init-2.mp4"/>
</Representation>
</AdaptationSet>
${AUDIO_HEAD}
<SegmentTemplate timescale="48000" presentationTimeOffset="86171443200000" media="audio-1/$Time$.m4s" initialization="init-3.mp4">
<SegmentTimeline>
<S t="86171443200000" d="96256" r="1"/>
<S d="95232"/>
</SegmentTimeline>
</SegmentTemplate>
<Representation id="audio-1" bandwidth="140000" codecs="mp4a.40.2" audioSamplingRate="48000"/>
</AdaptationSet>
</Period>
<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/>
</MPD>
`)
  })

  test('mpd-parser reads the segments, durations and codecs that the playlists have', () => {
    const view = presentationOf(header, startLog().segments(4).gap().discontinuity().segments(3).records)
    const parsed = parse(buildMpd(view, sampleUris), { manifestUri: 'http://h/', NOW: (START_SECONDS + 20) * 1_000 })
    expect(parsed.minimumUpdatePeriod).toBe(2_000)
    const [first, second] = parsed.playlists
    expect(parsed.playlists).toHaveLength(2)
    expect(first?.attributes).toMatchObject({ CODECS: 'avc1.64001f', BANDWIDTH: 4_000_000, 'FRAME-RATE': 25 })
    for (const [index, playlist] of [
      first,
      second,
      parsed.mediaGroups.AUDIO['audio']?.['de (main)']?.playlists[0],
    ].entries()) {
      const rendition = view.renditions[index]
      if (!rendition || !playlist) throw new Error(`rendition ${index} is missing`)
      const text = buildMediaPlaylist(view, rendition, sampleUris).replace(/#EXT-X-GAP\n#EXTINF.*\n.*\n/g, '')
      expect(playlist.segments.map(({ uri }) => uri)).toEqual(text.match(/^[^#].*$/gm))
      const durations = [...text.matchAll(/#EXTINF:([\d.]+)/g)].map((match) => Number(match[1]))
      for (const [at, segment] of playlist.segments.entries())
        expect(segment.duration).toBeCloseTo(durations[at] ?? 0, 5)
    }
  })

  test('a period per discontinuity; gaps are holes; a period with gaps alone is not there', () => {
    const log = startLog().segment().gap().segment().discontinuity().gap().discontinuity(90_000).segment()
    const { periods } = readMpd(presentationOf(header, log.records))
    expect(periods.map(({ id, startSeconds }) => [id, startSeconds - START_SECONDS])).toEqual([
      ['d0', 0],
      ['d2', 9.5],
    ])
    const video = periods[0]?.representations[0]
    expect(video?.segments.map(({ startTicks }) => startTicks - START_TICKS)).toEqual([0, 360_000])
  })

  test('a period keeps its start when its beginning has left the window, and when it was evicted', () => {
    const log = startLog().segments(3).discontinuity().segments(60)
    const start = START_SECONDS + 6.5
    const slid = readMpd(presentationOf(header, log.records))
    expect(slid.periods.map(({ id, startSeconds }) => [id, startSeconds])).toEqual([['d1', start]])
    const evicted = presentationOf(header, log.evict(40).records)
    const replica = presentationOf(header, evicted.records())
    for (const view of [evicted, replica]) {
      const period = readMpd(view).periods[0]
      expect(period?.startSeconds).toBe(start)
      expect(period?.representations[0]?.presentationTimeOffset).toBe(start * 90_000)
    }
  })

  test('renditions that differ in a segment have a timeline each', () => {
    const log = startLog()
      .segment()
      .segment(180_000, { without: ['video-2'] })
      .segment()
    const [first, second] = readMpd(presentationOf(header, log.records)).periods[0]?.representations ?? []
    expect(first?.segments.map(({ startTicks }) => startTicks - START_TICKS)).toEqual([0, 180_000, 360_000])
    expect(second?.segments.map(({ startTicks }) => startTicks - START_TICKS)).toEqual([0, 360_000])
    expect([first?.media, second?.media]).toEqual(['video-1/$Time$.m4s', 'video-2/$Time$.m4s'])
  })

  test('one template for all where the URLs leave the difference to $RepresentationID$', () => {
    const uris = { ...sampleUris, dashSegmentTemplate: () => '$RepresentationID$/$Time$.m4s', init: () => 'init.mp4' }
    const text = buildMpd(presentationOf(header, startLog().segments(2).records), uris)
    expect(text.match(/<SegmentTemplate/g)).toHaveLength(2)
    expect(text).toContain('sar="1:1"/>')
  })

  test('a rendition with two tracks in a period is two representations', () => {
    const log = startLog().segment().add(videoTrack(7, 'video-1')).segment()
    const { representations } = readMpd(presentationOf(header, log.records)).periods[0] ?? { representations: [] }
    expect(representations.map(({ id, initialization }) => [id, initialization])).toEqual([
      ['video-1-1', 'init-1.mp4'],
      ['video-1-7', 'init-7.mp4'],
      ['video-2', 'init-2.mp4'],
      ['audio-1', 'init-3.mp4'],
    ])
  })

  test('codecs and languages are adaptation sets of their own; a forced cut is no SAP', () => {
    const { config } = videoTrack(1, 'x')
    const hevc = { ...config, codec: 'hevc', codecString: 'hvc1.1.6.L93.B0' } as Track['config']
    const log = startLog()
      .add(videoTrack(4, 'video-3', { config: hevc }))
      .add(audioTrack(5, 'audio-2', { language: 'fr' }))
    const view = presentationOf(header, log.segment(180_000, { independent: false }).records)
    expect(readMpd(view).periods[0]?.representations.map(({ id, setId }) => [id, setId])).toEqual([
      ['video-1', '0'],
      ['video-2', '0'],
      ['audio-1', '2'],
      ['video-3', '3'],
      ['audio-2', '4'],
    ])
    expect(buildMpd(view, sampleUris)).not.toContain('startWithSAP')
  })

  test('text from outside is escaped', () => {
    const view = presentationOf(header, startLog().segment().records)
    const uris = { ...sampleUris, utcTiming: '/time?a=1&b="<\u0007>' }
    expect(buildMpd(view, uris, { location: 'a?b&c' })).toContain('value="/time?a=1&amp;b=&quot;&lt;&gt;"/>')
    expect(readMpd(view, { location: 'a?b&c' }).location).toBe('a?b&c')
  })

  test('without anything to list there is one empty period', () => {
    expect(readMpd(presentationOf(header, startLog().records)).periods).toEqual([
      { id: 'd0', startSeconds: 0, representations: [] },
    ])
    expect(readMpd(presentationOf(header, startLog().gap().records)).periods).toEqual([
      { id: 'd0', startSeconds: START_SECONDS, representations: [] },
    ])
  })
})

describe('rewinding', () => {
  const day: PresentationHeader = { ...sampleHeader, rewindWindowMs: 25 * 3_600_000, archiveWindowMs: 26 * 3_600_000 }
  const log = new SampleLog(day).add(videoTrack(1, 'video-1')).add(audioTrack(2, 'audio-1')).segments(4_000)
  const spans = (options: MpdOptions, header = day, records = log.records) => {
    const { attributes, periods } = readMpd(presentationOf(header, records), options)
    return [attributes['timeShiftBufferDepth'], periods[0]?.representations[0]?.segments.length]
  }

  test('reaches back two hours, or all the way where that is asked for', () => {
    expect(spans({})).toEqual(['PT7200S', 3_600])
    expect(spans({ rewind: 'full' })).toEqual(['PT90000S', 4_000])
    const unlimited = { ...sampleHeader }
    expect(spans({}, unlimited)).toEqual(['PT7200S', 3_600])
    expect(spans({ rewind: 'full' }, unlimited)).toEqual([undefined, 4_000])
    expect(spans({ rewind: 'full' }, { ...day, rewindWindowMs: 60_000 })).toEqual(['PT60S', 30])
  })

  test('a day is few runs, whether segments are all alike or go in turns', () => {
    const text = buildMpd(presentationOf(day, log.records), sampleUris, { rewind: 'full' })
    const timelines = text.split('<SegmentTimeline>').map((timeline) => timeline.match(/<S /g)?.length)
    expect(timelines).toEqual([undefined, 1, 2_001])
    const parsed = parse(text, { manifestUri: 'http://h/', NOW: (START_SECONDS + 8_000) * 1_000 })
    expect(parsed.playlists[0]?.segments).toHaveLength(4_000)
    expect(parsed.mediaGroups.AUDIO['audio']?.['main']?.playlists[0]?.segments).toHaveLength(4_000)
  })

  test('archived, it is static over all that is kept; players of the live timeline keep their window', () => {
    const short: PresentationHeader = { ...day, rewindWindowMs: 60_000 }
    const ended = log.records.concat({ type: 'ended' })
    const archived = ended.concat({ type: 'archived' }, { type: 'evicted', firstSequence: 100 })
    expect(spans({}, short, ended)).toEqual([undefined, 30])
    expect(spans({}, short, archived)).toEqual([undefined, 3_900])
    const { attributes, periods } = readMpd(presentationOf(short, archived))
    expect(attributes).toMatchObject({ type: 'static', mediaPresentationDuration: 'PT7800S' })
    expect(periods[0]?.startSeconds).toBe(0)
    const before = readMpd(presentationOf(short, ended), { endedTimeline: 'epoch' })
    const after = readMpd(presentationOf(short, archived), { endedTimeline: 'epoch' })
    expect(after).toEqual(before)
    const parsed = parse(buildMpd(presentationOf(short, archived), sampleUris), { manifestUri: 'http://h/' })
    expect([parsed.endList, parsed.duration, parsed.playlists[0]?.segments.length]).toEqual([true, 7_800, 3_900])
  })

  test('what was lost is a hole in the timeline', () => {
    const records = startLog().segments(5).lose(2).segments(2).records
    const video = readMpd(presentationOf(header, records)).periods[0]?.representations[0]
    const starts = video?.segments.map(({ startTicks }) => (startTicks - START_TICKS) / 180_000)
    expect(starts).toEqual([0, 1, 3, 4, 5, 6])
  })
})

describe('ended MPD', () => {
  const log = startLog().segments(40).gap().discontinuity().segments(3).end()
  const view = presentationOf(header, log.records)

  test('is on-demand from 0, with the period ids it had', () => {
    const { attributes, periods } = readMpd(view)
    expect(attributes).toMatchObject({ type: 'static', mediaPresentationDuration: 'PT60.5S' })
    expect(attributes).not.toHaveProperty('minimumUpdatePeriod')
    expect(periods.map(({ id, startSeconds }) => [id, startSeconds])).toEqual([
      ['d0', 0],
      ['d1', 54.5],
    ])
    const first = periods[0]?.representations[0]
    expect(first?.segments[0]?.startTicks).toBe(first?.presentationTimeOffset)
    const parsed = parse(buildMpd(view, sampleUris), { manifestUri: 'http://h/' })
    expect([parsed.endList, parsed.duration]).toEqual([true, 60.5])
    expect(parsed.playlists[0]?.segments.at(-1)?.presentationTime).toBeCloseTo(58.5, 6)
  })

  test('or stays where it was, for a player that is in the middle of it', () => {
    const live = readMpd(presentationOf(header, log.records.slice(0, -1)))
    const ended = readMpd(view, { endedTimeline: 'epoch' })
    expect(ended.periods).toEqual(live.periods)
    expect(ended.attributes).toMatchObject({ type: 'dynamic', mediaPresentationDuration: `PT${START_SECONDS + 88.5}S` })
    expect(ended.attributes).not.toHaveProperty('minimumUpdatePeriod')
    expect(ended.attributes).not.toHaveProperty('timeShiftBufferDepth')
    const published = (mpd: typeof live) => Date.parse(mpd.attributes['publishTime'] ?? '')
    expect(published(ended)).toBeGreaterThan(published(live))
  })

  test('leaves out the picture where it is asked to', () => {
    const { periods } = readMpd(view, { audioOnly: true })
    expect(periods.flatMap(({ representations }) => representations.map(({ id }) => id))).toEqual([
      'audio-1',
      'audio-1',
    ])
  })
})
