import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { FlvDemuxer } from '../../../../src/media/flv/demuxer.ts'
import type { Contribution } from '../../../../src/media/media.ts'
import { encode, picture, probe, tone, videoEncoders } from '../../../support/flv-encoded.ts'
import type { FlvMessage } from '../../../support/flv-file.ts'
import { enhancedMessages } from '../../../support/flv-publish.ts'
import { exAudio, exAudioTypes, exVideo, exVideoTypes, withComposition } from '../../../support/flv-tags.ts'

type Frame = Extract<Contribution, { type: 'frame' }>

const IDR = Uint8Array.of(0, 0, 0, 2, 0x65, 0x88)
const VPCC = Buffer.from('01000000000a820202020000', 'hex')
const VP9_KEY = Uint8Array.of(0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xf0, 0x05, 0x90)
const AV1C = Buffer.from('81000c000a0a00000003b4fd936be401', 'hex')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function demux(messages: readonly FlvMessage[]): Contribution[] {
  const demuxer = new FlvDemuxer()
  return messages.flatMap((each) => demuxer.read(each.messageType as 8 | 9, each.timestampMs, each.payload))
}

const framesOf = (contributions: readonly Contribution[]) =>
  contributions.filter((each): each is Frame => each.type === 'frame')

describe('video by FourCC', () => {
  it.each([
    ['avc1', [...videoEncoders.avc, '-bf', '2']],
    ['hvc1', videoEncoders.hevc],
    ['av01', videoEncoders.av1],
    ['vp09', videoEncoders.vp9],
  ])('%s of ffmpeg: the configuration first, then every frame unchanged', (fourCc, encoder) => {
    const { file, tracks } = encode([...picture('98x54', '25', 0.6), ...encoder, '-g', '10'])
    const [track] = tracks
    const contributions = demux(enhancedMessages(track!))
    const opinion = probe(file)
    expect(contributions[0]).toMatchObject({
      type: 'config',
      trackId: 0,
      config: {
        kind: 'video',
        width: opinion['width'],
        height: opinion['height'],
        record: Uint8Array.from(track!.record),
      },
    })
    expect(contributions.filter((each) => each.type === 'config')).toHaveLength(1)
    expect(track!.entry).toBe(fourCc)
    const frames = framesOf(contributions)
    expect(frames.map((frame) => hex(frame.data))).toEqual(track!.samples.map((sample) => hex(sample.data)))
    expect(frames.map((frame) => [frame.dtsMs, frame.compositionMs, frame.independent])).toEqual(
      track!.samples.map((sample) => [Math.round(sample.dtsMs), Math.round(sample.compositionMs), sample.sync]),
    )
  })

  it('golden bytes: CodedFrames with a composition time, CodedFramesX without', () => {
    const demuxer = new FlvDemuxer()
    const frame = Uint8Array.of(0x91, 0x61, 0x76, 0x63, 0x31, 0xff, 0xff, 0xfe, ...IDR)
    expect(demuxer.read(9, 7, frame)).toEqual([
      { type: 'frame', kind: 'video', trackId: 0, dtsMs: 7, compositionMs: -2, independent: true, data: IDR },
    ])
    const short = Uint8Array.of(0x93, 0x61, 0x76, 0x63, 0x31, ...IDR)
    expect(demuxer.read(9, 8, short)).toMatchObject([{ dtsMs: 8, compositionMs: 0, data: IDR }])
    expect(demuxer.read(9, 9, Uint8Array.of(0x92, 0x61, 0x76, 0x63, 0x31))).toEqual([
      { type: 'sequence-end', kind: 'video', trackId: 0 },
    ])
  })

  it('VP9 waits for a key frame to know its size, and says when the size changes', () => {
    const demuxer = new FlvDemuxer()
    const send = (packetType: number, body: Uint8Array) =>
      demuxer.read(9, 0, exVideo({ packetType, fourCc: 'vp09', body }))
    expect(send(exVideoTypes.sequenceStart, VPCC.subarray(4))).toEqual([])
    expect(send(exVideoTypes.codedFrames, Uint8Array.of(0x86))).toMatchObject([{ type: 'frame', independent: false }])
    expect(send(exVideoTypes.codedFrames, VP9_KEY)).toMatchObject([
      { type: 'config', config: { codec: 'vp9', width: 160, height: 90, record: Uint8Array.from(VPCC) } },
      { type: 'frame', independent: true },
    ])
    expect(send(exVideoTypes.codedFrames, VP9_KEY)).toHaveLength(1)
    expect(send(exVideoTypes.sequenceStart, VPCC)).toEqual([])
    expect(send(exVideoTypes.codedFrames, VP9_KEY)).toHaveLength(1)
    const larger = Uint8Array.from(VP9_KEY)
    larger[5] = 0x0a
    expect(send(exVideoTypes.codedFrames, larger)).toMatchObject([{ type: 'config', config: { width: 176 } }, {}])
  })

  it('AV1 loses its temporal delimiters, and waits for a sequence header where the record has none', () => {
    const demuxer = new FlvDemuxer()
    const send = (packetType: number, body: Uint8Array) =>
      demuxer.read(9, 0, exVideo({ packetType, fourCc: 'av01', body }))
    expect(send(exVideoTypes.sequenceStart, AV1C.subarray(0, 4))).toEqual([])
    const frame = Uint8Array.of(0x32, 2, 0x10, 0xaa)
    const unit = concatBytes([Uint8Array.of(0x12, 0), AV1C.subarray(4), frame])
    expect(send(exVideoTypes.codedFrames, unit)).toMatchObject([
      {
        type: 'config',
        config: { codec: 'av1', width: 160, height: 90, record: Uint8Array.from(AV1C.subarray(0, 4)) },
      },
      { type: 'frame', independent: true, data: Uint8Array.from(unit.subarray(2)) },
    ])
    expect(send(exVideoTypes.codedFrames, Uint8Array.of(0x12, 0))).toEqual([])
    expect(send(exVideoTypes.sequenceStart, AV1C)).toMatchObject([{ type: 'config', config: { width: 160 } }])
  })

  it('metadata, transport-stream starts and command frames give nothing', () => {
    const demuxer = new FlvDemuxer()
    const body = Uint8Array.of(2, 0, 9, 0x63)
    const send = (packetType: number, frameType = 1) =>
      demuxer.read(9, 0, exVideo({ packetType, frameType, fourCc: 'hvc1', body }))
    expect(send(exVideoTypes.metadata)).toEqual([])
    expect(send(exVideoTypes.metadata, 5)).toEqual([])
    expect(send(exVideoTypes.mpeg2TsSequenceStart)).toEqual([])
    expect(demuxer.read(9, 0, Uint8Array.of(0xd1, 0))).toEqual([])
    expect(demuxer.read(9, 0, Uint8Array.of(0xd1, 1))).toEqual([])
  })

  it('a change of codec on a track starts it anew', () => {
    const demuxer = new FlvDemuxer()
    const start = (fourCc: string, body: Uint8Array) =>
      demuxer.read(9, 0, exVideo({ packetType: exVideoTypes.sequenceStart, fourCc, body })).length
    expect(start('av01', AV1C)).toBe(1)
    expect(start('av01', AV1C)).toBe(0)
    expect(start('vp09', VPCC)).toBe(0)
    expect(demuxer.read(9, 0, exVideo({ packetType: 1, fourCc: 'vp09', body: VP9_KEY }))).toHaveLength(2)
    expect(start('av01', AV1C)).toBe(1)
  })
})

