import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../src/lib/bytes.ts'
import { FormatError } from '../../../../src/lib/errors.ts'
import { buildFragment, type FragmentSample } from '../../../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../../../src/media/cmaf/init-segment.ts'
import { BoxWriter } from '../../../../src/media/isobmff/box-writer.ts'
import { type FragmentedMp4Event, FragmentedMp4Reader } from '../../../../src/media/isobmff/fragmented-reader.ts'
import { aac, avc } from '../cmaf/codec-configs.ts'

const init = buildInitSegment([
  { trackId: 1, config: avc },
  { trackId: 2, config: aac },
])

function built(write: (out: BoxWriter) => void): Uint8Array {
  const out = new BoxWriter()
  write(out)
  return out.finish().slice()
}

function samplesOf(events: readonly FragmentedMp4Event[]) {
  return events.flatMap((event) =>
    event.type === 'sample' ? [{ ...event.sample, trackId: event.trackId, duration: event.durationTicks }] : [],
  )
}

/** Reads `moof` and `mdat` made by hand, behind an init segment of one video and one audio track. */
function read(fragment: Uint8Array, header = init) {
  const reader = new FragmentedMp4Reader()
  reader.push(header)
  return samplesOf(reader.push(fragment))
}

type Traf = {
  readonly tfhd: readonly [flags: number, ...fields: number[]]
  readonly tfdt?: number
  readonly truns: Trun[]
}
type Trun = readonly [versionAndFlags: number, count: number, ...fields: number[]]

function moof(...trafs: Traf[]): Uint8Array {
  return built((out) =>
    out.box('moof', () => {
      out.fullBox('mfhd', 0, 0, () => out.u32(1))
      for (const { tfhd, tfdt, truns } of trafs) {
        out.box('traf', () => {
          out.fullBox('tfhd', 0, tfhd[0], () => {
            for (const field of tfhd.slice(1)) out.u32(field)
          })
          if (tfdt !== undefined) out.fullBox('tfdt', 0, 0, () => out.u32(tfdt))
          for (const [versionAndFlags, ...fields] of truns) {
            out.box('trun', () => {
              out.u32(versionAndFlags)
              for (const field of fields) out.i32(field)
            })
          }
        })
      }
    }),
  )
}

function mdat(...bytes: number[]): Uint8Array {
  return built((out) => out.box('mdat', () => out.append(Uint8Array.from(bytes))))
}

/** Puts the size of the moof into the first run's data offset, whose value there counts from the mdat's body. */
function placed(make: (bodyOffset: number) => Uint8Array, ...data: Uint8Array[]): Uint8Array {
  const bodyOffset = make(0).byteLength + 8
  return concatBytes([make(bodyOffset), ...data])
}

const MOOF_BASE = 0x020000
const SYNC = 0x02000000
const NON_SYNC = 0x01010000

describe('runs', () => {
  it('follow one another, with first-sample flags and defaults of tfhd', () => {
    const tfhd: Traf['tfhd'] = [MOOF_BASE | 0x38, 1, 100, 2, NON_SYNC]
    const fragment = placed(
      (body) =>
        moof({
          tfhd,
          tfdt: 5000,
          truns: [
            [0x5, 2, body, SYNC],
            [0x301, 1, body + 5, 7, 1],
            [0x800, 1, -9],
          ],
        }),
      mdat(1, 2, 3, 4, 5, 6, 7, 8),
    )
    expect(read(fragment)).toEqual([
      { trackId: 1, duration: 100, dtsTicks: 5000, compositionTicks: 0, independent: true, data: Uint8Array.of(1, 2) },
      { trackId: 1, duration: 100, dtsTicks: 5100, compositionTicks: 0, independent: false, data: Uint8Array.of(3, 4) },
      { trackId: 1, duration: 7, dtsTicks: 5200, compositionTicks: 0, independent: false, data: Uint8Array.of(6) },
      {
        trackId: 1,
        duration: 100,
        dtsTicks: 5207,
        compositionTicks: -9,
        independent: false,
        data: Uint8Array.of(7, 8),
      },
    ])
  })

  it('of two tracks share an mdat, by default-base-is-moof, by base-data-offset and by the end of the track before', () => {
    const video = (base: number[], offset: number[]): Traf => ({
      tfhd: [(base.length > 0 ? 0x39 : MOOF_BASE | 0x38) as number, 1, ...base, 10, 2, SYNC],
      tfdt: 1,
      truns: [offset.length > 0 ? [0x1, 1, ...offset] : [0, 1]],
    })
    const sound = (flags: number, truns: Trun[]): Traf => ({ tfhd: [flags | 0x38, 2, 20, 1, NON_SYNC], tfdt: 2, truns })
    const expected = [
      { trackId: 1, duration: 10, dtsTicks: 1, compositionTicks: 0, independent: true, data: Uint8Array.of(1, 2) },
      { trackId: 2, duration: 20, dtsTicks: 2, compositionTicks: 0, independent: true, data: Uint8Array.of(3) },
    ]
    const data = mdat(1, 2, 3)
    expect(read(placed((at) => moof(video([], [at]), sound(MOOF_BASE, [[1, 1, at + 2]])), data))).toEqual(expected)
    expect(read(placed((at) => moof(video([0, init.byteLength + at], []), sound(0, [[0, 1]])), data))).toEqual(expected)
  })

  it('without tfdt go on where the track ended', () => {
    const tfhd: Traf['tfhd'] = [MOOF_BASE | 0x38, 1, 100, 1, SYNC]
    const reader = new FragmentedMp4Reader()
    reader.push(init)
    const first = placed((at) => moof({ tfhd, tfdt: 40, truns: [[1, 3, at]] }), mdat(1, 2, 3))
    const second = placed((at) => moof({ tfhd, truns: [[1, 1, at]] }), mdat(4))
    expect(samplesOf([...reader.push(first), ...reader.push(second)]).map((sample) => sample.dtsTicks)).toEqual([
      40, 140, 240, 340,
    ])
  })
})

