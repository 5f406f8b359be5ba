import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { parseVp9Record, readVp9Header, vp9Config, vp9RecordPayload } from '../../../../src/media/codecs/vp9.ts'
import { encode, picture, probe, videoEncoders } from '../../../support/flv-encoded.ts'
import { mp4boxCodec } from '../../../support/flv-opinion.ts'

/** 160x90, profile 0, level 1.0, 8 bits, 4:2:0, unspecified colour. */
const GOLDEN = Buffer.from('01000000000a820202020000', 'hex')

describe('vpcC', () => {
  it('golden bytes, with and without version and flags', () => {
    expect(parseVp9Record(GOLDEN)).toEqual({
      profile: 0,
      level: 10,
      bitDepth: 8,
      chromaSubsampling: 1,
      fullRange: false,
      primaries: 2,
      transfer: 2,
      matrix: 2,
    })
    expect(Buffer.compare(vp9RecordPayload(GOLDEN), GOLDEN)).toBe(0)
    expect(Buffer.compare(vp9RecordPayload(GOLDEN.subarray(4)), GOLDEN)).toBe(0)
  })

  it.each([
    ['profile 0', 'yuv420p', '98x54', /^vp09\.00\.10\.08$/],
    ['profile 1', 'yuv444p', '160x90', /^vp09\.01\.10\.08\.03\.01\.01\.01\.00$/],
    ['profile 2', 'yuv420p10le', '65x49', /^vp09\.02\.10\.10$/],
    ['profile 3', 'yuv422p10le', '160x90', /^vp09\.03\.10\.10\.02\.01\.01\.01\.00$/],
  ])('%s agrees with ffprobe and mp4box', (_name, pixels, size, codecString) => {
    const { file, tracks } = encode([...picture(size, '25', 0.2), '-pix_fmt', pixels, ...videoEncoders.vp9])
    const [track] = tracks
    const headers = track!.samples.map((sample) => readVp9Header(sample.data, 'vp9'))
    expect(headers.map((header) => header.key)).toEqual(track!.samples.map((sample) => sample.sync))
    const opinion = probe(file)
    expect(headers[0]).toEqual({ key: true, width: opinion['width'], height: opinion['height'] })
    const config = vp9Config(vp9RecordPayload(track!.record), 64, 64)
    expect(config.codecString).toMatch(codecString)
    expect(config.codecString.split('.').slice(0, 4).join('.')).toBe(mp4boxCodec(file))
  })

  it('writes colour that differs, and a level where the encoder left it out', () => {
    const hdr = Uint8Array.of(1, 0, 0, 0, 2, 0, 0xa2, 9, 16, 9, 0, 0)
    expect(vp9Config(hdr, 1920, 1080).codecString).toBe('vp09.02.40.10.01.09.16.09.00')
    expect(vp9Config(hdr, 256, 144).codecString).toBe('vp09.02.10.10.01.09.16.09.00')
  })

  it('fails at every prefix', () => {
    for (let size = 0; size < GOLDEN.byteLength; size++) {
      expect(() => parseVp9Record(GOLDEN.subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
    for (let size = 0; size < 8; size++) {
      expect(() => vp9RecordPayload(GOLDEN.subarray(4, 4 + size)), `${size} bytes`).toThrowError(FormatError)
    }
  })
})

describe('the uncompressed header', () => {
  const key = Uint8Array.of(0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xf0, 0x05, 0x90)

  it('golden bytes', () => {
    expect(readVp9Header(key, 'vp9')).toEqual({ key: true, width: 160, height: 90 })
    expect(readVp9Header(Uint8Array.of(0x86), 'vp9')).toEqual({ key: false })
    expect(readVp9Header(Uint8Array.of(0x88), 'vp9')).toEqual({ key: false })
  })

  it('fails without frame marker or sync code and at every prefix', () => {
    expect(() => readVp9Header(Uint8Array.of(0x42), 'vp9')).toThrowError(FormatError)
    expect(() => readVp9Header(Uint8Array.of(0x82, 0x49, 0x83, 0x43, 0, 9, 0xf0, 5, 0x90), 'vp9')).toThrowError(
      /sync code/,
    )
    for (let size = 0; size < key.byteLength; size++) {
      expect(() => readVp9Header(key.subarray(0, size), 'vp9'), `${size} bytes`).toThrowError(FormatError)
    }
  })
})
