import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, FormatError } from '../../../src/lib/errors.ts'
import { buildFragment } from '../../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../../src/media/cmaf/init-segment.ts'
import type { AudioConfig } from '../../../src/media/media.ts'
import { samplesOf } from '../../../src/packaging/fragment-samples.ts'
import { packedForm } from '../../../src/packaging/packed-audio.ts'
import type { StoredSegment } from '../../../src/packaging/segment-packaging.ts'
import { transportPackaging } from '../../../src/packaging/transport-packaging.ts'
import type { Track } from '../../../src/presentation/records.ts'

const config: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: Uint8Array.of(0x11, 0x90),
  sampleRate: 48_000,
  channels: 2,
  samplesPerFrame: 1024,
  codecString: 'mp4a.40.2',
}
const track: Track = {
  track: 1,
  rendition: 'audio-1',
  config,
  timescale: 48_000,
  init: buildInitSegment([{ trackId: 1, config }]),
  bandwidth: 1,
  averageBandwidth: 1,
  nominalBitrate: 1,
}

function fragment(frames: readonly Uint8Array[], baseDecodeTicks: number, opensSegment: boolean): Uint8Array {
  const samples = frames.map((data) => ({ data, durationTicks: 1024, compositionTicks: 0, independent: true }))
  return buildFragment({ trackId: 1, sequenceNumber: 1, baseDecodeTicks, kind: 'audio', samples, opensSegment }).bytes
}

function segmentOf(fragments: readonly Uint8Array[]): StoredSegment {
  const segment = {
    sequence: 0,
    track: 1,
    startTicks: 0,
    durationTicks: 1,
    sizeBytes: 1,
    leadingBytes: 1,
    independent: true,
  }
  return {
    header: { id: 'p', epoch: 'e', targetDurationMs: 1_000 },
    row: { sequence: 0, discontinuitySequence: 0, startTicks: 0, durationTicks: 1, wallMs: 0, gap: false },
    media: [{ track, segment, fragments }],
  }
}

const frames = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5), Uint8Array.of(6, 7, 8, 9)]
const first = fragment(frames.slice(0, 2), 48_000, true)
const second = fragment(frames.slice(2), 48_000 + 2_048, false)

describe('samples of stored fragments', () => {
  it('are the same in one piece and in several, and no copies', () => {
    const split = samplesOf({ track, fragments: [first, second] })
    expect(split.map(({ bytes, from, to }) => bytes.subarray(from, to))).toEqual(frames)
    expect(split.map(({ dtsTicks }) => dtsTicks)).toEqual([48_000, 49_024, 50_048])
    expect(split[0]?.bytes).toBe(first)
    const joined = Uint8Array.from([...first, ...second])
    expect(samplesOf({ track, fragments: [joined] }).map(({ from, to }) => joined.subarray(from, to))).toEqual(frames)
    const both = [[first, second], [joined]].map((fragments) => transportPackaging.package(segmentOf(fragments)))
    expect(both[0]).toEqual(both[1])
  })

  it('are read from shared memory as from any', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(first.byteLength))
    shared.set(first)
    for (const { package: make } of [transportPackaging, packedForm(config).packaging]) {
      expect(make(segmentOf([shared]))).toEqual(make(segmentOf([first])))
    }
  })

  it('cut short anywhere are a clear error, or fewer of them', () => {
    for (let size = 0; size < first.byteLength; size++) {
      expect(() => samplesOf({ track, fragments: [first.subarray(0, size)] })).toThrow(FormatError)
    }
  })

  it('with any byte changed are an error of ours or a segment', () => {
    const changes = fc.array(fc.tuple(fc.nat(first.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(changes, (list) => {
        const broken = first.slice()
        for (const [at, value] of list) broken[at] = value
        try {
          const bytes = transportPackaging.package(segmentOf([broken]))
          expect(bytes.byteLength % 188).toBe(0)
          expect(bytes.byteLength).toBeLessThan(60_000_000)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
          expect((thrown as AppError).code).not.toBe('INTERNAL')
        }
      }),
      { numRuns: 300 },
    )
  })
})
