import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { qualityAttributes } from '../../../src/manifest/smooth-codecs.ts'
import { buildSmoothManifest, type SmoothOptions } from '../../../src/manifest/smooth-manifest.ts'
import { findQualityLevel } from '../../../src/manifest/smooth-names.ts'
import { instantsAt } from '../../../src/media/isobmff/smooth-time.ts'
import type { AudioConfig, VideoConfig } from '../../../src/media/media.ts'
import type { LogRecord, Track } from '../../../src/presentation/records.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { type ReadManifest, readSmoothManifest } from '../../support/smooth-client.ts'
import { audioTrack, SampleLog, START_TICKS, sampleHeader, videoTrack } from '../presentation/sample-log.ts'
import { eachVersion, headers, logOf, steps } from './random-script.ts'
import { presentationOf } from './sample-manifests.ts'

const SEGMENT = 20_000_000n
const START = BigInt(START_TICKS / 9) * 1_000n
/** One SPS and one PPS, each of four bytes. */
const AVCC = Uint8Array.of(1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x1f, 1, 0, 4, 0x68, 0xee, 0x3c, 0x80)

function picture(track: number, rendition: string, more: Partial<VideoConfig> = {}): Track {
  const made = videoTrack(track, rendition)
  return { ...made, config: { ...(made.config as VideoConfig), record: AVCC, ...more } }
}

function viewOf(log: SampleLog, header = sampleHeader): PresentationView {
  return presentationOf(header, log.records.slice(1))
}

function read(log: SampleLog, options: SmoothOptions = {}, header = sampleHeader): ReadManifest {
  return readSmoothManifest(buildSmoothManifest(viewOf(log, header), options))
}

const starts = ({ streams }: ReadManifest, at = 0) => streams[at]!.chunks.map(({ time }) => (time - START) / SEGMENT)

function codeOf(build: () => unknown): string {
  try {
    build()
  } catch (error) {
    if (error instanceof AppError) return error.code
    throw error
  }
  return 'none'
}

