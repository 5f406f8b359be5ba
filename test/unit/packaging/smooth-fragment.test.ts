import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { buildFragment, type FragmentSample } from '../../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../../src/media/cmaf/init-segment.ts'
import type { AudioConfig, CodecConfig, VideoConfig } from '../../../src/media/media.ts'
import { type SmoothPart, smoothPackaging } from '../../../src/packaging/smooth-fragment.ts'
import { readSmoothFragment } from '../../support/smooth-fragment.ts'

const START_SECONDS = 1_795_000_000
const audio: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: Uint8Array.of(0x11, 0x90),
  sampleRate: 44_100,
  channels: 2,
  samplesPerFrame: 1_024,
  codecString: 'mp4a.40.2',
}
const video: VideoConfig = {
  kind: 'video',
  codec: 'vp9',
  record: Uint8Array.of(1, 0, 0, 0, 0, 10, 0x82, 1, 1, 1, 0, 0),
  width: 64,
  height: 48,
  codecString: 'vp09.00.10.08',
}

/** Samples whose data tells them apart. `order` gives when each is presented, in frames. */
function samplesIn(order: readonly number[], durationTicks: number, delayFrames: number): FragmentSample[] {
  return order.map((shown, at) => ({
    durationTicks,
    compositionTicks: (shown - at + delayFrames) * durationTicks,
    independent: at === 0,
    data: Uint8Array.from({ length: 3 + (at % 5) }, (_, byte) => at * 16 + byte),
  }))
}

type Cut = { readonly config: CodecConfig; readonly timescale: number; readonly firstDts: number; readonly per: number }

/** The fragments of a segment, `per` samples each. */
function stored(samples: readonly FragmentSample[], { config, firstDts, per }: Cut): Uint8Array[] {
  const fragments: Uint8Array[] = []
  let baseDecodeTicks = firstDts
  for (let at = 0; at < samples.length; at += per) {
    const run = samples.slice(at, at + per)
    const plan = { trackId: 1, sequenceNumber: at, baseDecodeTicks, kind: config.kind, samples: run }
    fragments.push(buildFragment({ ...plan, opensSegment: at === 0 }).bytes)
    baseDecodeTicks += run.reduce((sum, { durationTicks }) => sum + durationTicks, 0)
  }
  return fragments
}

function packaged(
  fragments: readonly Uint8Array[],
  { config, timescale }: Cut,
  startTicks: number,
  durationTicks: number,
  next: readonly { time: number; duration: number }[] = [],
  part: SmoothPart = 'fragment',
): Uint8Array {
  const track = {
    ...{ track: 7, rendition: 'r', config, timescale, init: buildInitSegment([{ trackId: 1, config }]) },
    ...{ bandwidth: 1, averageBandwidth: 1, nominalBitrate: 1 },
  }
  const segment = { sequence: 3, track: 7, startTicks, durationTicks, sizeBytes: 1, leadingBytes: 1, independent: true }
  return smoothPackaging(config.kind, next, part).package({
    header: { id: 'p', epoch: 'e', targetDurationMs: 1_000 },
    row: { sequence: 3, discontinuitySequence: 0, startTicks: 0, durationTicks: 1, wallMs: 0, gap: false },
    media: [{ track, segment, fragments }],
  })
}

const sound: Cut = { config: audio, timescale: 44_100, firstDts: START_SECONDS * 44_100 + 17, per: 5 }
const soundSamples = samplesIn(
  Array.from({ length: 43 }, (_, at) => at),
  1_024,
  0,
)
const picture: Cut = { config: video, timescale: 90_000, firstDts: START_SECONDS * 90_000 + 5, per: 4 }
const next = [
  { time: 17_950_000_000_000_008, duration: 16 },
  { time: 17_950_000_000_000_024, duration: 8 },
]

