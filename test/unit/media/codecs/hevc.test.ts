import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { hevcConfig, parseHevcRecord } from '../../../../src/media/codecs/hevc.ts'
import { holdsIrap } from '../../../../src/media/codecs/nal-units.ts'
import { encode, picture, probe, videoEncoders } from '../../../support/flv-encoded.ts'
import { mp4boxCodec } from '../../../support/flv-opinion.ts'

const x265 = (params: string) => [...videoEncoders.hevc.slice(0, -1), `${videoEncoders.hevc.at(-1)}:${params}`]

function rateOf(fraction: unknown): number {
  const [over, under] = String(fraction).split('/').map(Number)
  return over! / under!
}

describe('hvcC', () => {
  it.each([
    ['Main', [], '98x54', '30000/1001', videoEncoders.hevc],
    ['Main 10', ['-pix_fmt', 'yuv420p10le'], '160x90', '50', videoEncoders.hevc],
    ['4:2:2', ['-pix_fmt', 'yuv422p'], '98x54', '25', videoEncoders.hevc],
    ['4:4:4', ['-pix_fmt', 'yuv444p'], '66x50', '25', videoEncoders.hevc],
    ['High tier', [], '160x90', '25', x265('level-idc=5:high-tier=1')],
    ['temporal layers and scaling lists', [], '98x54', '25', x265('temporal-layers=2:scaling-list=default')],
    [
      'sample aspect ratio and colour',
      ['-vf', 'setsar=64/45', '-color_primaries', 'bt2020'],
      '98x54',
      '24',
      videoEncoders.hevc,
    ],
    ['many references', [], '98x54', '25', x265('ref=5:bframes=4:b-pyramid=1')],
  ])('%s agrees with ffprobe and mp4box', (_name, options, size, rate, encoder) => {
    const { file, tracks } = encode([...picture(size, rate, 0.3), ...options, ...encoder])
    const config = hevcConfig(tracks[0]!.record)
    const opinion = probe(file)
    expect([config.width, config.height]).toEqual([opinion['width'], opinion['height']])
    expect(config.frameRate).toBeCloseTo(rateOf(opinion['r_frame_rate']), 6)
    expect(config.codecString.toLowerCase()).toBe(mp4boxCodec(file).toLowerCase())
    const { lengthSize } = parseHevcRecord(config.record)
    const found = tracks[0]!.samples.map((sample) => holdsIrap(sample.data, lengthSize))
    expect(found).toEqual(tracks[0]!.samples.map((sample) => sample.sync))
  })

  it('counts a CRA as a random access point', () => {
    const { tracks } = encode([
      ...picture('64x64', '25', 0.8),
      ...x265('keyint=10:min-keyint=10:open-gop=1:scenecut=0'),
    ])
    const cra = tracks[0]!.samples.filter((sample) => ((sample.data[4]! >>> 1) & 0x3f) === 21)
    expect(cra.length).toBeGreaterThan(0)
    expect(cra.every((sample) => holdsIrap(sample.data, 4))).toBe(true)
  })

  it('fails at every prefix', () => {
    const { record } = encode([...picture('64x64', '25', 0.1), ...videoEncoders.hevc]).tracks[0]!
    expect(hevcConfig(record).width).toBe(64)
    for (let size = 0; size < record.byteLength; size++) {
      expect(() => hevcConfig(record.subarray(0, size)), `${size} of ${record.byteLength} bytes`).toThrowError(
        FormatError,
      )
    }
  })

  it('golden bytes: the string of ISO/IEC 14496-15 annex E, and a record without an SPS', () => {
    const head = [1, 0x41, 0x80, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 0]
    expect(parseHevcRecord(Uint8Array.from(head))).toMatchObject({
      profileSpace: 1,
      highTier: false,
      profile: 1,
      level: 93,
      lengthSize: 4,
      arrays: [],
    })
    expect(() => hevcConfig(Uint8Array.from(head))).toThrowError(/no sequence parameter set/)
  })
})
