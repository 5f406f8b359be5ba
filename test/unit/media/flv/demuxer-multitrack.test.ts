import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { FlvDemuxer } from '../../../../src/media/flv/demuxer.ts'
import { encode, picture, tone, videoEncoders } from '../../../support/flv-encoded.ts'
import { enhancedMessages, interleave } from '../../../support/flv-publish.ts'
import { exAudio, exAudioTypes, exVideo, exVideoTypes, withComposition } from '../../../support/flv-tags.ts'

const IDR = Uint8Array.of(0, 0, 0, 2, 0x65, 0x88)
const SLICE = Uint8Array.of(0, 0, 0, 2, 0x41, 0x9a)
const VPCC = Buffer.from('01000000000a820202020000', 'hex')
const VP9_KEY = Uint8Array.of(0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xf0, 0x05, 0x90)

describe('multitrack', () => {
  it('golden bytes: one track', () => {
    const message = Uint8Array.of(0x96, 0x03, 0x61, 0x76, 0x63, 0x31, 7, ...IDR)
    expect(new FlvDemuxer().read(9, 5, message)).toEqual([
      { type: 'frame', kind: 'video', trackId: 7, dtsMs: 5, compositionMs: 0, independent: true, data: IDR },
    ])
  })

  it('golden bytes: many tracks of one codec', () => {
    const size = [0, 0, 6]
    const message = Uint8Array.of(0x96, 0x13, 0x61, 0x76, 0x63, 0x31, 0, ...size, ...IDR, 1, ...size, ...SLICE)
    expect(new FlvDemuxer().read(9, 5, message)).toMatchObject([
      { trackId: 0, independent: true, data: IDR },
      { trackId: 1, independent: false, data: SLICE },
    ])
  })

  it('gives each of many tracks memory of its own, because one may be done with before the other', () => {
    const size = [0, 0, 6]
    const message = Uint8Array.of(0x96, 0x13, 0x61, 0x76, 0x63, 0x31, 0, ...size, ...IDR, 1, ...size, ...SLICE)
    const frames = new FlvDemuxer().read(9, 5, message)
    const memories = frames.flatMap((frame) => (frame.type === 'frame' ? [frame.data.buffer] : []))
    expect(new Set([message.buffer, ...memories]).size).toBe(3)
  })

  it('many tracks of many codecs, with composition times where the codec has them and ModEx over all', () => {
    const demuxer = new FlvDemuxer()
    demuxer.read(9, 0, exVideo({ packetType: 0, layout: 'one', tracks: [{ trackId: 2, fourCc: 'vp09', body: VPCC }] }))
    const tracks = [
      { trackId: 1, fourCc: 'avc1', body: withComposition(80, IDR) },
      { trackId: 2, fourCc: 'vp09', body: VP9_KEY },
    ]
    const message = exVideo({ packetType: exVideoTypes.codedFrames, layout: 'many-codecs', tracks, nanos: 250_000 })
    expect(demuxer.read(9, 10, message)).toMatchObject([
      { type: 'frame', trackId: 1, dtsMs: 10.25, compositionMs: 80, data: IDR },
      { type: 'config', trackId: 2, config: { codec: 'vp9', width: 160, height: 90 } },
      { type: 'frame', trackId: 2, dtsMs: 10.25, compositionMs: 0, data: VP9_KEY },
    ])
  })

  it('keeps each track of a ladder and each language apart', () => {
    const sizes = ['64x64', '128x96']
    const rungs = sizes.map((size, trackId) =>
      enhancedMessages(encode([...picture(size), ...videoEncoders.avc]).tracks[0]!, { trackId }),
    )
    const languages = [1, 2].map((channels, trackId) =>
      enhancedMessages(encode([...tone(48_000, channels), '-c:a', 'libopus']).tracks[0]!, { trackId }),
    )
    const demuxer = new FlvDemuxer()
    const contributions = interleave(...rungs, ...languages).flatMap((message) =>
      demuxer.read(message.messageType as 8 | 9, message.timestampMs, message.payload),
    )
    const configs = contributions.flatMap((each) => (each.type === 'config' ? [[each.trackId, each.config]] : []))
    expect(configs).toMatchObject([
      [0, { width: 64, height: 64 }],
      [1, { width: 128, height: 96 }],
      [0, { codec: 'opus', channels: 1 }],
      [1, { codec: 'opus', channels: 2 }],
    ])
    for (const trackId of [0, 1]) {
      const video = contributions.filter(
        (each) => each.type === 'frame' && each.kind === 'video' && each.trackId === trackId,
      )
      expect(video).toHaveLength(10)
    }
  })

  it('ends one track of several', () => {
    const tracks = [{ trackId: 3, fourCc: 'Opus', body: new Uint8Array(0) }]
    const message = exAudio({ packetType: exAudioTypes.sequenceEnd, layout: 'one', tracks })
    expect(new FlvDemuxer().read(8, 0, message)).toEqual([{ type: 'sequence-end', kind: 'audio', trackId: 3 }])
  })

  it('is bounded', () => {
    const demuxer = new FlvDemuxer({ maxTracks: 2 })
    const send = (trackId: number) =>
      demuxer.read(9, 0, exVideo({ packetType: 3, layout: 'one', tracks: [{ trackId, fourCc: 'avc1', body: IDR }] }))
    expect(send(9)).toHaveLength(1)
    expect(send(4)).toHaveLength(1)
    expect(() => send(5)).toThrowError(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
    expect(send(9)).toHaveLength(1)
    const parts = Array.from({ length: 257 }, () => ({ trackId: 9, fourCc: 'avc1', body: IDR }))
    expect(() => demuxer.read(9, 0, exVideo({ packetType: 3, layout: 'many', tracks: parts }))).toThrowError(
      FormatError,
    )
  })

  it.each([
    ['a layout that does not exist', [0x96, 0x33, 0x61, 0x76, 0x63, 0x31, 0]],
    ['multitrack within multitrack', [0x96, 0x06, 0x61, 0x76, 0x63, 0x31, 0]],
    ['ModEx within multitrack', [0x96, 0x07, 0x61, 0x76, 0x63, 0x31, 0]],
    ['a track that runs past the end', [0x96, 0x13, 0x61, 0x76, 0x63, 0x31, 0, 0, 0, 7, ...IDR]],
    ['a size that is cut off', [0x96, 0x13, 0x61, 0x76, 0x63, 0x31, 0, 0]],
    ['no track id', [0x96, 0x03, 0x61, 0x76, 0x63, 0x31]],
  ])('refuses %s', (_name, bytes) => {
    expect(() => new FlvDemuxer().read(9, 0, Uint8Array.from(bytes))).toThrowError(FormatError)
  })
})
