import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { avcConfig, avcRecordFromAnnexB, parseAvcRecord } from '../../../../src/media/codecs/avc.ts'
import { parseAvcSps } from '../../../../src/media/codecs/avc-sps.ts'
import { holdsIdr } from '../../../../src/media/codecs/nal-units.ts'
import { encode, ffmpeg, picture, probe, videoEncoders } from '../../../support/flv-encoded.ts'
import { mp4boxCodec } from '../../../support/flv-opinion.ts'

/**
 * 98x54 (cropped from 112x64) at 30000/1001, High:
 *   ffmpeg -f lavfi -i testsrc2=s=98x54:r=30000/1001:d=0.4 -c:v libx264 -preset veryfast -bf 2 -f mp4 …
 */
const GOLDEN = Buffer.from(
  '0164000affe100186764000aacd94727889b011000003e90000ea600f122596001000668ebe3cb22c0fdf8f800',
  'hex',
)

function rateOf(fraction: unknown): number {
  const [over, under] = String(fraction).split('/').map(Number)
  return over! / under!
}

describe('avcC', () => {
  it('golden bytes', () => {
    expect(avcConfig(GOLDEN)).toEqual({
      kind: 'video',
      codec: 'avc',
      record: GOLDEN,
      width: 98,
      height: 54,
      codecString: 'avc1.64000a',
      frameRate: 30_000 / 1001,
    })
    const { lengthSize, sps, pps } = parseAvcRecord(GOLDEN)
    expect([lengthSize, sps.length, sps[0]!.byteLength, pps.length, pps[0]!.byteLength]).toEqual([4, 1, 24, 1, 6])
  })

  it.each([
    ['Constrained Baseline', ['-profile:v', 'baseline'], '160x90', '25'],
    ['Main', ['-profile:v', 'main'], '98x54', '30000/1001'],
    ['High', [], '320x180', '50'],
    ['High 10', ['-pix_fmt', 'yuv420p10le'], '66x50', '24000/1001'],
    ['High 4:2:2', ['-pix_fmt', 'yuv422p'], '66x50', '25'],
    ['High 4:4:4 Predictive', ['-pix_fmt', 'yuv444p'], '65x49', '60'],
    ['interlaced', ['-flags', '+ildct+ilme'], '98x56', '25'],
    ['custom scaling lists', ['-x264-params', 'cqm=jvt'], '98x54', '25'],
    ['sample aspect ratio and colour in the VUI', ['-vf', 'setsar=64/45', '-color_primaries', 'bt709'], '98x54', '25'],
  ])('%s agrees with ffprobe and mp4box', (_name, options, size, rate) => {
    const { file, tracks } = encode([...picture(size, rate, 0.1), ...options, ...videoEncoders.avc])
    const config = avcConfig(tracks[0]!.record)
    const opinion = probe(file)
    expect([config.width, config.height]).toEqual([opinion['width'], opinion['height']])
    expect(config.frameRate).toBeCloseTo(rateOf(opinion['r_frame_rate']), 6)
    expect(config.codecString).toBe(mp4boxCodec(file))
    const { sps, pps } = parseAvcRecord(config.record)
    const annexB = concatBytes([...sps, ...pps].flatMap((set) => [Uint8Array.of(0, 0, 0, 1), set]))
    expect(Buffer.from(avcRecordFromAnnexB(annexB)).toString('hex')).toBe(Buffer.from(config.record).toString('hex'))
    expect(holdsIdr(tracks[0]!.samples[0]!.data, parseAvcRecord(config.record).lengthSize)).toBe(true)
  })

  it('fails at every prefix that cuts a field off', () => {
    const essential = 5 + 1 + 2 + 24 + 1 + 2 + 6
    for (let size = 0; size < essential; size++) {
      expect(() => avcConfig(GOLDEN.subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
    expect(avcConfig(GOLDEN.subarray(0, essential)).width).toBe(98)
  })

  it('names the field and the offset', () => {
    expect(() => avcConfig(Buffer.from([2, ...GOLDEN.subarray(1)]))).toThrowError(
      expect.objectContaining({ path: 'avcC', offset: 0 }),
    )
    const threeByteLengths = Buffer.from(GOLDEN)
    threeByteLengths[4] = 0xfe
    expect(() => avcConfig(threeByteLengths)).toThrowError(expect.objectContaining({ path: 'avcC', offset: 4 }))
  })

  it('without an SPS is refused', () => {
    expect(() => avcConfig(Uint8Array.of(1, 66, 0, 30, 0xff, 0xe0, 0))).toThrowError(/no sequence parameter set/)
  })

  it('is built from parameter sets in Annex B', () => {
    const { sps, pps } = parseAvcRecord(GOLDEN)
    const startCode = Uint8Array.of(0, 0, 0, 1)
    const built = avcRecordFromAnnexB(concatBytes([startCode, sps[0]!, startCode, pps[0]!]))
    expect(Buffer.from(built)).toEqual(GOLDEN)
    // seq_parameter_set_extension_rbsp (NAL unit type 13) comes last.
    const extension = Uint8Array.of(0x6d, 0xb8)
    const extended = avcRecordFromAnnexB(concatBytes([sps[0]!, extension, pps[0]!].flatMap((set) => [startCode, set])))
    expect(Buffer.from(extended.subarray(-5))).toEqual(Buffer.from([1, 0, 2, 0x6d, 0xb8]))
    expect(() => avcRecordFromAnnexB(concatBytes([startCode, sps[0]!]))).toThrowError(FormatError)
  })
})

describe('SPS', () => {
  const sps = parseAvcRecord(GOLDEN).sps[0]!

  it('gives the size when only the VUI is cut off', () => {
    expect(parseAvcSps(sps.subarray(0, 14), 'sps')).toMatchObject({ width: 98, height: 54, frameRate: undefined })
  })

  it('refuses a picture that no level allows', () => {
    // Baseline, width code 2^20.
    const huge = Uint8Array.of(0x67, 66, 0, 30, 0b1_1_1_1_1_0_00, 0, 0, 0b0000_1000, 0, 0, 0, 0, 0xff)
    expect(() => parseAvcSps(huge, 'sps')).toThrowError(FormatError)
  })

  it('ignores a time base that is no frame rate', () => {
    // Variable rate: x264 writes the millisecond time base of the container into the VUI.
    const { tracks } = encode([
      ...picture('64x64', '25', 0.1),
      ...videoEncoders.avc,
      '-x264-params',
      'force-cfr=0:fps=25',
    ])
    expect(avcConfig(tracks[0]!.record).frameRate).toBe(25)
    const annexB = ffmpeg([
      ...picture('64x64', '25', 0.1),
      ...videoEncoders.avc,
      ...['-bsf:v', 'h264_metadata=tick_rate=2000', '-f', 'h264', 'pipe:1'],
    ])
    expect(avcConfig(avcRecordFromAnnexB(annexB)).frameRate).toBeUndefined()
  })
})
