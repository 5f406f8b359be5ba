import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, FormatError } from '../../../src/lib/errors.ts'
import type { AudioConfig, VideoConfig } from '../../../src/media/media.ts'
import { buildTransportSegment } from '../../../src/media/mpegts/transport-segment.ts'
import type { StoredSample } from '../../../src/packaging/fragment-samples.ts'
import { audioPackets, videoPackets } from '../../../src/packaging/transport-streams.ts'
import { checkSegments, type FoundPes } from '../../support/ts-checker.ts'

const SPS = [0x67, 0x64, 0, 0x1f, 0xac]
const PPS = [0x68, 0xeb, 0xe3]
const AUD = [0, 0, 0, 1, 9, 0xf0]
const PARAMETERS = [0, 0, 0, 1, ...SPS, 0, 0, 0, 1, ...PPS]

function avc(lengthSize: number): VideoConfig {
  const head = [1, 0x64, 0, 0x1f, 0xfc | (lengthSize - 1)]
  const record = Uint8Array.of(...head, 0xe1, 0, SPS.length, ...SPS, 1, 0, PPS.length, ...PPS)
  return { kind: 'video', codec: 'avc', record, width: 320, height: 180, codecString: 'avc1.64001f' }
}

function hevc(): VideoConfig {
  const array = (type: number, unit: readonly number[]) => [type, 0, 1, 0, unit.length, ...unit]
  const units = [...array(34, [0x44, 1, 9]), ...array(32, [0x40, 1, 7]), ...array(33, [0x42, 1, 8])]
  const record = Uint8Array.of(1, 1, ...new Array<number>(19).fill(0), 3, 3, ...units)
  return { kind: 'video', codec: 'hevc', record, width: 320, height: 180, codecString: 'hvc1.1.6.L30.90' }
}

function audio(codec: AudioConfig['codec'], sampleRate = 48_000): AudioConfig {
  const record = codec === 'aac' ? Uint8Array.of(0x11, 0x90) : new Uint8Array(0)
  return { kind: 'audio', codec, record, sampleRate, channels: 2, samplesPerFrame: 1024, codecString: codec }
}

/** Bytes that start codes, marker bits and stuffing could be mistaken for. */
function filled(size: number, seed: number): number[] {
  return Array.from({ length: size }, (_, at) => [0, 0, 1, 0xff, 0x47, seed & 255][(at + seed) % 6]!)
}

function sample(
  data: readonly number[],
  dtsTicks: number,
  durationTicks: number,
  compositionTicks = 0,
  independent = false,
) {
  const bytes = Uint8Array.from([9, 9, 9, ...data])
  return { bytes, from: 3, to: bytes.length, dtsTicks, durationTicks, compositionTicks, independent }
}

function prefixed(units: readonly (readonly number[])[], lengthSize: number): number[] {
  return units.flatMap((unit) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(unit.length)
    return [...length.subarray(4 - lengthSize), ...unit]
  })
}

function annexB(units: readonly (readonly number[])[]): number[] {
  return units.flatMap((unit) => [0, 0, 0, 1, ...unit])
}

function bytesOf(pes: readonly FoundPes[]): Buffer {
  return Buffer.concat(pes.map(({ payload }) => payload))
}

const time = { timescale: 90_000, baseTicks: 0 }

type MadeSegment = { readonly bytes: Uint8Array; readonly video: Buffer; readonly audio: Buffer }

type Shape = {
  readonly lengthSize: number
  readonly pictures: readonly { units: readonly number[]; duration: number; composition: number }[]
  readonly frames: readonly number[]
  readonly startTicks: number
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  lengthSize: fc.constantFrom(2, 4),
  pictures: fc.array(
    fc.record({
      units: fc.array(
        fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 900 }) }, fc.integer({ min: 1, max: 60_000 })),
        {
          minLength: 1,
          maxLength: 3,
        },
      ),
      duration: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 1, max: 9_000 }) },
        fc.integer({ min: 1, max: 180_000 }),
      ),
      composition: fc.integer({ min: -20_000, max: 20_000 }),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  frames: fc.array(fc.integer({ min: 2, max: 3_000 }), { minLength: 1, maxLength: 30 }),
  startTicks: fc.oneof(fc.nat(10_000), fc.constant(2 ** 33 - 1_000_000), fc.integer({ min: 1.5e14, max: 1.6e14 })),
})

