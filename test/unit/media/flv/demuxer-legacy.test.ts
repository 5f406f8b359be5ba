import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { AppError, FormatError } from '../../../../src/lib/errors.ts'
import { FlvDemuxer } from '../../../../src/media/flv/demuxer.ts'
import type { Contribution } from '../../../../src/media/media.ts'
import { type EncodedTrack, encode, ffmpeg, picture, tone, videoEncoders } from '../../../support/flv-encoded.ts'
import { type FlvMessage, readFlvFile } from '../../../support/flv-file.ts'
import { legacyMessages } from '../../../support/flv-publish.ts'
import { legacyAac, legacyMp3, legacyVideo } from '../../../support/flv-tags.ts'

type Frame = Extract<Contribution, { type: 'frame' }>

const AVC_RECORD = Buffer.from(
  '0164000affe100186764000aacd94727889b011000003e90000ea600f122596001000668ebe3cb22c0fdf8f800',
  'hex',
)
const IDR = Uint8Array.of(0, 0, 0, 2, 0x65, 0x88)
const SLICE = Uint8Array.of(0, 0, 0, 2, 0x41, 0x9a)

function demux(messages: readonly FlvMessage[], demuxer = new FlvDemuxer()): Contribution[] {
  return messages.flatMap(({ messageType, timestampMs, payload }) =>
    messageType === 18 ? [] : demuxer.read(messageType, timestampMs, payload),
  )
}

const framesOf = (contributions: readonly Contribution[]) =>
  contributions.filter((each): each is Frame => each.type === 'frame')

function expectSamples(frames: readonly Frame[], track: EncodedTrack): void {
  expect(frames.map((frame) => Buffer.from(frame.data).toString('hex'))).toEqual(
    track.samples.map((sample) => Buffer.from(sample.data).toString('hex')),
  )
  expect(frames.map((frame) => [frame.dtsMs, frame.compositionMs, frame.independent])).toEqual(
    track.samples.map((sample) => [Math.round(sample.dtsMs), Math.round(sample.compositionMs), sample.sync]),
  )
}

describe('legacy H.264 and AAC', () => {
  it('golden bytes', () => {
    const demuxer = new FlvDemuxer()
    const start = concatBytes([Uint8Array.of(0x17, 0, 0, 0, 0), AVC_RECORD])
    expect(demuxer.read(9, 0, start)).toMatchObject([
      { type: 'config', trackId: 0, config: { codec: 'avc', width: 98, height: 54, codecString: 'avc1.64000a' } },
    ])
    expect(demuxer.read(9, 40, concatBytes([Uint8Array.of(0x17, 1, 0, 0, 80), IDR]))).toEqual([
      { type: 'frame', kind: 'video', trackId: 0, dtsMs: 40, compositionMs: 80, independent: true, data: IDR },
    ])
    expect(demuxer.read(9, 80, concatBytes([Uint8Array.of(0x27, 1, 0xff, 0xff, 0xd8), SLICE]))).toMatchObject([
      { dtsMs: 80, compositionMs: -40, independent: false },
    ])
    expect(demuxer.read(9, 120, Uint8Array.of(0x17, 2, 0, 0, 0))).toEqual([
      { type: 'sequence-end', kind: 'video', trackId: 0 },
    ])
    expect(demuxer.read(8, 0, Uint8Array.of(0xaf, 0, 0x12, 0x10))).toMatchObject([
      { type: 'config', trackId: 0, config: { codec: 'aac', sampleRate: 44_100, channels: 2 } },
    ])
    expect(demuxer.read(8, 23, Uint8Array.of(0xaf, 1, 0x21, 0x10))).toEqual([
      {
        type: 'frame',
        kind: 'audio',
        trackId: 0,
        dtsMs: 23,
        compositionMs: 0,
        independent: true,
        data: Uint8Array.of(0x21, 0x10),
      },
    ])
  })

  it('out of a file of ffmpeg, B-frames and all: every frame, none changed', () => {
    const media = [...picture('98x54', '30000/1001', 0.8), ...tone(44_100, 2, 0.8)]
    const codecs = [...videoEncoders.avc, '-bf', '3', '-g', '10', '-c:a', 'aac']
    const messages = readFlvFile(ffmpeg([...media, ...codecs, '-flags', '+bitexact', '-f', 'flv', 'pipe:1']))
    const contributions = demux(messages)
    const frames = framesOf(contributions)
    const codecNames = contributions.flatMap((each) => (each.type === 'config' ? [each.config.codec] : []))
    expect(codecNames).toHaveLength(2)
    expect(new Set(codecNames)).toEqual(new Set(['aac', 'avc']))
    const video = frames.filter((frame) => frame.kind === 'video')
    expect(video).toHaveLength(24)
    expect(video.filter((frame) => frame.independent)).toHaveLength(3)
    expect(video.some((frame) => frame.compositionMs > 0)).toBe(true)
    const [reference] = encode([...media.slice(0, 4), ...codecs.slice(0, -2), '-flags', '+bitexact']).tracks
    expect(video.map((frame) => Buffer.from(frame.data).toString('hex'))).toEqual(
      reference!.samples.map((sample) => Buffer.from(sample.data).toString('hex')),
    )
    expect(contributions.at(-1)).toEqual({ type: 'sequence-end', kind: 'video', trackId: 0 })
  })

  it('gives views on the message, not copies', () => {
    const demuxer = new FlvDemuxer()
    const picturePayload = legacyVideo(1, IDR)
    const audioPayload = legacyAac(1, Uint8Array.of(1, 2, 3))
    const [video] = framesOf(demuxer.read(9, 0, picturePayload))
    const [audio] = framesOf(demuxer.read(8, 0, audioPayload))
    expect(video!.data.buffer).toBe(picturePayload.buffer)
    expect(audio!.data.buffer).toBe(audioPayload.buffer)
  })

  it('copies the record, which outlives its message', () => {
    const payload = legacyVideo(0, AVC_RECORD)
    const [config] = new FlvDemuxer().read(9, 0, payload)
    payload.fill(0)
    expect(config).toMatchObject({ config: { record: Uint8Array.from(AVC_RECORD) } })
  })

  it('gives a configuration again only when it changed', () => {
    const demuxer = new FlvDemuxer()
    const count = (messageType: 8 | 9, payload: Uint8Array) => demuxer.read(messageType, 0, payload).length
    expect(count(9, legacyVideo(0, AVC_RECORD))).toBe(1)
    expect(count(9, legacyVideo(0, AVC_RECORD))).toBe(0)
    const smaller = encode([...picture('64x64', '25', 0.1), ...videoEncoders.avc]).tracks[0]!.record
    expect(count(9, legacyVideo(0, smaller))).toBe(1)
    expect(count(9, legacyVideo(0, AVC_RECORD))).toBe(1)
    expect(count(8, legacyAac(0, Uint8Array.of(0x12, 0x10)))).toBe(1)
    expect(count(8, legacyAac(0, Uint8Array.of(0x12, 0x10)))).toBe(0)
    expect(count(8, legacyAac(0, Uint8Array.of(0x11, 0x90)))).toBe(1)
  })

  it('gives AAC frames before their header, the channel decides', () => {
    expect(new FlvDemuxer().read(8, 0, legacyAac(1, Uint8Array.of(1, 2)))).toMatchObject([
      { type: 'frame', kind: 'audio' },
    ])
  })

  it('honours the length size of the record', () => {
    const record = Buffer.from(AVC_RECORD)
    record[4] = 0xfd
    const demuxer = new FlvDemuxer()
    demuxer.read(9, 0, legacyVideo(0, record))
    expect(demuxer.read(9, 0, legacyVideo(1, Uint8Array.of(0, 2, 0x65, 0x88)))).toMatchObject([{ independent: true }])
  })
})

