import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../src/lib/errors.ts'
import { buildFragment, type FragmentSample } from '../../../src/media/cmaf/fragment.ts'
import { withProducerReferences } from '../../../src/packaging/producer-references.ts'

const START_TICKS = 1_700_000_000 * 90_000

function samples(compositions: readonly number[]): FragmentSample[] {
  return compositions.map((compositionTicks, index) => {
    return { data: new Uint8Array(20), durationTicks: 3_600 + index, compositionTicks, independent: index === 0 }
  })
}

function fragment(baseDecodeTicks: number, compositions: readonly number[], ntpWallMs?: number): Buffer {
  const plan = {
    trackId: 1,
    sequenceNumber: 7,
    baseDecodeTicks,
    kind: 'video' as const,
    samples: samples(compositions),
  }
  const producerReference = ntpWallMs === undefined ? {} : { producerReference: { ntpWallMs } }
  return Buffer.from(buildFragment({ ...plan, opensSegment: true, ...producerReference }).bytes)
}

describe('producer references', () => {
  it.each([
    ['no composition offsets', [0, 0, 0]],
    ['B-frames', [7_200, 14_400, 3_600]],
    ['offsets below zero', [0, 3_600, -3_600]],
  ])('stand before the moof as the segmenter would have written them: %s', (_name, compositions) => {
    const instant = { startTicks: START_TICKS, wallMs: 1_700_000_000_250 }
    const decodeTicks = START_TICKS + 45_000
    const written = withProducerReferences(fragment(decodeTicks, compositions), instant, 90_000)
    const wallMs = 1_700_000_000_750 + (compositions[0] ?? 0) / 90
    expect(Buffer.concat(written).equals(fragment(decodeTicks, compositions, wallMs))).toBe(true)
  })

  it('are written for each fragment of what is stored joined', () => {
    const joined = Buffer.concat([fragment(START_TICKS, [0]), fragment(START_TICKS + 3_600, [0])])
    const written = Buffer.concat(withProducerReferences(joined, { startTicks: START_TICKS, wallMs: 0 }, 90_000))
    expect(written.length).toBe(joined.length + 64)
    expect(written.toString('latin1').match(/prft/g)).toHaveLength(2)
  })

  it('copy nothing of the media', () => {
    const stored = fragment(START_TICKS, [0])
    const pieces = withProducerReferences(stored, { startTicks: START_TICKS, wallMs: 0 }, 90_000)
    expect(pieces.map(({ buffer }) => buffer === stored.buffer)).toEqual([true, false, true])
  })

  it('leave bytes without a moof as they are, and refuse a broken one', () => {
    const events = Buffer.from([0, 0, 0, 8, ...Buffer.from('emsg')])
    expect(withProducerReferences(events, { startTicks: 0, wallMs: 0 }, 90_000)).toEqual([events])
    const stored = fragment(START_TICKS, [0])
    const broken = Buffer.from(stored.toString('latin1').replace('tfdt', 'free'), 'latin1')
    expect(() => withProducerReferences(broken, { startTicks: 0, wallMs: 0 }, 90_000)).toThrow(FormatError)
  })
})