function made({ lengthSize, pictures, frames, startTicks }: Shape, kinds: readonly ('video' | 'audio')[]): MadeSegment {
  let ticks = startTicks
  const expected: Buffer[] = []
  const samples = pictures.map(({ units, duration, composition }, index): StoredSample => {
    const nals = units.map((size, at) => [index === 0 ? 0x65 : 0x41, ...filled(size, at)])
    expected.push(Buffer.from([...AUD, ...(index === 0 ? PARAMETERS : [])]), Buffer.from(annexB(nals)))
    const stored = sample(prefixed(nals, lengthSize), ticks, duration, composition, index === 0)
    ticks += duration
    return stored
  })
  const audioStart = Math.floor((startTicks / 90_000) * 44_100)
  const sound = frames.map((size, index) => sample(filled(size, index), audioStart + index * 1152, 1152))
  const streams = {
    video: () => videoPackets(avc(lengthSize), time, samples),
    audio: () => audioPackets(audio('mp3', 44_100), { timescale: 44_100, baseTicks: 0 }, sound),
  }
  return {
    bytes: buildTransportSegment(kinds.map((kind) => streams[kind]())),
    video: Buffer.concat(expected),
    audio: Buffer.from(frames.flatMap((size, index) => filled(size, index))),
  }
}