describe('the client manifest', () => {
  it('puts rungs into one stream, and each language into one of its own', () => {
    const log = new SampleLog()
      .add(picture(1, 'video-1', { width: 640, height: 360 }))
      .add(picture(2, 'video-2'))
      .add(audioTrack(3, 'audio-1', { language: 'en' }))
      .add(audioTrack(4, 'audio-2', { language: 'de' }))
      .add(audioTrack(5, 'audio-3', { language: 'de', nominalBitrate: 64_000 }))
    const { streams } = read(log.segments(3).end())
    const named = streams.map(({ attributes: { Name, Language, Url }, levels }) => ({
      ...{ Name, Language, Url },
      bitrates: levels.map(({ Bitrate }) => Bitrate),
    }))
    expect(named).toEqual([
      {
        ...{ Name: 'video', Url: 'QualityLevels({bitrate})/Fragments(video={start time})' },
        ...{ Language: undefined, bitrates: ['3500001', '3500002'] },
      },
      {
        ...{ Name: 'audio', Url: 'QualityLevels({bitrate})/Fragments(audio={start time})' },
        ...{ Language: 'en', bitrates: ['128003'] },
      },
      {
        ...{ Name: 'audio_de', Url: 'QualityLevels({bitrate})/Fragments(audio_de={start time})' },
        ...{ Language: 'de', bitrates: ['128004', '64000'] },
      },
    ])
    expect(streams[0]?.attributes).toMatchObject({ MaxWidth: '1280', MaxHeight: '720', DisplayWidth: '1280' })
    expect(streams[0]?.levels[0]).toMatchObject({ Index: '0', FourCC: 'H264', MaxWidth: '640', MaxHeight: '360' })
    expect(findQualityLevel(viewOf(log), 'AUDIO_DE', 64_000)?.name).toBe('audio-3')
    expect(findQualityLevel(viewOf(log), 'video', 64_000)).toBeUndefined()
    expect(findQualityLevel(viewOf(log), 'text', 64_000)).toBeUndefined()
  })

  it('goes on after gaps and discontinuities by its own clock', () => {
    const log = new SampleLog()
      .add(picture(1, 'video-1'))
      .segments(2)
      .gap()
      .segment()
      .discontinuity(180_000)
      .segments(2)
      .end()
    const manifest = read(log)
    expect(starts(manifest)).toEqual([0n, 1n, 3n, 5n, 6n])
    const text = buildSmoothManifest(viewOf(log))
    expect(text.match(/<c [^>]*>/g)).toEqual([
      `<c t="${START}" d="20000000" r="2"/>`,
      `<c t="${START + 3n * SEGMENT}" d="20000000"/>`,
      `<c t="${START + 5n * SEGMENT}" d="20000000" r="2"/>`,
    ])
    expect(manifest.attributes).toMatchObject({ Duration: String(7n * SEGMENT) })
  })

  it('is live: the last two fragments wait, and the window says how far back it goes', () => {
    const header = { ...sampleHeader, rewindWindowMs: 60_000 }
    const log = new SampleLog(header).add(picture(1, 'video-1')).segments(50)
    const manifest = read(log, {}, header)
    expect(manifest.attributes).toMatchObject({
      IsLive: 'TRUE',
      DVRWindowLength: '600000000',
      LookAheadFragmentCount: '2',
    })
    expect(starts(manifest).at(0)).toBe(20n)
    expect(starts(manifest).at(-1)).toBe(47n)
    expect(read(log).attributes).toMatchObject({ DVRWindowLength: String(2 * 3_600 * 10_000_000) })
    expect(read(log, { rewind: 'full' }).attributes).toMatchObject({ DVRWindowLength: '0' })
  })

  it('leaves out what it has no name for, and what lacks fragments, and says so', () => {
    const log = new SampleLog()
      .add(picture(1, 'video-1'))
      .add(picture(2, 'video-2'))
      .add(picture(3, 'video-3', { codec: 'av1' }))
      .segment()
      .segment(180_000, { without: ['video-2'] })
      .segments(2)
      .end()
    const text = buildSmoothManifest(viewOf(log))
    expect(readSmoothManifest(text).streams[0]!.levels.map(({ Bitrate }) => Bitrate)).toEqual(['3500001'])
    expect(text).toContain('video-2 is left out: it lacks fragments')
    expect(text).toContain('video-3 is left out: Smooth Streaming has no FourCC for av1')
    const none = new SampleLog().add(picture(1, 'video-1', { codec: 'av1' })).segments(5)
    expect(codeOf(() => read(none))).toBe('MEDIA_UNSUPPORTED')
    expect(codeOf(() => read(none, { audioOnly: true }))).toBe('SEGMENT_NOT_YET')
    expect(codeOf(() => read(none.end(), { audioOnly: true }))).toBe('URL_UNKNOWN')
  })

  it('lists no more than one codec configuration: the latest, and in the end the longest', () => {
    const log = new SampleLog().add(picture(1, 'video-1')).add(audioTrack(2, 'audio-1')).segments(9)
    log
      .discontinuity(180_000)
      .add(picture(3, 'video-1', { width: 640, height: 360 }))
      .segments(2)
    // What is new has to have two fragments behind it; meanwhile there is what came before.
    expect(starts(read(log))).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n])
    log.segments(3)
    const live = read(log)
    expect(starts(live)).toEqual([10n, 11n, 12n])
    expect(starts(live, 1)).toEqual([10n, 11n, 12n])
    expect(live.streams[0]!.levels[0]).toMatchObject({ Bitrate: '3500003', MaxWidth: '640' })
    expect(buildSmoothManifest(viewOf(log))).toContain('what follows the last change')
    expect(starts(read(log.end()))).toEqual([10n, 11n, 12n, 13n, 14n])
    const archived = read(log.archive())
    expect(starts(archived)).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n])
    expect(archived.streams[0]!.levels[0]).toMatchObject({ Bitrate: '3500001' })
  })

  it('names nothing that is not there, of any log', () => {
    const valid = (record: LogRecord): LogRecord => {
      if (record.type !== 'track-added' || record.track.config.kind !== 'video') return record
      return { ...record, track: { ...record.track, config: { ...record.track.config, record: AVCC } } }
    }
    fc.assert(
      fc.property(headers, steps, fc.constantFrom(false, true, 'archived' as const), (header, script, ends) => {
        eachVersion(header, logOf(header, script, ends).slice(1).map(valid), (view) => {
          let manifest: ReadManifest
          try {
            manifest = readSmoothManifest(buildSmoothManifest(view))
          } catch (error) {
            if (error instanceof AppError && ['SEGMENT_NOT_YET', 'URL_UNKNOWN'].includes(error.code)) return
            throw error
          }
          for (const { attributes, levels, chunks } of manifest.streams) {
            expect(Number(attributes['Chunks'])).toBe(chunks.length)
            for (const { Bitrate } of levels) {
              const rendition = findQualityLevel(view, attributes['Name']!, Number(Bitrate))!
              const track = rendition.tracks.find(({ nominalBitrate }) => nominalBitrate === Number(Bitrate))!
              let end = 0n
              for (const { time, duration } of chunks) {
                expect(time).toBeGreaterThanOrEqual(end)
                expect(duration).toBeGreaterThan(0n)
                end = time + duration
                const found = [...instantsAt(Number(time), track.timescale)].map((ticks) =>
                  view.findSegment(rendition.index, ticks),
                )
                expect(found.some((segment) => segment?.track === track.track)).toBe(true)
              }
            }
          }
        })
      }),
      { numRuns: 25 },
    )
  })
})