describe('the stream', () => {
  const tfhd: Traf['tfhd'] = [MOOF_BASE | 0x38, 1, 100, 2, SYNC]
  const one =
    (extra = 0) =>
    (at: number) =>
      moof({ tfhd, tfdt: 0, truns: [[1, 1, at + extra]] })

  it('may have a 64-bit mdat, boxes between moof and mdat, boxes of no interest, and a second moov', () => {
    const large = built((out) => {
      for (const word of [1, 0x6d646174, 0, 18]) out.u32(word)
      out.u16(0x0102)
    })
    const free = built((out) => out.box('free', () => out.zeros(40)))
    const sidx = built((out) => out.box('sidx', () => out.zeros(70_000)))
    const reader = new FragmentedMp4Reader({ maxBoxBytes: 4096 })
    const stream = [sidx, free, init, placed(one(8 + 48), free, large), free, mdat(9), init]
    const events = reader.push(concatBytes(stream))
    expect(events.map((event) => event.type)).toEqual(['init', 'sample', 'init'])
    expect(samplesOf(events)[0]?.data).toEqual(Uint8Array.of(1, 2))
  })

  it.each([
    ['a moof before any moov', placed(one(), mdat(1, 2)), false],
    ['a moof without its mdat', concatBytes([placed(one()), placed(one(), mdat(1, 2))]), true],
    ['a sample that begins before the mdat', placed(one(-1), mdat(1, 2)), true],
    ['a sample that ends behind the mdat', placed(one(1), mdat(1, 2)), true],
    ['a track that the moov has not', placed(() => moof({ tfhd: [MOOF_BASE, 9], truns: [] })), true],
    ['another sample description', placed(() => moof({ tfhd: [MOOF_BASE | 2, 1, 2], truns: [] })), true],
    ['a count past the bytes', placed(() => moof({ tfhd, truns: [[0x201, 9, 0, 1]] })), true],
    ['an absurd count without a byte of its own', placed(() => moof({ tfhd, truns: [[1, -1, 0]] })), true],
    ['a time past 2^53', buildFragment({ ...plain(), baseDecodeTicks: 2 ** 53 - 1 }).bytes, true],
    ['a box without an end', Uint8Array.of(0, 0, 0, 0, 0x6d, 0x64, 0x61, 0x74), true],
    ['a box past the limit', Uint8Array.of(0x7f, 0, 0, 0, 0x6d, 0x6f, 0x6f, 0x66), true],
  ])('is refused with %s, and stays refused', (_, bytes, hasInit) => {
    const reader = new FragmentedMp4Reader()
    if (hasInit) reader.push(init)
    expect(() => reader.push(bytes)).toThrow(FormatError)
    expect(() => reader.push(init)).toThrow(FormatError)
  })
})

function plain() {
  const samples: FragmentSample[] = [1, 2, 3].map((size) => ({
    durationTicks: 3000,
    compositionTicks: size * 10,
    independent: size === 1,
    data: new Uint8Array(size * 5).fill(size),
  }))
  return { trackId: 1, sequenceNumber: 1, baseDecodeTicks: 90_000, kind: 'video', samples, opensSegment: true } as const
}

describe('damage', () => {
  const second = { ...plain(), trackId: 2, kind: 'audio', baseDecodeTicks: 48_000, opensSegment: false } as const
  const stream = concatBytes([init, buildFragment(plain()).bytes, buildFragment(second).bytes])
  const whole = new FragmentedMp4Reader().push(stream)

  it('truncation at every prefix gives what became whole, and the rest gives the rest', () => {
    expect(whole).toHaveLength(7)
    for (let size = 0; size <= stream.byteLength; size++) {
      const reader = new FragmentedMp4Reader()
      const before = reader.push(stream.slice(0, size))
      const after = reader.push(stream.slice(size))
      expect(whole.slice(0, before.length)).toEqual(before)
      expect(before.length + after.length).toBe(7)
    }
  })

  it('flipped bytes are a FormatError or read as something else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: stream.byteLength - 1 }), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        (flips) => {
          const bytes = stream.slice()
          for (const [at, mask] of flips) bytes[at] = (bytes[at] ?? 0) ^ mask
          try {
            for (const event of new FragmentedMp4Reader({ maxBoxBytes: 1_000_000 }).push(bytes)) {
              if (event.type === 'sample') expect(Number.isSafeInteger(event.sample.dtsTicks)).toBe(true)
            }
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('truncated moof boxes with mended sizes are a FormatError or read as something else', () => {
    const fragment = buildFragment({ ...plain(), opensSegment: false }).bytes
    const moofSize = new DataView(fragment.buffer, fragment.byteOffset).getUint32(0)
    let refused = 0
    for (let size = 8; size < moofSize; size++) {
      const bytes = fragment.slice(0, size)
      new DataView(bytes.buffer).setUint32(0, size)
      const reader = new FragmentedMp4Reader()
      reader.push(init)
      try {
        reader.push(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
        refused++
      }
    }
    // All but the two that end between the moof's own boxes.
    expect(refused).toBe(moofSize - 8 - 2)
  })
})
