import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { frameSamples } from '../../../../src/media/codecs/frame-samples.ts'
import { mp3Config, mp3ConfigKey, parseMp3Header } from '../../../../src/media/codecs/mp3.ts'
import { encode, probe, tone } from '../../../support/flv-encoded.ts'
import { mp4boxCodec } from '../../../support/flv-opinion.ts'

describe('MP3', () => {
  it('golden bytes', () => {
    expect(parseMp3Header(Uint8Array.of(0xff, 0xfb, 0x90, 0x64), 0, 'mp3')).toEqual({
      sampleRate: 44_100,
      channels: 2,
      samples: 1152,
      sizeBytes: 417,
    })
    expect(parseMp3Header(Uint8Array.of(0xff, 0xe3, 0x42, 0xc4), 0, 'mp3')).toEqual({
      sampleRate: 11_025,
      channels: 1,
      samples: 576,
      sizeBytes: 209,
    })
  })

  it.each([
    [48_000, 2, []],
    [44_100, 1, ['-b:a', '64k']],
    [32_000, 2, ['-q:a', '2']],
    [22_050, 2, []],
    [8_000, 1, []],
  ] as const)('%i Hz, %i channels agrees with ffprobe, frame by frame', (rate, channels, options) => {
    const { file, tracks } = encode([...tone(rate, channels), '-c:a', 'libmp3lame', ...options])
    const samples = tracks[0]!.samples
    const config = mp3Config(samples[0]!.data)
    const opinion = probe(file)
    expect([String(config.sampleRate), config.channels]).toEqual([opinion['sample_rate'], opinion['channels']])
    expect(config.record.byteLength).toBe(0)
    for (const { data, durationTicks } of samples.slice(0, -1)) {
      expect(parseMp3Header(data, 0, 'mp3').sizeBytes).toBe(data.byteLength)
      expect(frameSamples(config, data)).toBe(durationTicks)
      expect(mp3ConfigKey(data)).toBe(mp3ConfigKey(samples[0]!.data))
    }
    const joined = concatBytes(samples.slice(0, 3).map((sample) => sample.data))
    expect(frameSamples(config, joined)).toBe(3 * config.samplesPerFrame)
    if (rate >= 32_000) expect(config.codecString.toLowerCase()).toBe(mp4boxCodec(file).toLowerCase())
  })

  it('fails on anything but a layer III header', () => {
    for (const bytes of [
      [],
      [0xff, 0xfb, 0x90],
      [0xff, 0xfd, 0x90, 0],
      [0xff, 0xeb, 0x90, 0],
      [0xff, 0xfb, 0xf0, 0],
      [0xff, 0xfb, 0x9c, 0],
      [0, 1, 2, 3],
    ]) {
      expect(() => mp3Config(Uint8Array.from(bytes)), `${bytes}`).toThrowError(FormatError)
    }
  })
})
