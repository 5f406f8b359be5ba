import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { av1Config, readAv1Unit } from '../../../../src/media/codecs/av1.ts'
import { encode, picture, probe, videoEncoders } from '../../../support/flv-encoded.ts'
import { mp4boxCodec } from '../../../support/flv-opinion.ts'

/** 160x90, Main, level 2.0, 8 bits: ffmpeg -f lavfi -i testsrc2=s=160x90:r=25:d=0.4 -c:v libaom-av1 -usage realtime … */
const GOLDEN = Buffer.from('81000c000a0a00000003b4fd936be401', 'hex')
const DELIMITER = Uint8Array.of(0x12, 0)

describe('av1C', () => {
  it('golden bytes', () => {
    expect(av1Config(GOLDEN)).toEqual({
      kind: 'video',
      codec: 'av1',
      record: GOLDEN,
      width: 160,
      height: 90,
      codecString: 'av01.0.00M.08',
    })
  })

  it.each([
    ['libaom 8 bit', ['-pix_fmt', 'yuv420p'], '98x54', videoEncoders.av1],
    ['libaom 10 bit', ['-pix_fmt', 'yuv420p10le'], '160x90', videoEncoders.av1],
    ['libaom 4:4:4', ['-pix_fmt', 'yuv444p'], '98x54', videoEncoders.av1],
    ['SVT-AV1', [], '128x96', ['-c:v', 'libsvtav1', '-preset', '12']],
  ])('%s agrees with ffprobe and mp4box', (_name, options, size, encoder) => {
    const { file, tracks } = encode([...picture(size, '25', 0.2), ...options, ...encoder])
    const config = av1Config(tracks[0]!.record)!
    const opinion = probe(file)
    expect([config.width, config.height]).toEqual([opinion['width'], opinion['height']])
    // mp4box never writes the optional part.
    expect(config.codecString.split('.').slice(0, 4).join('.')).toBe(mp4boxCodec(file))
    const found = tracks[0]!.samples.map((sample) => readAv1Unit(sample.data, 'av1').independent)
    expect(found).toEqual(tracks[0]!.samples.map((sample) => sample.sync))
  })

  it('writes the optional part of the codec string for HDR and for 4:4:4', () => {
    const hdr = ['-color_primaries', 'bt2020', '-color_trc', 'smpte2084', '-colorspace', 'bt2020nc']
    const ten = encode([...picture('64x64', '25', 0.1), '-pix_fmt', 'yuv420p10le', ...hdr, ...videoEncoders.av1])
    expect(av1Config(ten.tracks[0]!.record)!.codecString).toMatch(/^av01\.0\.00M\.10\.0\.11[012]\.09\.16\.09\.0$/)
    const full = encode([...picture('64x64', '25', 0.1), '-pix_fmt', 'yuv444p', ...videoEncoders.av1])
    expect(av1Config(full.tracks[0]!.record)!.codecString).toMatch(/^av01\.1\.00M\.08\.0\.000\./)
  })

  it('without configOBUs waits for a sequence header in band', () => {
    const bare = GOLDEN.subarray(0, 4)
    expect(av1Config(bare)).toBeUndefined()
    const sequence = readAv1Unit(GOLDEN.subarray(4), 'av1').sequence
    expect(av1Config(bare, sequence)).toMatchObject({ width: 160, height: 90, codecString: 'av01.0.00M.08' })
  })

  it('fails at every prefix within a field', () => {
    for (let size = 0; size < GOLDEN.byteLength; size++) {
      if (size === 4) continue
      expect(() => av1Config(GOLDEN.subarray(0, size)), `${size} bytes`).toThrowError(FormatError)
    }
    expect(() => av1Config(Uint8Array.of(1, 0, 0, 0))).toThrowError(
      expect.objectContaining({ path: 'av1C', offset: 0 }),
    )
  })
})

describe('temporal units', () => {
  const frame = Uint8Array.of(0x32, 2, 0x10, 0xaa)
  const inter = Uint8Array.of(0x32, 2, 0x30, 0xaa)

  it('lose their temporal delimiter without a copy', () => {
    const message = concatBytes([DELIMITER, frame])
    const unit = readAv1Unit(message, 'av1')
    expect([...unit.data]).toEqual([...frame])
    expect(unit.data.buffer).toBe(message.buffer)
    expect(unit.independent).toBe(true)
  })

  it('lose delimiters between OBUs too', () => {
    const unit = readAv1Unit(concatBytes([DELIMITER, frame, DELIMITER, inter]), 'av1')
    expect([...unit.data]).toEqual([...frame, ...inter])
  })

  it('are independent by their first frame: key and shown', () => {
    expect(readAv1Unit(inter, 'av1').independent).toBe(false)
    expect(readAv1Unit(Uint8Array.of(0x32, 1, 0x00), 'av1').independent).toBe(false)
    expect(readAv1Unit(Uint8Array.of(0x1a, 1, 0x80), 'av1').independent).toBe(false)
    expect(readAv1Unit(concatBytes([inter, frame]), 'av1').independent).toBe(false)
  })

  it('may end with an OBU that has no size', () => {
    expect(readAv1Unit(Uint8Array.of(0x30, 0x10, 1, 2), 'av1')).toMatchObject({ independent: true })
  })

  it('fail where an OBU runs past the end, never ends its size, or sets the forbidden bit', () => {
    for (const bytes of [
      [0x32, 3, 0x10, 1],
      [0x32, 0x80, 0x80],
      [0x32, ...Array(9).fill(0x80), 0],
      [0xb2, 1, 1],
      [0x32, 0],
    ]) {
      expect(() => readAv1Unit(Uint8Array.from(bytes), 'av1')).toThrowError(FormatError)
    }
  })
})