describe('what encoders do', () => {
  it('empty messages, empty frames and commands give nothing', () => {
    const demuxer = new FlvDemuxer()
    const nothing = new Uint8Array(0)
    expect(demuxer.read(9, 0, nothing)).toEqual([])
    expect(demuxer.read(8, 0, nothing)).toEqual([])
    expect(demuxer.read(9, 0, legacyVideo(1, nothing))).toEqual([])
    expect(demuxer.read(8, 0, legacyAac(1, nothing))).toEqual([])
    expect(demuxer.read(9, 0, Uint8Array.of(0x57, 0))).toEqual([])
    expect(demuxer.read(9, 0, Uint8Array.of(0x57, 1))).toEqual([])
  })

  it('an I picture that is no IDR is not independent, whatever its flag', () => {
    const { tracks } = encode([
      ...picture('64x64', '25', 1),
      ...[...videoEncoders.avc, '-x264-params', 'keyint=10:min-keyint=10:open-gop=1:bframes=2:scenecut=0'],
    ])
    const flagged = legacyMessages(tracks[0]!).map((message, index) => {
      if (index > 0) message.payload[0] = 0x17
      return message
    })
    const frames = framesOf(demux(flagged))
    expect(frames.map((frame) => frame.independent)).toEqual(frames.map((_frame, index) => index === 0))
  })

  it('an IDR that is flagged as inter frame is independent', () => {
    expect(new FlvDemuxer().read(9, 0, legacyVideo(1, IDR, { key: false }))).toMatchObject([{ independent: true }])
  })

  it('HEVC as codec id 12', () => {
    const [track] = encode([...picture('98x54'), ...videoEncoders.hevc]).tracks
    const contributions = demux(legacyMessages(track!))
    expect(contributions[0]).toMatchObject({ type: 'config', config: { codec: 'hevc', width: 98, height: 54 } })
    expectSamples(framesOf(contributions), track!)
  })

  it('Annex B pictures and parameter sets become length-prefixed', () => {
    const [track] = encode([...picture('98x54'), ...videoEncoders.avc, '-bf', '0']).tracks
    const toAnnexB = (sample: Uint8Array) => {
      const units: Uint8Array[] = []
      for (let at = 0; at < sample.byteLength; ) {
        const size = Buffer.from(sample).readUInt32BE(at)
        units.push(Uint8Array.of(0, 0, 0, 1), sample.subarray(at + 4, at + 4 + size))
        at += 4 + size
      }
      return concatBytes(units)
    }
    const { record } = track!
    const sps = record.subarray(8, 8 + record[7]!)
    const pps = record.subarray(8 + record[7]! + 3, 8 + record[7]! + 3 + record[8 + record[7]! + 2]!)
    const startCode = Uint8Array.of(0, 0, 0, 1)
    const demuxer = new FlvDemuxer()
    expect(demuxer.read(9, 0, legacyVideo(0, concatBytes([startCode, sps, startCode, pps])))).toMatchObject([
      { type: 'config', config: { width: 98, height: 54, codecString: 'avc1.64000a' } },
    ])
    const frames = track!.samples.flatMap((sample) =>
      framesOf(demuxer.read(9, sample.dtsMs, legacyVideo(1, toAnnexB(sample.data)))),
    )
    expectSamples(frames, track!)
  })

  it('a NAL unit of 256 to 511 bytes is not taken for a start code', () => {
    const unit = new Uint8Array(300).fill(0x9a)
    unit[0] = 0x65
    const sample = concatBytes([Uint8Array.of(0, 0, 1, 44), unit])
    const [frame] = framesOf(new FlvDemuxer().read(9, 0, legacyVideo(1, sample)))
    expect(Buffer.compare(frame!.data, sample)).toBe(0)
  })
})

