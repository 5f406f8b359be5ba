import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { flacConfig, flacSamples } from '../../../../src/media/codecs/flac.ts'
import { frameSamples } from '../../../../src/media/codecs/frame-samples.ts'
import { encode, probe, tone } from '../../../support/flv-encoded.ts'

const MAGIC = new TextEncoder().encode('fLaC')

describe('FLAC', () => {
  it.each([
    [48_000, 2, []],
    [44_100, 1, []],
    [96_000, 6, []],
    [48_000, 2, ['-frame_size', '1000']],
    [8_000, 1, ['-frame_size', '192']],
    [16_000, 1, ['-frame_size', '300']],
  ] as const)('%i Hz, %i channels %j agrees with ffmpeg, frame by frame', (rate, channels, options) => {
    const { file, tracks } = encode([...tone(rate, channels), '-c:a', 'flac', ...options])
    const [track] = tracks
    const config = flacConfig(concatBytes([MAGIC, track!.record.subarray(4)]))
    const opinion = probe(file)
    expect([String(config.sampleRate), config.channels]).toEqual([opinion['sample_rate'], opinion['channels']])
    expect(Buffer.compare(config.record, track!.record)).toBe(0)
    for (const { data, durationTicks } of track!.samples) expect(frameSamples(config, data)).toBe(durationTicks)
    expect(config.samplesPerFrame).toBe(track!.samples[0]!.durationTicks)
  })

  it('takes the STREAMINFO with its magic, with its block header, or bare, and leaves other blocks out', () => {
    const { record } = encode([...tone(), '-c:a', 'flac']).tracks[0]!
    const block = record.subarray(4)
    const notLast = new Uint8Array(block)
    notLast[0] = 0
    const padding = Uint8Array.of(0x81, 0, 0, 1, 0)
    for (const header of [
      concatBytes([MAGIC, block]),
      block,
      block.subarray(4),
      concatBytes([MAGIC, notLast, padding]),
    ]) {
      expect(Buffer.compare(flacConfig(header).record, record)).toBe(0)
    }
  })

  it('fails at every prefix and on a header that is something else', () => {
    const { record, samples } = encode([...tone(48_000, 1, 0.1), '-c:a', 'flac', '-frame_size', '1000']).tracks[0]!
    const header = concatBytes([MAGIC, record.subarray(4)])
    for (let size = 0; size < header.byteLength; size++) {
      if (size === 34) continue
      expect(() => flacConfig(header.subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
    expect(() => flacConfig(Uint8Array.from(Array(34).fill(0)))).toThrowError(FormatError)
    for (let size = 0; size < 7; size++) {
      expect(() => flacSamples(samples[0]!.data.subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
  })

  it('golden bytes: block sizes of RFC 9639 §9.1.1, behind numbers of every length', () => {
    const sized = (code: number, ...rest: number[]) => flacSamples(Uint8Array.of(0xff, 0xf8, code << 4, 0, ...rest))
    expect([1, 2, 5, 8, 15].map((code) => sized(code, 0))).toEqual([192, 576, 4608, 256, 32_768])
    expect(sized(6, 0, 99)).toBe(100)
    expect(sized(7, 0xc2, 0x80, 0x12, 0x33)).toBe(0x1234)
    expect(sized(7, 0xfe, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xff, 0xff)).toBe(65_536)
    expect(() => sized(0, 0)).toThrowError(FormatError)
    expect(() => sized(6, 0x80, 1)).toThrowError(FormatError)
    expect(() => sized(6, 0xff, 1)).toThrowError(FormatError)
  })
})
