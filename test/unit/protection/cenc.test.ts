import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { FormatError } from '../../../src/lib/errors.ts'
import { buildFragment } from '../../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../../src/media/cmaf/init-segment.ts'
import type { AudioConfig, VideoConfig } from '../../../src/media/media.ts'
import { protectFragments } from '../../../src/protection/cenc/protect-fragments.ts'
import { protectInit } from '../../../src/protection/cenc/protect-init.ts'
import { sampleIv, sampleIvBase, type TrackProtection } from '../../../src/protection/cenc/track-protection.ts'
import { decryptSample, encryptedSamples, encryptionOf, type FoundSample } from '../../support/cenc-reader.ts'
import {
  CBCS,
  CENC,
  clearFile,
  decoded,
  IV,
  KEY,
  KID,
  protectedFile,
  type StoredTrack,
  store,
} from '../../support/protected-media.ts'
import { encode, encodeVideo } from '../../support/recording.ts'

const sound: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: Uint8Array.of(0x11, 0x90),
  sampleRate: 48_000,
  channels: 2,
  samplesPerFrame: 1_024,
  codecString: 'mp4a.40.2',
}
const soundTrack = (track: number) => ({
  track,
  config: sound,
  init: buildInitSegment([{ trackId: 1, config: sound }]),
})

/** A fragment of sound whose samples have these sizes. */
function soundFragment(sizes: readonly number[], baseDecodeTicks: number, durationTicks = 1_024): Uint8Array {
  const samples = sizes.map((size, at) => {
    const data = Buffer.alloc(size, `${at} of ${sizes.length} `)
    return { durationTicks, compositionTicks: 0, independent: true, data }
  })
  const plan = { trackId: 1, sequenceNumber: 1, baseDecodeTicks, kind: 'audio' as const, samples, opensSegment: true }
  return buildFragment(plan).bytes
}

function read(bytes: Uint8Array, protection: TrackProtection): FoundSample[] {
  return encryptedSamples(Buffer.from(bytes), protection.scheme === 'cenc' ? 8 : 0)
}

function decrypted(bytes: Uint8Array, protection: TrackProtection, kind: 'video' | 'audio'): Buffer[] {
  const { scheme } = protection
  const pattern = scheme === 'cbcs' && kind === 'video' ? { crypt: 1, skip: 9 } : { crypt: 0, skip: 0 }
  const how = { scheme, constantIv: Buffer.from(IV), ...pattern }
  return read(bytes, protection).map((sample) => decryptSample(sample, KEY, how))
}

function plain(bytes: Uint8Array): Buffer[] {
  return encryptedSamples(Buffer.from(bytes), 0).map(({ data }) => data)
}

const sizeLists = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 700 }) },
    { weight: 1, arbitrary: fc.integer({ min: 15_000, max: 18_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 140_000 }) },
  ),
  { minLength: 1, maxLength: 12 },
)

