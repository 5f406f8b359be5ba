import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { AppError, FormatError } from '../../../../src/lib/errors.ts'
import { buildFragment, type FragmentPlan, type FragmentSample } from '../../../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../../../src/media/cmaf/init-segment.ts'
import { readBoxes } from '../../../../src/media/isobmff/boxes.ts'
import { FragmentedMp4Reader } from '../../../../src/media/isobmff/fragmented-reader.ts'
import { avc } from './codec-configs.ts'

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}

function sample(size: number, fields: Partial<FragmentSample> = {}): FragmentSample {
  return {
    durationTicks: 3600,
    compositionTicks: 0,
    independent: false,
    data: new Uint8Array(size).fill(size),
    ...fields,
  }
}

const plan: FragmentPlan = {
  trackId: 1,
  sequenceNumber: 7,
  // 1.76e9 s at 90 kHz: 0x9010_5fbb_8000.
  baseDecodeTicks: 158_400_000_000_000,
  kind: 'video',
  samples: [sample(2, { independent: true })],
  opensSegment: false,
}

describe('golden bytes', () => {
  it('of one sample: everything it has stands in tfhd', () => {
    const { bytes, leadingBytes } = buildFragment(plan)
    expect(bytes).toEqual(
      hex(`
        00000064 6d6f6f66
          00000010 6d666864 00000000 00000007
          0000004c 74726166
            0000001c 74666864 00020038 00000001 00000e10 00000002 02000000
            00000014 74666474 01000000 00009010 5fbb8000
            00000014 7472756e 00000001 00000001 0000006c
        0000000a 6d646174 0202`),
    )
    expect(leadingBytes).toBe(bytes.byteLength)
  })

  it('of a segment that opens with a key frame, B-frames behind it', () => {
    const samples = [
      sample(3, { independent: true, compositionTicks: 3600 }),
      sample(1, { compositionTicks: 7200 }),
      sample(2),
    ]
    const { bytes, leadingBytes } = buildFragment({ ...plan, samples, opensSegment: true })
    expect(bytes).toEqual(
      hex(`
        00000018 73747970 6d736468 00000000 6d736468 636d6673
        0000007c 6d6f6f66
          00000010 6d666864 00000000 00000007
          00000064 74726166
            00000018 74666864 00020028 00000001 00000e10 01010000
            00000014 74666474 01000000 00009010 5fbb8000
            00000030 7472756e 00000a05 00000003 00000084 02000000
              00000003 00000e10  00000001 00001c20  00000002 00000000
        0000000e 6d646174 030303 01 0202`),
    )
    expect(leadingBytes).toBe(0x18 + 0x84 + 3)
  })

  it('of negative offsets, durations that differ, key frames in between and a producer reference', () => {
    const samples = [sample(1), sample(1, { independent: true, durationTicks: 1 }), sample(1, { compositionTicks: -2 })]
    const producerReference = { ntpWallMs: 1_760_000_000_500 }
    const { bytes, leadingBytes } = buildFragment({ ...plan, samples, opensSegment: true, producerReference })
    expect(bytes).toEqual(
      hex(`
        0000001c 73747970 6d736468 00000000 6d736468 636d6673 636d6632
        00000020 70726674 01000018 00000001 ec91f680 80000000 00009010 5fbb8000
        00000084 6d6f6f66
          00000010 6d666864 00000000 00000007
          0000006c 74726166
            00000018 74666864 00020030 00000001 00000001 02000000
            00000014 74666474 01000000 00009010 5fbb8000
            00000038 7472756e 01000d01 00000003 0000008c
              00000e10 01010000 00000000  00000001 02000000 00000000  00000e10 01010000 fffffffe
        0000000b 6d646174 01 01 01`),
    )
    expect(leadingBytes).toBe(bytes.byteLength - 2)
  })
})

describe('memory', () => {
  it('is asked for once, of the exact size, may be shared, and every byte of it is written', () => {
    const samples = [sample(5, { independent: true }), sample(9, { compositionTicks: -1 }), sample(0)]
    for (const opensSegment of [true, false]) {
      const sizes: number[] = []
      const full: FragmentPlan = { ...plan, samples, opensSegment, producerReference: { ntpWallMs: 1 } }
      const { bytes } = buildFragment(full, (size) => {
        sizes.push(size)
        return new Uint8Array(new SharedArrayBuffer(size + 16), 8, size).fill(0xff)
      })
      expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
      expect(sizes).toEqual([bytes.byteLength])
      expect(Buffer.compare(bytes, buildFragment(full, (size) => new Uint8Array(size)).bytes)).toBe(0)
      expect(readBoxes(bytes, '').at(-1)?.type).toBe('mdat')
    }
  })
})

describe('refusals', () => {
  it('of memory that is not of the size asked for', () => {
    expect(() => buildFragment(plan, (size) => new Uint8Array(size - 1))).toThrow(AppError)
  })

  it.each([
    ['no samples', { samples: [] }, AppError],
    ['a negative decode time', { baseDecodeTicks: -1 }, FormatError],
    ['a decode time past 2^53', { baseDecodeTicks: 2 ** 53 }, FormatError],
    ['a fraction of a tick', { samples: [sample(1, { durationTicks: 0.5 })] }, FormatError],
    ['a duration past 32 bits', { samples: [sample(1, { durationTicks: 2 ** 32 })] }, FormatError],
    ['a negative duration', { samples: [sample(1, { durationTicks: -1 })] }, FormatError],
    ['a composition offset past 31 bits', { samples: [sample(1, { compositionTicks: 2 ** 31 })] }, FormatError],
  ])('%s', (_, fields, kind) => {
    expect(() => buildFragment({ ...plan, ...fields })).toThrow(kind)
  })
})

describe('round trip', () => {
  const init = buildInitSegment([{ trackId: 1, config: avc }])
  const anySample = fc.record({
    durationTicks: fc.oneof(fc.constant(3000), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    compositionTicks: fc.oneof(fc.constant(0), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    independent: fc.boolean(),
    data: fc.oneof(fc.constant(Uint8Array.of(1, 2)), fc.uint8Array({ maxLength: 12 })),
  })

  it('gives back any samples, in pieces of any size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(anySample, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 2 ** 52 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 400 }),
        (fragments, baseDecodeTicks, opensSegment, pieceBytes) => {
          const parts = [init]
          const expected: unknown[] = []
          for (const [i, samples] of fragments.entries()) {
            let dtsTicks = baseDecodeTicks + i * 2 ** 40
            const built = buildFragment({ ...plan, samples, baseDecodeTicks: dtsTicks, opensSegment })
            parts.push(built.bytes)
            const first = samples[0]!.data
            const leading = built.bytes.subarray(built.leadingBytes - first.byteLength, built.leadingBytes)
            expect(Buffer.compare(leading, first)).toBe(0)
            for (const { durationTicks, compositionTicks, independent, data } of samples) {
              const read = { dtsTicks, compositionTicks, independent, data }
              expected.push({ type: 'sample', trackId: 1, durationTicks, sample: read })
              dtsTicks += durationTicks
            }
          }
          const stream = concatBytes(parts)
          const reader = new FragmentedMp4Reader()
          const events: unknown[] = []
          for (let at = 0; at < stream.byteLength; at += pieceBytes) {
            const piece = stream.slice(at, at + pieceBytes)
            events.push(...reader.push(piece))
            piece.fill(0xee)
          }
          expect(events.slice(1)).toEqual(expected)
        },
      ),
      { numRuns: 200 },
    )
  })
})
