import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, FormatError } from '../../../../src/lib/errors.ts'
import { aacConfig } from '../../../../src/media/codecs/aac.ts'
import { ac3Config, ac3Samples } from '../../../../src/media/codecs/ac3.ts'
import { av1Config, readAv1Unit } from '../../../../src/media/codecs/av1.ts'
import { parseAv1Sequence } from '../../../../src/media/codecs/av1-sequence.ts'
import { avcConfig, avcRecordFromAnnexB } from '../../../../src/media/codecs/avc.ts'
import { parseAvcSps } from '../../../../src/media/codecs/avc-sps.ts'
import { eac3Config, eac3Samples } from '../../../../src/media/codecs/eac3.ts'
import { flacConfig, flacSamples } from '../../../../src/media/codecs/flac.ts'
import { hevcConfig } from '../../../../src/media/codecs/hevc.ts'
import { parseHevcSps } from '../../../../src/media/codecs/hevc-sps.ts'
import { mp3Config, mp3Samples } from '../../../../src/media/codecs/mp3.ts'
import { holdsIdr, holdsIrap, splitAnnexB, splitLengthPrefixed } from '../../../../src/media/codecs/nal-units.ts'
import { opusConfig, opusSamples } from '../../../../src/media/codecs/opus.ts'
import { readVp9Header, vp9Config, vp9RecordPayload } from '../../../../src/media/codecs/vp9.ts'

const hex = (digits: string) => Buffer.from(digits, 'hex')

/** Each parser with bytes that it takes, to be cut, changed and grown. */
const parsers: readonly (readonly [string, (bytes: Uint8Array) => unknown, Uint8Array])[] = [
  [
    'avcC',
    avcConfig,
    hex('0164000affe100186764000aacd94727889b011000003e90000ea600f122596001000668ebe3cb22c0fdf8f800'),
  ],
  ['avcC in Annex B', avcRecordFromAnnexB, hex('000000016764000aacd94727889b011000003e900000000168ebe3cb22c0')],
  ['AVC SPS', (bytes) => parseAvcSps(bytes, 'sps'), hex('6764000aacd94727889b011000003e90000ea600f12259600')],
  [
    'hvcC',
    hevcConfig,
    hex(
      '0101600000009000000000001ef000fcfdf8f800000f04a00001001840010c01ffff01600000030090000003000003001e95980' +
        '9a1000100294201010160000003009000000300000300' +
        '1ea0c4407c9665966a4932bc05a80808082000000300200000030321a2000100074401c172b46240',
    ),
  ],
  [
    'HEVC SPS',
    (bytes) => parseHevcSps(bytes, 'sps'),
    hex('42010101600000030090000003000003001ea0c4407c9665966a4932bc05a808080820000003002000000303'),
  ],
  ['av1C', av1Config, hex('81000c000a0a00000003b4fd936be401')],
  ['AV1 sequence', (bytes) => parseAv1Sequence(bytes, 'av1'), hex('00000003b4fd936be401')],
  ['AV1 unit', (bytes) => readAv1Unit(bytes, 'av1'), hex('12000a0a00000003b4fd936be401320410aabbcc')],
  ['vpcC', (bytes) => vp9Config(vp9RecordPayload(bytes), 64, 64), hex('01000000000a820202020000')],
  ['VP9 header', (bytes) => readVp9Header(bytes, 'vp9'), hex('824983420009f00590')],
  ['AAC', aacConfig, hex('118004c848002008c8200d4c61766335392e33372e31303056e500')],
  ['MP3', mp3Config, hex('fffb9064')],
  ['MP3 frames', mp3Samples, hex('fffb9064')],
  ['OpusHead', opusConfig, hex('4f707573486561640106380180bb00000000010402000401020305')],
  ['Opus packet', opusSamples, hex('ff06')],
  ['FLAC header', flacConfig, hex(`664c614380000022${'12001200000000006e5a0bb80370'.padEnd(68, '0')}`)],
  ['FLAC frame', flacSamples, hex('fff87018c2801233')],
  ['AC-3', ac3Config, hex('0b7700001e40e100')],
  ['AC-3 frames', ac3Samples, hex('0b7700001e40e100')],
  ['E-AC-3', eac3Config, hex(`0b77001f3f86ffff${'00'.repeat(56)}`)],
  ['E-AC-3 frames', eac3Samples, hex(`0b77001f3f86ffff${'00'.repeat(56)}`)],
  ['NAL units', (bytes) => splitLengthPrefixed(bytes, 4, 'nal'), hex('0000000209f0000000036588840000')],
  ['IDR', (bytes) => holdsIdr(bytes, 4), hex('0000000209f00000000365888400')],
  ['IRAP', (bytes) => holdsIrap(bytes, 2), hex('000209f0000365888400')],
  ['Annex B', splitAnnexB, hex('0000000109f00000016588840000')],
]

/** Runs a parser on bytes that may be anything: a result or one of the errors it promises, and nothing else. */
function survives(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  const before = Uint8Array.from(bytes)
  try {
    parse(bytes)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(AppError)
    // A bare VP9 record is counted with the four bytes that are put before it.
    if (thrown instanceof FormatError) expect(thrown.offset).toBeLessThanOrEqual(bytes.byteLength + 4)
    else expect((thrown as AppError).code).toBe('MEDIA_UNSUPPORTED')
  }
  expect(Buffer.compare(before, bytes)).toBe(0)
}

describe.each(parsers)('%s', (_name, parse, valid) => {
  it('survives random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => survives(parse, bytes)),
      { numRuns: 300 },
    )
  })

  it('survives truncation at every byte', () => {
    for (let size = 0; size <= valid.byteLength; size++) survives(parse, Uint8Array.from(valid.subarray(0, size)))
  })

  it('survives changed bits', () => {
    const change = fc.tuple(fc.nat(valid.byteLength - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Uint8Array.from(valid)
        for (const [at, value] of changes) bytes[at] = value
        survives(parse, bytes)
      }),
      { numRuns: 500 },
    )
  })
})