describe('samples of sound', () => {
  it.each([CENC, CBCS])('come back whatever their sizes are ($scheme)', (protection) => {
    fc.assert(
      fc.property(sizeLists, fc.integer({ min: 0, max: 2 ** 49 }), (sizes, start) => {
        const fragment = soundFragment(sizes, start)
        const before = Buffer.from(fragment)
        const out = protectFragments({ fragments: [fragment] }, soundTrack(3), protection)
        expect(before.equals(fragment)).toBe(true)
        const samples = decrypted(out, protection, 'audio')
        expect(samples.every((sample, at) => sample.equals(plain(fragment)[at]!))).toBe(true)
        expect(samples).toHaveLength(sizes.length)
      }),
      { numRuns: 25 },
    )
  })

  it('are the same in parts as in their segment, in any memory', () => {
    fc.assert(
      fc.property(
        fc.array(sizeLists, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(CENC, CBCS),
        (lists, protection) => {
          let start = 2 ** 47
          const fragments = lists.map((sizes) => {
            const made = soundFragment(sizes, start)
            start += sizes.length * 1_024
            return made
          })
          const whole = protectFragments({ fragments }, soundTrack(1), protection, (size) => Buffer.alloc(size, 0xee))
          const parts = fragments.map((fragment) =>
            protectFragments({ fragments: [fragment] }, soundTrack(1), protection),
          )
          const joined = protectFragments({ fragments: [Buffer.concat(fragments)] }, soundTrack(1), protection)
          expect(Buffer.concat(parts).equals(whole)).toBe(true)
          expect(Buffer.compare(joined, whole)).toBe(0)
        },
      ),
      { numRuns: 10 },
    )
  })

  it('never share a counter block under a key, over tracks, fragments and samples', () => {
    const seen = new Set<string>()
    let blocks = 0
    for (const track of [1, 2, 0xffff]) {
      for (const start of [0, 5 * 1_024, 2 ** 32 - 1_024, 2 ** 48 - 1_024 * 6]) {
        const sizes = [1, 16, 17, 40_000, 300]
        const out = protectFragments({ fragments: [soundFragment(sizes, start)] }, soundTrack(track), CENC)
        for (const { iv, data } of read(out, CENC)) {
          for (let block = 0; block < Math.ceil(data.length / 16); block++) {
            seen.add(`${iv.toString('hex')}-${block}`)
            blocks++
          }
          expect((iv.readUInt32BE(0) ^ CENC.ivBase[0]) >>> 16).toBe(track)
        }
      }
    }
    expect(seen.size).toBe(blocks)
  })

  it('of other media at the same times, under the same key, have other IVs and another key stream', () => {
    const film = { id: 'as_1.aaaa', epoch: 'e1' }
    const others = [
      { ...film, id: 'as_1.bbbb' },
      { ...film, id: 'as_2.aaaa' },
      { ...film, epoch: 'e2' },
      { id: 'as_1', epoch: '.aaaae1' },
    ]
    const streamOf = (presentation: { id: string; epoch: string }, track: number) => {
      const fragment = soundFragment([64, 64, 64, 64], 0)
      const out = protectFragments({ fragments: [fragment] }, soundTrack(track), {
        ...CENC,
        ivBase: sampleIvBase(presentation),
      })
      return read(out, CENC).map(({ iv, data }, at) => ({
        iv: iv.toString('hex'),
        stream: Buffer.from(data.map((byte, i) => byte ^ (plain(fragment)[at]?.[i] ?? 0))).toString('hex'),
      }))
    }
    expect(streamOf({ ...film }, 1)).toEqual(streamOf(film, 1))
    // Track 1 of one may be track 2 of another: none of one's is any of the other's.
    const all = [film, ...others].flatMap((one) => [...streamOf(one, 1), ...streamOf(one, 2)])
    expect(new Set(all.map(({ iv }) => iv)).size).toBe(all.length)
    expect(new Set(all.map(({ stream }) => stream)).size).toBe(all.length)
  })

  it('have IVs that are one to one with track and time, whatever they are counted from', () => {
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const sample = fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 2 ** 48 - 1 }))
    fc.assert(
      fc.property(word, word, sample, sample, (high, low, one, other) => {
        const [a, b] = [sampleIv([high, low], ...one), sampleIv([high, low], ...other)]
        expect(a.every((value) => value >= 0 && value < 2 ** 32)).toBe(true)
        expect(a[0] === b[0] && a[1] === b[1]).toBe(one[0] === other[0] && one[1] === other[1])
      }),
      { numRuns: 200 },
    )
    expect(sampleIvBase({ id: 'p1', epoch: 'e1' })).toEqual(sampleIvBase({ id: 'p1', epoch: 'e1' }))
  })

  it('are refused where two would share an IV', () => {
    const still = soundFragment([10, 10], 100, 0)
    const protect = (track: number, fragments: Uint8Array[], protection: TrackProtection) => () =>
      protectFragments({ fragments }, soundTrack(track), protection)
    expect(protect(1, [still], CENC)).toThrow(FormatError)
    expect(protect(1, [soundFragment([1], 50), soundFragment([1], 50)], CENC)).toThrow(FormatError)
    expect(protect(1, [still], CBCS)).not.toThrow()
    expect(protect(0x1_0000, [soundFragment([1], 0)], CENC)).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    )
    expect(protect(1, [still], { ...CENC, key: KEY.subarray(1) })).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    )
  })

  it('broken fragments are a FormatError at every length, and nothing else', () => {
    const whole = soundFragment([40, 30], 7)
    for (let length = 0; length < whole.byteLength; length++) {
      const cut = whole.subarray(0, length)
      try {
        protectFragments({ fragments: [cut] }, soundTrack(1), CENC)
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(FormatError)
      }
    }
    fc.assert(
      fc.property(fc.nat(whole.byteLength - 1), fc.nat(255), (at, value) => {
        const broken = Uint8Array.from(whole)
        broken[at] = value
        try {
          protectFragments({ fragments: [broken] }, soundTrack(1), CBCS)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FormatError)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('pictures', () => {
  let avc: StoredTrack
  let vp9: StoredTrack
  let av1: StoredTrack
  beforeAll(() => {
    avc = store(encodeVideo(1, '320x180', '-x264-params', 'slices=2'))
    const source = ['-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=25:d=1.2']
    vp9 = store(encode(...source, '-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8'))
    av1 = store(encode(...source, '-c:v', 'libaom-av1', '-cpu-used', '8', '-usage', 'realtime'))
  })

  it.each([CENC, CBCS])('come back, with little of them in the clear ($scheme)', (protection) => {
    for (const { track, segments } of [avc, vp9, av1]) {
      let clear = 0
      let secret = 0
      for (const segment of segments) {
        const out = protectFragments({ fragments: [segment] }, track, protection)
        const wanted = plain(segment)
        const got = decrypted(out, protection, 'video')
        expect(got.every((sample, at) => sample.equals(wanted[at]!))).toBe(true)
        for (const sample of read(out, protection)) {
          const found = sample.subsamples
          clear += found.reduce((sum, pair) => sum + pair.clear, 0)
          secret += found.reduce((sum, pair) => sum + pair.secret, 0)
          if (protection.scheme === 'cenc') expect(found.every((pair) => pair.secret % 16 === 0)).toBe(true)
        }
      }
      expect(clear / (clear + secret), track.config.codecString).toBeLessThan(0.15)
    }
  })

  it.each([CENC, CBCS])('of a part are what they are in its segment ($scheme)', (protection) => {
    for (const { track, segments } of [avc, vp9, av1]) {
      const fragments = fragmentsOf(segments[0]!)
      expect(fragments.length).toBeGreaterThan(1)
      const parts = fragments.map((fragment, at) =>
        protectFragments({ fragments: [fragment], preceding: fragments.slice(0, at) }, track, protection),
      )
      const whole = protectFragments({ fragments }, track, protection)
      expect(Buffer.concat(parts).equals(whole), track.config.codecString).toBe(true)
    }
  })

  it('that nobody can find the end of the header of are not left in the clear', () => {
    const alone = fragmentsOf(av1.segments[0]!)[1]!
    expect(() => protectFragments({ fragments: [alone] }, av1.track, CENC)).toThrow(FormatError)
    // Slices of another picture parameter set than the track's: the fixed rule.
    const record = Uint8Array.from((avc.track.config as VideoConfig).record)
    const parameterless = { ...avc.track.config, record: withoutPps(record) } as VideoConfig
    const out = protectFragments({ fragments: [avc.segments[0]!] }, { ...avc.track, config: parameterless }, CENC)
    const secret = read(out, CENC).flatMap(({ subsamples }) => subsamples.map((pair) => pair.secret))
    expect(secret.some((size) => size > 0)).toBe(true)
    expect(decrypted(out, CENC, 'video').every((sample, at) => sample.equals(plain(avc.segments[0]!)[at]!))).toBe(true)
  })

  it('are the very ones that ffmpeg decodes, and with another key none of them', async () => {
    const frames = await decoded(clearFile(avc))
    expect(frames).toHaveLength(25)
    for (const protection of [CENC, CBCS]) {
      expect(await decoded(protectedFile(avc, protection), KEY)).toEqual(frames)
      expect(await decoded(protectedFile(avc, protection), KID)).not.toEqual(frames)
    }
  }, 60_000)

  it('init segments say how, and keep what was there', () => {
    const { track } = avc
    const before = Buffer.from(track.init)
    const pssh = Uint8Array.of(0, 0, 0, 8, 112, 115, 115, 104)
    for (const protection of [CENC, CBCS]) {
      const init = Buffer.from(protectInit(track.init, 'video', protection, [pssh]))
      const isCbcs = protection.scheme === 'cbcs'
      expect(encryptionOf(init)).toEqual({
        format: 'avc1',
        scheme: protection.scheme,
        kid: Buffer.from(KID),
        ivSize: isCbcs ? 0 : 8,
        constantIv: isCbcs ? Buffer.from(IV) : Buffer.alloc(0),
        crypt: isCbcs ? 1 : 0,
        skip: isCbcs ? 9 : 0,
      })
      expect(init.subarray(-8).equals(pssh)).toBe(true)
      expect(() => protectInit(init.subarray(0, 60), 'video', protection)).toThrow(FormatError)
    }
    expect(before.equals(track.init)).toBe(true)
    expect(encryptionOf(before)).toBeUndefined()
  })
})

/** A segment's `moof`s, each with what follows it. */
function fragmentsOf(segment: Uint8Array): Uint8Array[] {
  const bytes = Buffer.from(segment)
  const starts: number[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    if (bytes.toString('latin1', at + 4, at + 8) === 'moof') starts.push(at)
  }
  return starts.map((start, index) => bytes.subarray(index === 0 ? 0 : start, starts[index + 1] ?? bytes.length))
}

/** An `avcC` payload that ends behind its sequence parameter sets, with none of pictures. */
function withoutPps(record: Uint8Array): Uint8Array {
  const spsBytes = ((record[6] ?? 0) << 8) | (record[7] ?? 0)
  return Uint8Array.from([...record.subarray(0, 8 + spsBytes), 0])
}