describe('a Smooth Streaming fragment', () => {
  it('is these bytes', () => {
    const one = samplesIn([0], 44_100, 0)
    const bytes = packaged(stored(one, { ...sound, firstDts: 441_000 }), sound, 441_000, 44_100, [
      { time: 8, duration: 16 },
    ])
    expect(Buffer.from(bytes).toString('hex')).toBe(
      [
        '000000a96d6f6f66',
        '000000106d666864' + '00000000' + '00000003',
        '0000009174726166',
        // No base; defaults of duration, size and flags.
        '0000001c74666864' + '00000038' + '00000007' + '00989680' + '00000003' + '02000000',
        '000000147472756e' + '00000001' + '00000001' + '000000b1',
        '0000002c75756964' + '6d1d9b0542d544e680e2141daff757b2' + '01000000',
        '0000000005f5e100' + '0000000000989680',
        '0000002d75756964d4807ef2ca3946958e5426cb9e46a79f0100000001',
        '0000000000000008' + '0000000000000010',
        '0000000b6d646174' + '000102',
      ].join(''),
    )
  })

  it('is the same, however many fragments it is stored in and wherever they lie', () => {
    const length = 43 * 1_024
    const whole = packaged(stored(soundSamples, { ...sound, per: 43 }), sound, sound.firstDts, length, next)
    for (const per of [1, 5, 42]) {
      const shared = stored(soundSamples, { ...sound, per }).map((bytes) => {
        const copy = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
        copy.set(bytes)
        return copy
      })
      expect(Buffer.compare(packaged(shared, sound, sound.firstDts, length, next), whole)).toBe(0)
    }
    const fragment = readSmoothFragment(whole)
    expect(fragment).toMatchObject({ trackId: 7, sequenceNumber: 3 })
    expect(fragment.next.map(({ time, duration }) => [time, duration])).toEqual([
      [17_950_000_000_000_008n, 16n],
      [17_950_000_000_000_024n, 8n],
    ])
    expect(fragment.samples.map(({ data }) => [...data])).toEqual(soundSamples.map(({ data }) => [...data]))
    const info = packaged(stored(soundSamples, sound), sound, sound.firstDts, length, next, 'info')
    expect(Buffer.compare(info, whole.subarray(0, info.byteLength))).toBe(0)
    expect(info.byteLength).toBe(new DataView(whole.buffer, whole.byteOffset).getUint32(0))
  })

  it('has every frame of 44.1 kHz where it belongs, and ends where the next one starts', () => {
    const length = 43 * 1_024
    const ends: bigint[] = []
    for (let index = 0; index < 20; index++) {
      const firstDts = sound.firstDts + index * length
      const bytes = packaged(stored(soundSamples, { ...sound, firstDts }), sound, firstDts, length)
      const { time, duration, samples } = readSmoothFragment(bytes)
      if (index > 0) expect(time).toBe(ends.at(-1))
      ends.push(time + duration)
      expect(samples.reduce((sum, sample) => sum + BigInt(sample.duration), time)).toBe(time + duration)
      for (const [at, { pts }] of samples.entries()) {
        const exact = (BigInt(firstDts + at * 1_024) * 100_000_000n) / 44_100n
        // Half a microsecond, in ticks of 10 ns.
        expect(Math.abs(Number(pts * 10n - exact))).toBeLessThan(50)
      }
    }
  })

  it.each([
    ['B-frames', [0, 3, 1, 2, 6, 4, 5], 2],
    ['pictures shown before the first one', [2, 0, 1, 5, 3, 4], 2],
    ['no reordering, and a delay', [0, 1, 2, 3], 3],
  ])('shows pictures at their time with %s', (_, order, delayFrames) => {
    const samples = samplesIn(order, 3_003, delayFrames)
    const startTicks = picture.firstDts + delayFrames * 3_003
    const bytes = packaged(stored(samples, picture), picture, startTicks, order.length * 3_003)
    const { time, samples: read } = readSmoothFragment(bytes)
    const shown = read.map(({ pts }) => pts)
    expect(shown.reduce((a, b) => (a < b ? a : b))).toBe(time)
    for (const [at, pts] of shown.entries()) {
      const exact = (BigInt(startTicks + (order[at] ?? 0) * 3_003) * 100_000_000n) / 90_000n
      expect(Math.abs(Number(pts * 10n - exact))).toBeLessThan(50)
    }
    expect(read.map(({ sync }) => sync)).toEqual(order.map((_frame, at) => at === 0))
  })

  it('keeps a hole between its stored fragments', () => {
    const [first, second] = [samplesIn([0, 1], 1_024, 0), samplesIn([0, 1, 2], 1_024, 0)]
    const later = { ...sound, firstDts: sound.firstDts + 44_100 }
    const fragments = [...stored(first, sound), ...stored(second, later)]
    const { samples, time } = readSmoothFragment(packaged(fragments, sound, sound.firstDts, 44_100 + 3_072))
    expect(Math.abs(Number(samples[2]!.pts - time) - 10_000_000)).toBeLessThanOrEqual(1)
  })

  it('is refused where what is stored is broken, wherever it is', () => {
    const fragments = stored(soundSamples, { ...sound, per: 43 })
    const bytes = fragments[0]!
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(() => packaged([bytes.subarray(0, length)], sound, sound.firstDts, 44_032)).toThrow(AppError)
    }
    const flips = fc.array(fc.tuple(fc.nat({ max: 700 }), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(flips, (changes) => {
        const broken = bytes.slice()
        for (const [at, bits] of changes) broken[at] = (broken[at] ?? 0) ^ bits
        try {
          readSmoothFragment(packaged([broken], sound, sound.firstDts, 44_032))
        } catch (error) {
          if (!(error instanceof AppError)) throw error
        }
      }),
      { numRuns: 200 },
    )
  })
})