describe('what a quality level says of its codec', () => {
  const sound: AudioConfig = {
    ...(audioTrack(1, 'a').config as AudioConfig),
    channels: 6,
  }

  it('is parameter sets behind start codes', () => {
    const config = picture(1, 'v').config
    expect(qualityAttributes(config)).toMatchObject({
      FourCC: 'H264',
      CodecPrivateData: '000000016764001F0000000168EE3C80',
    })
    const short = AVCC.slice()
    short[4] = 0xfd
    expect(qualityAttributes({ ...config, record: short })).toMatchObject({ NALUnitLengthField: 2 })
    const hvcc = new Uint8Array([
      ...[1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3],
      ...[34, 0, 1, 0, 2, 0x44, 1],
      ...[32, 0, 1, 0, 2, 0x40, 1],
      ...[33, 0, 1, 0, 3, 0x42, 1, 1],
    ])
    expect(qualityAttributes({ ...(config as VideoConfig), codec: 'hevc', record: hvcc })).toMatchObject({
      FourCC: 'HVC1',
      CodecPrivateData: '00000001400100000001420101000000014401',
    })
  })

  it('is an AudioSpecificConfig, or a wave format by its name', () => {
    expect(qualityAttributes(sound)).toMatchObject({ FourCC: 'AACL', AudioTag: 255, CodecPrivateData: '1190' })
    expect(qualityAttributes({ ...sound, codecString: 'mp4a.40.5' })).toMatchObject({ FourCC: 'AACH' })
    const dec3 = Uint8Array.of(0x07, 0, 0x20, 0x0f, 0)
    // The very attribute of AMS's own manifests.
    expect(qualityAttributes({ ...sound, codec: 'eac3', codecString: 'ec-3', record: dec3 })).toMatchObject({
      ...{ FourCC: 'EC-3', AudioTag: 65_534, SamplingRate: 48_000, Channels: 6 },
      CodecPrivateData: '00063F000000AF87FBA7022DFB42A4D405CD93843BDD0700200F00',
    })
    expect(qualityAttributes({ ...sound, codec: 'ac3', codecString: 'ac-3' })).toMatchObject({ FourCC: 'AC-3' })
    for (const codec of ['opus', 'flac', 'mp3'] as const) expect(qualityAttributes({ ...sound, codec })).toBeUndefined()
  })
})
