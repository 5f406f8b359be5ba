import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { describe, expect, test } from 'vitest'
import { buildMasterPlaylist } from '../../../src/manifest/hls-master.ts'
import { buildMediaPlaylist } from '../../../src/manifest/hls-media.ts'
import type { PresentationHeader, Track } from '../../../src/presentation/records.ts'
import type { PresentationView, Rendition } from '../../../src/presentation/view.ts'
import { audioTrack, SampleLog, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { presentationOf, sampleUris } from './sample-manifests.ts'

hlsParser.setOptions({ strictMode: true })

const archived: PresentationHeader = { ...sampleHeader, archiveWindowMs: 3_600_000 }

function startLog(header: PresentationHeader): SampleLog {
  const small: Partial<Track> = { frameRate: 29.97, bandwidth: 1_000_000, averageBandwidth: 900_000 }
  return new SampleLog(header)
    .add(videoTrack(1, 'video-1'))
    .add(videoTrack(2, 'video-2', small))
    .add(audioTrack(3, 'audio-1', { language: 'de' }))
}

/** A gap, media missing in one rendition, a discontinuity and a codec change. */
function eventful(header: PresentationHeader): PresentationView {
  const log = startLog(header)
    .segment()
    .segment(180_000, { without: ['video-2'] })
    .gap()
  return presentationOf(header, log.discontinuity().add(videoTrack(9, 'video-1')).segments(2).records)
}

function rendition(view: PresentationView, index: number): Rendition {
  return view.renditions[index] as Rendition
}

function parse(text: string): Parser['manifest'] {
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return parser.manifest
}

/** Of every listed segment, whether it is a gap. */
function gapsOf(text: string): boolean[] {
  const parsed = hlsParser.parse(text)
  if (parsed.isMasterPlaylist) throw new Error('not a media playlist')
  return parsed.segments.map(({ gap }) => gap === true)
}

function tags(text: string, tag: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(`#${tag}`))
}