describe('audio by FourCC', () => {
  it.each([
    ['mp4a', 'mp4a', tone(44_100), ['-c:a', 'aac']],
    ['.mp3', 'mp4a', tone(48_000), ['-c:a', 'libmp3lame']],
    ['Opus', 'Opus', tone(48_000), ['-c:a', 'libopus']],
    ['Opus', 'Opus', tone(48_000, 6), ['-c:a', 'libopus', '-mapping_family', '1']],
    ['fLaC', 'fLaC', tone(44_100, 1), ['-c:a', 'flac']],
    ['ac-3', 'ac-3', tone(44_100), ['-c:a', 'ac3']],
    ['ec-3', 'ec-3', tone(48_000, 6), ['-c:a', 'eac3']],
  ])('%s of ffmpeg: the configuration first, once, then every frame unchanged', (fourCc, entry, input, encoder) => {
    const { file, tracks } = encode([...input, ...encoder])
    const [track] = tracks
    const contributions = demux(enhancedMessages(track!, { fourCc }))
    const opinion = probe(file)
    expect(track!.entry).toBe(entry)
    expect(contributions[0]).toMatchObject({
      type: 'config',
      trackId: 0,
      config: { kind: 'audio', sampleRate: Number(opinion['sample_rate']), channels: opinion['channels'] },
    })
    expect(contributions.filter((each) => each.type === 'config')).toHaveLength(1)
    const frames = framesOf(contributions)
    expect(frames.map((frame) => hex(frame.data))).toEqual(track!.samples.map((sample) => hex(sample.data)))
    expect(frames.every((frame) => frame.kind === 'audio' && frame.independent && frame.compositionMs === 0)).toBe(true)
  })

  it('golden bytes: Opus with an empty header, a silence end, a channel map', () => {
    const demuxer = new FlvDemuxer()
    const opus = [0x4f, 0x70, 0x75, 0x73]
    expect(demuxer.read(8, 0, Uint8Array.of(0x90, ...opus))).toMatchObject([
      { type: 'config', config: { codec: 'opus', channels: 2, sampleRate: 48_000 } },
    ])
    expect(demuxer.read(8, 0, Uint8Array.of(0x94, ...opus, 1, 2, 0, 0, 0, 3))).toEqual([])
    expect(demuxer.read(8, 20, Uint8Array.of(0x91, ...opus, 0xfc, 1))).toMatchObject([
      { type: 'frame', dtsMs: 20, data: Uint8Array.of(0xfc, 1) },
    ])
    expect(demuxer.read(8, 40, Uint8Array.of(0x92, ...opus))).toEqual([
      { type: 'sequence-end', kind: 'audio', trackId: 0 },
    ])
  })

  it('Opus without any header is stereo', () => {
    const body = Uint8Array.of(0xfc, 1)
    const contributions = new FlvDemuxer().read(
      8,
      0,
      exAudio({ packetType: exAudioTypes.codedFrames, fourCc: 'Opus', body }),
    )
    expect(contributions).toMatchObject([{ type: 'config', config: { codec: 'opus', channels: 2 } }, { type: 'frame' }])
  })
})

