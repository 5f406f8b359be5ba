import { beforeAll, describe, expect, it } from 'vitest'
import { FormatError } from '../../../src/lib/errors.ts'
import { samplesOf } from '../../../src/packaging/fragment-samples.ts'
import { smoothPackaging } from '../../../src/packaging/smooth-fragment.ts'
import { protectFragments, protectSmoothFragment } from '../../../src/protection/cenc/protect-fragments.ts'
import { boxesIn, decryptSample, encryptedSamples } from '../../support/cenc-reader.ts'
import { CENC, KEY, type StoredTrack, store } from '../../support/protected-media.ts'
import { encodeAudio, encodeVideo } from '../../support/recording.ts'
import { readSmoothFragment } from '../../support/smooth-fragment.ts'

const next = [{ time: 17_600_000_010_000_000, duration: 10_000_000 }]

function smooth(
  { track, segments }: StoredTrack,
  part: 'fragment' | 'info',
): { bytes: Uint8Array; dtsTicks: number[] } {
  const samples = samplesOf({ track, fragments: [segments[0]!] })
  const dtsTicks = samples.map((sample) => sample.dtsTicks)
  const startTicks = Math.min(...samples.map((sample) => sample.dtsTicks + sample.compositionTicks))
  const times = { sequence: 1, track: track.track, startTicks, durationTicks: track.timescale }
  const bytes = smoothPackaging(track.config.kind, next, part).package({
    header: { id: 'p', epoch: 'e', targetDurationMs: 1_000 },
    row: { sequence: 1, discontinuitySequence: 0, startTicks: 0, durationTicks: 90_000, wallMs: 0, gap: false },
    media: [
      { track, segment: { ...times, sizeBytes: 1, leadingBytes: 1, independent: true }, fragments: [segments[0]!] },
    ],
  })
  return { bytes, dtsTicks }
}

const PIFF = 'a2394f525a9b4f14a2446c427c648df4'

function timesOf(bytes: Uint8Array, choose: (boxes: readonly string[]) => readonly string[]) {
  const { samples, boxes, ...said } = readSmoothFragment(bytes)
  return {
    ...said,
    boxes: choose(boxes),
    samples: samples.map(({ data, ...times }) => ({ ...times, size: data.length })),
  }
}

describe('PIFF fragments of Smooth Streaming', () => {
  let tracks: StoredTrack[]
  beforeAll(() => {
    tracks = [store(encodeVideo(1)), store(encodeAudio(1))]
  })

  it('hold the very samples of CMAF, encrypted alike, and keep their times', () => {
    for (const stored of tracks) {
      const { track, segments } = stored
      const { bytes, dtsTicks } = smooth(stored, 'fragment')
      const before = Buffer.from(bytes)
      const out = Buffer.from(protectSmoothFragment({ fragment: bytes, dtsTicks, part: 'fragment' }, track, CENC))
      expect(before.equals(bytes)).toBe(true)
      const cmaf = protectFragments({ fragments: [segments[0]!] }, track, CENC)
      const theirs = encryptedSamples(Buffer.from(cmaf), 8)
      expect(encryptedSamples(out, 8)).toEqual(theirs)
      const how = { scheme: 'cenc', constantIv: Buffer.alloc(0), crypt: 0, skip: 0 }
      const clear = encryptedSamples(Buffer.from(segments[0]!), 0).map(({ data }) => data)
      expect(encryptedSamples(out, 8).map((sample) => decryptSample(sample, KEY, how))).toEqual(clear)
      // What a player knows of times and of fragments that follow is untouched.
      expect(timesOf(out, (boxes) => boxes.filter((box) => box !== PIFF))).toEqual(timesOf(bytes, (boxes) => boxes))
      expect(readSmoothFragment(out).boxes).toContain(PIFF)
    }
  })

  it('tell the same without their data', () => {
    const stored = tracks[0]!
    const { bytes, dtsTicks } = smooth(stored, 'fragment')
    const whole = Buffer.from(
      protectSmoothFragment({ fragment: bytes, dtsTicks, part: 'fragment' }, stored.track, CENC),
    )
    const info = Buffer.from(protectSmoothFragment({ fragment: bytes, dtsTicks, part: 'info' }, stored.track, CENC))
    const moof = boxesIn(whole)[0]!
    expect(info.equals(whole.subarray(0, moof.body.length + 8))).toBe(true)
  })

  it('need a decoding time for each sample', () => {
    const stored = tracks[1]!
    const { bytes, dtsTicks } = smooth(stored, 'fragment')
    const media = { fragment: bytes, dtsTicks: dtsTicks.slice(1), part: 'fragment' } as const
    expect(() => protectSmoothFragment(media, stored.track, CENC)).toThrow(FormatError)
  })
})