describe('transport segments', () => {
  it('are without fault whatever their samples are, and join in any order', () => {
    const kinds = fc.constantFrom(['video', 'audio'] as const, ['video'] as const, ['audio'] as const)
    fc.assert(
      fc.property(fc.array(shapes, { minLength: 1, maxLength: 3 }), kinds, (list, kind) => {
        const segments = list.map((shape) => made(shape, kind))
        const { streams, violations } = checkSegments(
          segments.map(({ bytes }) => bytes),
          { contiguous: false },
        )
        expect(violations).toEqual([])
        for (const { pid, pes } of streams) {
          const wanted = segments.map((segment) => (pid === 0x100 ? segment.video : segment.audio))
          expect(bytesOf(pes).equals(Buffer.concat(wanted))).toBe(true)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('keep presentation times, and decoding times where those may stay', () => {
    const pictures = [0, 12_000, 6_000, 3_000, 3_000].map((composition, index) => {
      return sample(
        prefixed([[index === 0 ? 0x65 : 0x41, 1, 2]], 4),
        2 ** 33 + index * 3_000,
        3_000,
        composition,
        index === 0,
      )
    })
    const { streams, violations } = checkSegments([buildTransportSegment([videoPackets(avc(4), time, pictures)])])
    expect(violations).toEqual([])
    expect(streams[0]?.pes.map(({ pts, dts }) => [pts, dts])).toEqual([
      [900_000, 900_000],
      [915_000, 903_000],
      [912_000, 906_000],
      [912_000, 909_000],
      [915_000, 912_000],
    ])
    expect(streams[0]?.pes.map(({ randomAccess }) => randomAccess)).toEqual([true, false, false, false, false])
  })

  it('count from the base of the program, 44.1 kHz to the nearest tick', () => {
    const base = { timescale: 44_100, baseTicks: 1_700_000_000 * 90_000 }
    const sound = [0, 1, 2, 3, 4].map((index) => sample([1, 2, 3], 1_700_000_000 * 44_100 + index * 1024, 1024))
    const { packets } = audioPackets(audio('aac', 44_100), base, sound)
    // Three frames are 70 ms, four more than the clock may wait.
    expect(packets.map(({ ptsTicks }) => ptsTicks)).toEqual([
      900_000,
      900_000 + Math.round((3 * 1024 * 90_000) / 44_100),
    ])
    const broken = [sound[0]!, { ...sound[1]!, dtsTicks: sound[1]!.dtsTicks + 1 }]
    expect(audioPackets(audio('aac', 44_100), base, broken).packets).toHaveLength(2)
  })

  it('put parameter sets in their order before HEVC random access points, and drop the delimiters of the encoder', () => {
    const nals = [
      [35 << 1, 1, 0x50],
      [0x26, 1, 5, 5],
      [0x4e, 1, 6],
    ]
    const samples = [sample(prefixed(nals, 4), 0, 3_000, 0, true), sample(prefixed([[2, 1, 4]], 4), 3_000, 3_000)]
    const { streams, violations } = checkSegments([buildTransportSegment([videoPackets(hevc(), time, samples)])])
    expect(violations).toEqual([])
    expect(streams[0]?.streamType).toBe(0x24)
    expect(streams[0]?.descriptors.toString('latin1')).toBe('\u0005\u0004HEVC')
    const delimiter = [35 << 1, 1, 0x50]
    const wanted = [delimiter, [0x40, 1, 7], [0x42, 1, 8], [0x44, 1, 9], [0x26, 1, 5, 5], [0x4e, 1, 6]]
    expect([...streams[0]!.pes[0]!.payload]).toEqual(annexB(wanted))
    expect([...streams[0]!.pes[1]!.payload]).toEqual(annexB([delimiter, [2, 1, 4]]))
  })

  it.each([
    ['aac', 48_000, 0x0f, 0xc0, ''],
    ['mp3', 44_100, 0x03, 0xc0, ''],
    ['mp3', 22_050, 0x04, 0xc0, ''],
    ['ac3', 48_000, 0x81, 0xbd, '\u0005\u0004AC-3'],
    ['eac3', 48_000, 0x87, 0xbd, '\u0005\u0004EAC3'],
  ] as const)('carry %s of %i Hz as type 0x%s', (codec, rate, type, streamId, descriptors) => {
    const samples = [sample([0x0b, 0x77, 1, 2], 0, 1024)]
    const { streams, violations } = checkSegments([
      buildTransportSegment([audioPackets(audio(codec, rate), { timescale: rate, baseTicks: 0 }, samples)]),
    ])
    expect(violations).toEqual([])
    expect(streams[0]?.streamType).toBe(type)
    expect(streams[0]?.pes[0]?.streamId).toBe(streamId)
    expect(streams[0]?.descriptors.toString('latin1')).toBe(descriptors)
  })

  it.each([
    ['av1', 'av01.0.00M.08'],
    ['vp9', 'vp09.00.10.08'],
  ] as const)('have no place for %s', (codec, codecString) => {
    const config: VideoConfig = { ...avc(4), codec, codecString }
    expect(() => videoPackets(config, time, [])).toThrow(
      expect.objectContaining({ code: 'MEDIA_UNSUPPORTED', message: expect.stringContaining(codecString) }),
    )
    expect(() => audioPackets(audio('opus'), time, [])).toThrow(AppError)
  })

  it('refuse what is broken', () => {
    const cut = [sample([0, 0, 0, 9, 1, 2], 0, 3_000, 0, true)]
    expect(() => videoPackets(avc(4), time, cut)).toThrow(FormatError)
    expect(() => audioPackets(audio('aac'), time, [sample(filled(8_190, 1), 0, 1024)])).toThrow(FormatError)
    expect(() => audioPackets(audio('mp3'), time, [sample([1], 0, 1024)])).toThrow(FormatError)
    const vast = [sample(filled(70_000, 1), 0, 1024)]
    const stream = audioPackets(audio('ac3'), time, vast)
    expect(() => buildTransportSegment([stream])).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
    const holes = Array.from({ length: 100 }, (_, index) => sample([1, 2], index * 1_700_000, 1_000))
    expect(() => buildTransportSegment([audioPackets(audio('mp3'), time, holes)])).toThrow(FormatError)
    expect(() => buildTransportSegment([{ ...stream, packets: [] }])).toThrow(FormatError)
  })
})

describe('the checker', () => {
  const { bytes } = made(fc.sample(shapes, { numRuns: 1, seed: 7 })[0]!, ['video', 'audio'])
  const spoilt = (change: (copy: Buffer) => void) => {
    const copy = Buffer.from(bytes)
    change(copy)
    return checkSegments([copy]).violations.join('\n')
  }
  const startOf = (copy: Buffer, pid: number) => {
    for (let at = 0; at < copy.length; at += 188) if (copy.readUInt16BE(at + 1) === (pid | 0x4000)) return at
    throw new Error('no such PID')
  }

  it('finds what is wrong', () => {
    expect(checkSegments([bytes]).violations).toEqual([])
    expect(spoilt((copy) => copy.writeUInt8(0x46, 188))).toContain('no sync byte')
    expect(spoilt((copy) => copy.writeUInt8(copy[191]! ^ 1, 191))).toContain('counts')
    expect(spoilt((copy) => copy.writeUInt8(9, 15))).toContain('wrong CRC')
    expect(spoilt((copy) => copy.copy(copy, 0, 188, 376))).toContain('does not begin with the PAT')
    const pes = (copy: Buffer) => startOf(copy, 0x100) + 5 + copy[startOf(copy, 0x100) + 4]!
    expect(spoilt((copy) => copy.writeUInt8(copy[pes(copy) + 9]! ^ 0x10, pes(copy) + 9))).toContain('wrong marker')
    expect(spoilt((copy) => copy.writeUInt8(copy[pes(copy) + 5]! ^ 1, pes(copy) + 5))).toContain('bytes says')
    const video = (copy: Buffer) => startOf(copy, 0x100)
    expect(spoilt((copy) => copy.writeUInt8(copy[video(copy) + 8]! ^ 1, video(copy) + 8))).toContain(
      'ms between two PCR',
    )
    expect(checkSegments([bytes.subarray(188 * 2)]).violations).not.toEqual([])
    expect(checkSegments([bytes.subarray(0, bytes.length - 188)]).violations.join()).toContain('packets of PID')
    expect(checkSegments([bytes.subarray(0, 100)]).violations).toHaveLength(1)
  })
})
