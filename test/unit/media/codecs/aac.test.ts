import { describe, expect, it } from 'vitest'
import { AppError, FormatError } from '../../../../src/lib/errors.ts'
import { aacConfig } from '../../../../src/media/codecs/aac.ts'
import { frameSamples } from '../../../../src/media/codecs/frame-samples.ts'
import { encode, probe, tone } from '../../../support/flv-encoded.ts'
import { mp4boxCodec } from '../../../support/flv-opinion.ts'

const fromHex = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')

describe('AudioSpecificConfig', () => {
  it.each([
    ['LC', '12 10', 44_100, 2, 1024, 'mp4a.40.2'],
    ['LC, 960 samples', '11 94', 48_000, 2, 960, 'mp4a.40.2'],
    ['LC, explicitly without SBR', '11 88 56 e5 00', 48_000, 1, 1024, 'mp4a.40.2'],
    ['LC, rate written out (index 15)', '17 80 18 1c 88', 12_345, 1, 1024, 'mp4a.40.2'],
    ['Main', '0a b0', 32_000, 6, 1024, 'mp4a.40.1'],
    ['7.1', '11 b8', 48_000, 8, 1024, 'mp4a.40.2'],
    ['HE-AAC, hierarchical', '2b 92 08 00', 44_100, 2, 2048, 'mp4a.40.5'],
    ['HE-AAC, backward compatible', '13 08 56 e5 98', 48_000, 1, 2048, 'mp4a.40.5'],
    ['HE-AAC, SBR at the core rate', '29 91 88 00', 48_000, 2, 1024, 'mp4a.40.5'],
    ['HE-AAC v2, hierarchical', 'eb 8a 08 00', 44_100, 2, 2048, 'mp4a.40.29'],
    ['HE-AAC v2, backward compatible', '13 08 56 e5 9d 48 80', 48_000, 2, 2048, 'mp4a.40.29'],
    [
      'program config element of ffmpeg',
      '118004c848002008c8200d4c61766335392e33372e31303056e500',
      48_000,
      8,
      1024,
      'mp4a.40.2',
    ],
  ])('golden bytes: %s', (_name, hex, sampleRate, channels, samplesPerFrame, codecString) => {
    const record = fromHex(hex)
    const config = aacConfig(record)
    expect(config).toEqual({ kind: 'audio', codec: 'aac', record, sampleRate, channels, samplesPerFrame, codecString })
    expect(frameSamples(config, Uint8Array.of(1, 2, 3))).toBe(samplesPerFrame)
  })

  it.each([
    [8_000, 1],
    [22_050, 2],
    [44_100, 2],
    [48_000, 6],
    [96_000, 8],
  ])('%i Hz with %i channels agrees with ffprobe and mp4box', (rate, channels) => {
    const { file, tracks } = encode([...tone(rate, channels), '-c:a', 'aac'])
    const config = aacConfig(tracks[0]!.record)
    const opinion = probe(file)
    expect([String(config.sampleRate), config.channels]).toEqual([opinion['sample_rate'], opinion['channels']])
    expect(config.codecString).toBe(mp4boxCodec(file))
    expect(tracks[0]!.samples.slice(0, -1).every((sample) => sample.durationTicks === config.samplesPerFrame)).toBe(
      true,
    )
  })

  it('ffprobe reads our golden HE-AAC the same way', () => {
    // An ADTS-less stream can't be probed, so the record is put into the file of an LC stream of the same core.
    const { file } = encode([...tone(22_050, 2), '-c:a', 'aac', '-aac_coder', 'fast'])
    const patched = Buffer.from(file)
    const at = patched.indexOf(fromHex('13 90 56 e5 00'))
    expect(at).toBeGreaterThan(0)
    // Object type 5, 22,050 Hz, stereo, 44,100 Hz, core LC.
    patched.set(fromHex('2b 92 08 00 00'), at)
    const config = aacConfig(patched.subarray(at, at + 5))
    expect(config).toMatchObject({ sampleRate: 44_100, samplesPerFrame: 2048 })
    expect(probe(patched)).toMatchObject({ sample_rate: String(config.sampleRate), channels: config.channels })
  })

  it('fails at every prefix that cuts a field off', () => {
    for (const hex of ['2b 92 08 00', '17 80 18 1c 88', '118004c848002008c8200d4c61766335392e33372e313030']) {
      const record = fromHex(hex)
      aacConfig(record)
      for (let size = 0; size < record.byteLength; size++) {
        expect(() => aacConfig(record.subarray(0, size)), `${hex} to ${size}`).toThrowError(FormatError)
      }
    }
  })

  it('refuses reserved rates, no channels and an SBR rate out of step', () => {
    expect(() => aacConfig(fromHex('16 90'))).toThrowError(/sampling frequency index 13/)
    expect(() => aacConfig(fromHex('11 c8'))).toThrowError(/channel configuration 9/)
    expect(() => aacConfig(fromHex('2b 91 88 00'))).toThrowError(/SBR rate/)
  })

  it('refuses object types that players do not have, as MEDIA_UNSUPPORTED', () => {
    // 42 is USAC (xHE-AAC): escape 31, then 10.
    const usac = fromHex('f9 46 40 00')
    expect(() => aacConfig(usac)).toThrowError(expect.objectContaining({ code: 'MEDIA_UNSUPPORTED' }))
    expect(() => aacConfig(usac)).toThrowError(AppError)
  })
})