describe('master playlist', () => {
  test('video and audio', () => {
    const view = presentationOf(sampleHeader, startLog(sampleHeader).segments(3).records)
    const text = buildMasterPlaylist(view, sampleUris)
    expect(text).toBe(`#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-aac",NAME="audio-1",LANGUAGE="de",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio-1.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=4140000,AVERAGE-BANDWIDTH=3628000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO="audio-aac",CLOSED-CAPTIONS=NONE
video-1.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1140000,AVERAGE-BANDWIDTH=1028000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="audio-aac",CLOSED-CAPTIONS=NONE
video-2.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=4000000,AVERAGE-BANDWIDTH=3500000,CODECS="avc1.64001f",RESOLUTION=1280x720,URI="video-1-iframes.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1000000,AVERAGE-BANDWIDTH=900000,CODECS="avc1.64001f",RESOLUTION=1280x720,URI="video-2-iframes.m3u8"
`)
    const parsed = hlsParser.parse(text)
    if (!parsed.isMasterPlaylist) throw new Error('not a master playlist')
    const variants = parsed.variants.filter(({ isIFrameOnly }) => !isIFrameOnly)
    expect(variants.map(({ bandwidth }) => bandwidth)).toEqual([4_140_000, 1_140_000])
    expect(variants.map(({ audio }) => audio[0]?.uri)).toEqual(['audio-1.m3u8', 'audio-1.m3u8'])
    expect(parsed.variants.filter(({ isIFrameOnly }) => isIFrameOnly)).toHaveLength(2)
    expect(parse(text).playlists?.map(({ attributes }) => attributes['CODECS'])).toEqual([
      'avc1.64001f,mp4a.40.2',
      'avc1.64001f,mp4a.40.2',
    ])
  })

  test('audio alone is a variant of its own, also where a picture is left out', () => {
    const variant = '#EXT-X-STREAM-INF:BANDWIDTH=140000,AVERAGE-BANDWIDTH=128000,CODECS="mp4a.40.2"\naudio-1.m3u8\n'
    const alone = new SampleLog().add(audioTrack(1, 'audio-1')).segment()
    const text = buildMasterPlaylist(presentationOf(sampleHeader, alone.records), sampleUris)
    expect(text).toBe(`#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n${variant}`)
    const both = presentationOf(sampleHeader, startLog(sampleHeader).segment().records)
    expect(buildMasterPlaylist(both, sampleUris, { audioOnly: true })).toBe(text)
  })

  test('video alone names no audio group', () => {
    const log = new SampleLog().add(videoTrack(1, 'video-1')).segment()
    const text = buildMasterPlaylist(presentationOf(sampleHeader, log.records), sampleUris)
    expect(text).not.toContain('AUDIO')
    expect(text).toContain('BANDWIDTH=4000000,AVERAGE-BANDWIDTH=3500000,CODECS="avc1.64001f",')
  })

  test('a group per audio codec, each with its own variants', () => {
    const { config } = audioTrack(1, 'audio-2')
    const surround = { ...config, codec: 'ac3', codecString: 'ac-3', channels: 6 } as Track['config']
    const log = startLog(sampleHeader)
      .add(audioTrack(4, 'audio-2', { config: surround, bandwidth: 400_000 }))
      .segment()
    const text = buildMasterPlaylist(presentationOf(sampleHeader, log.records), sampleUris)
    expect(tags(text, 'EXT-X-MEDIA').map((line) => /GROUP-ID="([^"]+)".*CHANNELS="(\d)"/.exec(line)?.slice(1))).toEqual(
      [
        ['audio-aac', '2'],
        ['audio-ac3', '6'],
      ],
    )
    const variants = tags(text, 'EXT-X-STREAM-INF').map((line) => /BANDWIDTH=(\d+).*CODECS="[^,]+,([^"]+)"/.exec(line))
    expect(variants.map((match) => match?.slice(1))).toEqual([
      ['4140000', 'mp4a.40.2'],
      ['1140000', 'mp4a.40.2'],
      ['4400000', 'ac-3'],
      ['1400000', 'ac-3'],
    ])
  })

  test('a listed segment that starts without a random access point takes the promise away, and gives it back as it leaves', () => {
    const header = { ...sampleHeader, rewindWindowMs: 12_000 }
    const log = startLog(header).segment().segment(180_000, { independent: false }).segments(4)
    const view = presentationOf(header, log.records)
    expect(buildMasterPlaylist(view, sampleUris)).not.toContain('INDEPENDENT')
    expect(buildMediaPlaylist(view, rendition(view, 0), sampleUris)).not.toContain('INDEPENDENT')
    const later = presentationOf(header, log.segments(2).records)
    expect(buildMasterPlaylist(later, sampleUris)).toContain('INDEPENDENT')
  })

  test('what can not stand in a quoted string is left out of it', () => {
    const log = new SampleLog().add(videoTrack(1, 'video-1')).add(audioTrack(2, 'a"\nb', { language: 'x"y' }))
    const text = buildMasterPlaylist(presentationOf(sampleHeader, log.segment().records), sampleUris)
    expect(text).toContain('NAME="ab",LANGUAGE="xy"')
  })
})