describe('MP3', () => {
  it('is described by its own frames, again when they change', () => {
    const [low] = encode([...tone(22_050, 1), '-c:a', 'libmp3lame']).tracks
    const [high] = encode([...tone(48_000, 2), '-c:a', 'libmp3lame']).tracks
    const contributions = demux([...legacyMessages(low!), ...legacyMessages(high!)])
    const configs = contributions.flatMap((each, index) => (each.type === 'config' ? [{ ...each, index }] : []))
    expect(configs).toMatchObject([
      { index: 0, config: { codec: 'mp3', sampleRate: 22_050, channels: 1, samplesPerFrame: 576 } },
      {
        index: low!.samples.length + 1,
        config: { codec: 'mp3', sampleRate: 48_000, channels: 2, samplesPerFrame: 1152 },
      },
    ])
    expectSamples(framesOf(contributions), { ...low!, samples: [...low!.samples, ...high!.samples] })
  })
})

describe('refusals', () => {
  it.each([
    [9, [0x12, 0], 'Sorenson H.263'],
    [9, [0x24, 0], 'VP6'],
    [9, [0x1f, 0], 'FLV codec 15'],
    [8, [0x6e, 0], 'Nellymoser'],
    [8, [0xb6, 0], 'Speex'],
    [8, [0x3e, 0], 'PCM'],
  ] as const)('type %i, %j: %s is unsupported', (messageType, bytes, name) => {
    expect(() => new FlvDemuxer().read(messageType, 0, Uint8Array.from(bytes))).toThrowError(
      expect.objectContaining({ code: 'MEDIA_UNSUPPORTED', message: expect.stringContaining(name) }),
    )
  })

  it.each([
    [9, [0x17]],
    [9, [0x17, 0]],
    [9, [0x17, 1, 0, 0]],
    [9, [0x17, 3, 0, 0, 0, 1]],
    [9, [0x17, 0, 0, 0, 0, 9, 9]],
    [9, [0x17, 1, 0, 0, 0, 0, 0, 0, 9, 0x65]],
    [8, [0xaf]],
    [8, [0xaf, 2, 1]],
    [8, [0xaf, 0]],
    [8, [0x2f, 1, 2, 3, 4]],
  ] as const)('type %i, %j is a FormatError, and the demuxer goes on', (messageType, bytes) => {
    const demuxer = new FlvDemuxer()
    expect(() => demuxer.read(messageType, 0, Uint8Array.from(bytes))).toThrowError(FormatError)
    expect(demuxer.read(9, 0, legacyVideo(0, AVC_RECORD))).toHaveLength(1)
    expect(demuxer.read(8, 0, legacyAac(0, Uint8Array.of(0x12, 0x10)))).toHaveLength(1)
  })

  it('a broken header leaves the one before in force', () => {
    const demuxer = new FlvDemuxer()
    demuxer.read(9, 0, legacyVideo(0, AVC_RECORD))
    expect(() => demuxer.read(9, 0, legacyVideo(0, AVC_RECORD.subarray(0, 20)))).toThrowError(AppError)
    expect(demuxer.read(9, 0, legacyVideo(0, AVC_RECORD))).toEqual([])
    expect(demuxer.read(8, 0, legacyMp3(Uint8Array.of(0xff, 0xfb, 0x90, 0x64)))).toHaveLength(2)
  })
})
