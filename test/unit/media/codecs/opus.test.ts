import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { frameSamples } from '../../../../src/media/codecs/frame-samples.ts'
import { defaultOpusConfig, opusConfig, opusSamples } from '../../../../src/media/codecs/opus.ts'
import { encode, ffmpeg, probe, tone } from '../../../support/flv-encoded.ts'

const HEAD = Buffer.from('4f707573486561640102380180bb0000010000', 'hex')

/** The OpusHead that ffmpeg writes into an Ogg file. */
function oggHead(args: readonly string[]): Uint8Array {
  const ogg = ffmpeg([...args, '-f', 'ogg', 'pipe:1'])
  const at = ogg.indexOf('OpusHead')
  const family = ogg[at + 18]!
  return ogg.subarray(at, at + (family === 0 ? 19 : 21 + ogg[at + 9]!))
}

describe('OpusHead', () => {
  it('golden bytes: little-endian becomes big-endian', () => {
    const config = opusConfig(HEAD)
    expect(config).toMatchObject({
      codec: 'opus',
      sampleRate: 48_000,
      channels: 2,
      samplesPerFrame: 0,
      codecString: 'opus',
    })
    expect(Buffer.from(config.record).toString('hex')).toBe('000201380000bb80000100')
  })

  it.each([
    [1, []],
    [2, []],
    [6, ['-mapping_family', '1']],
  ] as const)('%i channels: the record is the dOps that ffmpeg writes', (channels, options) => {
    const args = [...tone(48_000, channels), '-c:a', 'libopus', ...options]
    const { file, tracks } = encode(args)
    const config = opusConfig(oggHead(args))
    expect(config.channels).toBe(probe(file)['channels'])
    expect(Buffer.compare(config.record, tracks[0]!.record)).toBe(0)
  })

  it('fails at every prefix, without channels, and with more than two channels unmapped', () => {
    for (let size = 0; size < HEAD.byteLength; size++) {
      expect(() => opusConfig(HEAD.subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
    const channels = (count: number) => Buffer.from(HEAD).fill(count, 9, 10)
    expect(() => opusConfig(channels(0))).toThrowError(FormatError)
    expect(() => opusConfig(channels(3))).toThrowError(FormatError)
  })

  it('has a default of stereo for encoders that send none', () => {
    expect(Buffer.from(defaultOpusConfig().record).toString('hex')).toBe('000201380000bb80000000')
  })
})

describe('packet duration', () => {
  it.each([
    ['2.5', 120],
    ['10', 480],
    ['20', 960],
    ['60', 2880],
    ['120', 5760],
  ])('%s ms', (frameDuration, samples) => {
    const { tracks } = encode([...tone(), '-c:a', 'libopus', '-frame_duration', frameDuration])
    const config = defaultOpusConfig()
    const counted = tracks[0]!.samples.slice(0, -1).map((sample) => frameSamples(config, sample.data))
    expect(new Set(counted)).toEqual(new Set([samples]))
  })

  it('golden bytes: every table of RFC 6716 §3.1', () => {
    const one = (configuration: number) => opusSamples(Uint8Array.of(configuration << 3, 0))
    expect([0, 1, 2, 3, 11].map(one)).toEqual([480, 960, 1920, 2880, 2880])
    expect([12, 13, 14, 15].map(one)).toEqual([480, 960, 480, 960])
    expect([16, 17, 18, 19, 31].map(one)).toEqual([120, 240, 480, 960, 960])
    expect(opusSamples(Uint8Array.of((31 << 3) | 1))).toBe(1920)
    expect(opusSamples(Uint8Array.of((31 << 3) | 2))).toBe(1920)
    expect(opusSamples(Uint8Array.of((31 << 3) | 3, 6))).toBe(5760)
  })

  it('refuses an empty packet, no frames, and more than 120 ms', () => {
    for (const bytes of [[], [(31 << 3) | 3], [(31 << 3) | 3, 0], [(31 << 3) | 3, 7], [(3 << 3) | 3, 3]]) {
      expect(() => opusSamples(Uint8Array.from(bytes)), `${bytes}`).toThrowError(FormatError)
    }
  })
})