describe('ModEx', () => {
  it('adds nanoseconds to the message, and to this one only', () => {
    const demuxer = new FlvDemuxer()
    const body = withComposition(40, IDR)
    const precise = exVideo({ packetType: exVideoTypes.codedFrames, fourCc: 'avc1', body, nanos: 333_333 })
    expect(demuxer.read(9, 1000, precise)).toMatchObject([{ dtsMs: 1000.333333, compositionMs: 40 }])
    const plain = exVideo({ packetType: exVideoTypes.codedFrames, fourCc: 'avc1', body })
    expect(demuxer.read(9, 1000, plain)).toMatchObject([{ dtsMs: 1000 }])
    const audio = exAudio({ packetType: 1, fourCc: 'mp4a', body: Uint8Array.of(1), nanos: 999_999 })
    expect(demuxer.read(8, 5, audio)).toMatchObject([{ dtsMs: 5.999999 }])
  })

  it('golden bytes: unknown kinds and 16-bit sizes are stepped over', () => {
    const fourCc = [0x6d, 0x70, 0x34, 0x61]
    const unknown = Uint8Array.of(0x97, 0, 0xaa, 0x57, 2, 0, 0x01, 0xf4, 0x01, ...fourCc, 9)
    expect(new FlvDemuxer().read(8, 1, unknown)).toMatchObject([{ dtsMs: 1.0005, data: Uint8Array.of(9) }])
    const long = concatBytes([Uint8Array.of(0x97, 255, 1, 43), new Uint8Array(300), Uint8Array.of(0x11, ...fourCc, 9)])
    expect(new FlvDemuxer().read(8, 1, long)).toMatchObject([{ dtsMs: 1, data: Uint8Array.of(9) }])
  })

  it('refuses an offset of fewer than three bytes', () => {
    const short = Uint8Array.of(0x97, 1, 0, 1, 0x01, 0x6d, 0x70, 0x34, 0x61, 9)
    expect(() => new FlvDemuxer().read(8, 0, short)).toThrowError(FormatError)
  })
})

describe('refusals', () => {
  it.each([
    [9, 'vp08'],
    [9, 'vvc1'],
    [9, '\u0000\u0001zz'],
    [8, 'alac'],
  ] as const)('type %i, FourCC %j is unsupported', (messageType, fourCc) => {
    const tag = { packetType: 1, fourCc, body: IDR }
    const payload = messageType === 9 ? exVideo(tag) : exAudio(tag)
    expect(() => new FlvDemuxer().read(messageType, 0, payload)).toThrowError(
      expect.objectContaining({ code: 'MEDIA_UNSUPPORTED', message: expect.stringMatching(/^[\x20-\x7e]+$/) }),
    )
  })

  it.each([
    [9, exVideo({ packetType: 9, fourCc: 'avc1' })],
    [8, exAudio({ packetType: 3, fourCc: 'mp4a' })],
    [9, Uint8Array.of(0x91, 0x61)],
    [9, Uint8Array.of(0x91, 0x61, 0x76, 0x63, 0x31, 0, 0)],
    [9, Uint8Array.of(0x97)],
    [9, Uint8Array.of(0x97, 255, 255)],
    [8, Uint8Array.of(0x95, 0x31)],
  ] as const)('type %i, %j is a FormatError', (messageType, payload) => {
    expect(() => new FlvDemuxer().read(messageType, 0, payload)).toThrowError(FormatError)
  })
})