describe('media playlist', () => {
  test('gaps, a discontinuity and a new track', () => {
    const view = eventful(archived)
    expect(buildMediaPlaylist(view, rendition(view, 0), sampleUris)).toBe(`#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T05:20:00.000Z
#EXTINF:2.000000,
video-1/161571456000000.m4s
#EXTINF:2.000000,
video-1/161571456180000.m4s
#EXT-X-GAP
#EXTINF:2.000000,
video-1/161571456360000.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-9.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T05:20:06.500Z
#EXTINF:2.000000,
video-1/161571456585000.m4s
#EXTINF:2.000000,
video-1/161571456765000.m4s
`)
  })

  test('what one rendition misses is a gap for it alone, and the clock is told again after it', () => {
    const log = startLog(archived)
      .segment()
      .segment(180_000, { without: ['video-2'] })
      .segments(2)
    const view = presentationOf(archived, log.records)
    const text = buildMediaPlaylist(view, rendition(view, 1), sampleUris)
    const { segments } = parse(text)
    expect(gapsOf(text)).toEqual([false, true, false, false])
    expect(segments.map(({ dateTimeString }) => dateTimeString)).toEqual([
      '2026-11-21T05:20:00.000Z',
      undefined,
      '2026-11-21T05:20:04.000Z',
      undefined,
    ])
    const gapUri = segments[1]?.uri ?? ''
    expect(view.findSegment(1, Number(/(\d+)\.m4s/.exec(gapUri)?.[1]))).toBeUndefined()
    expect(gapsOf(buildMediaPlaylist(view, rendition(view, 0), sampleUris))).not.toContain(true)
  })

  test('audio keeps its own frames and its own wall clock', () => {
    const view = presentationOf(archived, startLog(archived).segments(7).records)
    const { segments } = parse(buildMediaPlaylist(view, rendition(view, 2), sampleUris))
    expect(segments.map(({ duration }) => duration)).toEqual([
      2.005333, 2.005334, 1.984, 2.005333, 2.005333, 2.005334, 1.984,
    ])
    const slid = presentationOf({ ...archived, rewindWindowMs: 12_000 }, startLog(archived).segments(7).records)
    const first = parse(buildMediaPlaylist(slid, rendition(slid, 2), sampleUris)).segments[0]
    expect(first?.dateTimeString).toBe('2026-11-21T05:20:02.005Z')
  })

  test('slides by the rewind window, keeps six segments, and says what went before', () => {
    const header = { ...sampleHeader, rewindWindowMs: 20_000 }
    const log = startLog(header).segments(3).discontinuity().segments(20)
    const view = presentationOf(header, log.records)
    const text = buildMediaPlaylist(view, rendition(view, 0), sampleUris)
    expect(parse(text)).toMatchObject({ mediaSequence: 13, discontinuitySequence: 1, targetDuration: 2, version: 8 })
    expect(parse(text).segments).toHaveLength(10)
    expect(text).not.toContain('PLAYLIST-TYPE')
    const tight = presentationOf({ ...header, rewindWindowMs: 2_000 }, log.records)
    expect(parse(buildMediaPlaylist(tight, rendition(tight, 0), sampleUris)).segments).toHaveLength(6)
  })

  test('EVENT is said only while nothing can ever leave', () => {
    const type = (header: PresentationHeader, log: SampleLog) => {
      const view = presentationOf(header, log.records)
      return parse(buildMediaPlaylist(view, rendition(view, 0), sampleUris)).playlistType
    }
    expect(type(sampleHeader, startLog(sampleHeader).segments(9))).toBe('EVENT')
    expect(type(archived, startLog(archived).segments(9))).toBeUndefined()
    expect(type({ ...sampleHeader, rewindWindowMs: 60_000 }, startLog(sampleHeader).segments(9))).toBeUndefined()
    expect(type(sampleHeader, startLog(sampleHeader).segments(9).evict(1))).toBeUndefined()
  })

  test('the end is told on the same window', () => {
    const header = { ...sampleHeader, rewindWindowMs: 20_000 }
    const log = startLog(header).segments(20)
    const before = presentationOf(header, log.records)
    const text = buildMediaPlaylist(before, rendition(before, 0), sampleUris)
    const after = presentationOf(header, log.end().records)
    expect(buildMediaPlaylist(after, rendition(after, 0), sampleUris)).toBe(`${text}#EXT-X-ENDLIST\n`)
  })

  test('archived, it is the whole of what is kept, as on-demand, under the numbers it had', () => {
    const header = { ...archived, rewindWindowMs: 20_000 }
    const log = startLog(header).segments(30).evict(4).end()
    const ended = presentationOf(header, log.records)
    expect(parse(buildMediaPlaylist(ended, rendition(ended, 0), sampleUris)).mediaSequence).toBe(20)
    const view = presentationOf(header, log.archive().records)
    for (const index of [0, 1, 2]) {
      const text = buildMediaPlaylist(view, rendition(view, index), sampleUris)
      expect(parse(text)).toMatchObject({ mediaSequence: 4, playlistType: 'VOD', endList: true })
      expect(gapsOf(text)).toEqual(new Array(26).fill(false))
      expect(text).not.toContain('SERVER-CONTROL')
    }
    const later = presentationOf(header, log.evict(10).records)
    expect(parse(buildMediaPlaylist(later, rendition(later, 0), sampleUris)).mediaSequence).toBe(10)
  })

  test('what was lost is a gap in every rendition, until it leaves the window', () => {
    const header = { ...archived, rewindWindowMs: 20_000 }
    const log = startLog(header).segments(12).lose(5, 7)
    const view = presentationOf(header, log.records)
    for (const index of [0, 1, 2]) {
      const text = buildMediaPlaylist(view, rendition(view, index), sampleUris)
      expect(gapsOf(text)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((sequence) => sequence === 5 || sequence === 6))
      const gapUri = parse(text).segments[3]?.uri ?? ''
      expect(view.findSegment(index, Number(/(\d+)\.m4s/.exec(gapUri)?.[1]))).toBeUndefined()
      const iframes = buildMediaPlaylist(view, rendition(view, 0), sampleUris, { lists: 'key-frames' })
      expect(gapsOf(iframes)).toEqual(gapsOf(text))
    }
    const sliding = (more: number) => {
      const slid = presentationOf(header, log.segments(more).records)
      return gapsOf(buildMediaPlaylist(slid, rendition(slid, 0), sampleUris)).filter(Boolean).length
    }
    expect([sliding(3), sliding(1), sliding(1)]).toEqual([2, 1, 0])
  })

  test('a discontinuity stays with its segment when that comes first, whether or not what was before is kept', () => {
    const header = { ...archived, rewindWindowMs: 20_000 }
    const log = startLog(header).segments(30).discontinuity().segments(10)
    const said = () => {
      const view = presentationOf(header, log.records)
      const text = buildMediaPlaylist(view, rendition(view, 0), sampleUris)
      const { discontinuitySequence, segments } = parse(text)
      return [
        discontinuitySequence,
        segments[0]?.timeline,
        tags(text, 'EXT-X-DISCONTINUITY').includes('#EXT-X-DISCONTINUITY'),
      ]
    }
    expect(said()).toEqual([0, 1, true])
    log.evict(30)
    expect(said()).toEqual([0, 1, true])
    log.segment()
    expect(said()).toEqual([1, 1, false])
  })

  test('two discontinuities at once count as two', () => {
    const view = presentationOf(
      archived,
      startLog(archived).segment().discontinuity().discontinuity().segment().records,
    )
    const { segments } = parse(buildMediaPlaylist(view, rendition(view, 0), sampleUris))
    expect(segments.map(({ timeline }) => timeline)).toEqual([0, 2])
  })

  test('nothing listed yet is still a playlist', () => {
    const view = presentationOf(archived, startLog(archived).records)
    expect(buildMediaPlaylist(view, rendition(view, 0), sampleUris)).toBe(
      '#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n',
    )
  })
})

describe('I-frame playlist', () => {
  test('the first sample of every segment as a byte range; a gap where there is no key frame', () => {
    const log = startLog(archived).segment().segment(180_000, { independent: false }).gap().segment()
    const view = presentationOf(archived, log.records)
    const text = buildMediaPlaylist(view, rendition(view, 1), sampleUris, { lists: 'key-frames' })
    const { segments, iFramesOnly, mediaSequence } = parse(text)
    expect([iFramesOnly, mediaSequence]).toEqual([true, 0])
    expect(gapsOf(text)).toEqual([false, true, true, false])
    const first = { length: 202, offset: 0 }
    expect(segments.map(({ byterange }) => byterange)).toEqual([first, undefined, undefined, first])
    expect(hlsParser.parse(text).isMasterPlaylist).toBe(false)
  })
})
