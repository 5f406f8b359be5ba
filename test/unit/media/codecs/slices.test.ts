import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import { Av1TileFinder } from '../../../../src/media/codecs/av1-tiles.ts'
import { parseAvcRecord } from '../../../../src/media/codecs/avc.ts'
import { avcSliceDataStart, avcSliceForm } from '../../../../src/media/codecs/avc-slice.ts'
import { parseHevcRecord } from '../../../../src/media/codecs/hevc.ts'
import { hevcSliceForm } from '../../../../src/media/codecs/hevc-parameter-sets.ts'
import { hevcSliceDataStart } from '../../../../src/media/codecs/hevc-slice.ts'
import { splitLengthPrefixed } from '../../../../src/media/codecs/nal-units.ts'
import { Vp9FrameFinder } from '../../../../src/media/codecs/vp9-frames.ts'
import { encode, encodeVideo } from '../../../support/recording.ts'

const source = ['-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=25:d=0.4']
const avc = encodeVideo(0.4, '64x64', '-x264-params', 'weightp=2')
const hevc = encode(...source, '-c:v', 'libx265', '-preset', 'fast', '-x265-params', 'log-level=none', '-tag:v', 'hvc1')
const av1 = encode(...source, '-c:v', 'libaom-av1', '-cpu-used', '8', '-usage', 'realtime')
const vp9 = encode(...source, '-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8')

type Reader = {
  readonly name: string
  readonly units: readonly Uint8Array[]
  readonly read: (units: Uint8Array[]) => unknown
}

function recordOf({ config }: typeof avc): Uint8Array {
  return config.record
}

const avcForm = avcSliceForm(recordOf(avc))
const hevcForm = hevcSliceForm(recordOf(hevc))
const readers: Reader[] = [
  {
    name: 'AVC slices',
    units: avc.samples
      .flatMap(({ data }) => splitLengthPrefixed(data, parseAvcRecord(recordOf(avc)).lengthSize, 'test'))
      .filter((nal) => [1, 5].includes((nal[0] ?? 0) & 31)),
    read: (units) => units.map((unit) => avcSliceDataStart(unit, avcForm)),
  },
  {
    name: 'HEVC slices',
    units: hevc.samples
      .flatMap(({ data }) => splitLengthPrefixed(data, parseHevcRecord(recordOf(hevc)).lengthSize, 'test'))
      .filter((nal) => (nal[0] ?? 0) >> 1 < 32),
    read: (units) => units.map((unit) => hevcSliceDataStart(unit, hevcForm)),
  },
  {
    name: 'AV1 tiles',
    units: av1.samples.map(({ data }) => data),
    read: (units) => {
      const finder = new Av1TileFinder(recordOf(av1))
      return units.map((unit) => finder.tilesOf(unit))
    },
  },
  {
    name: 'VP9 frames',
    units: vp9.samples.map(({ data }) => data),
    read: (units) => {
      const finder = new Vp9FrameFinder()
      return units.map((unit) => finder.framesOf(unit))
    },
  },
]

function readsOrRefuses(read: () => unknown): void {
  try {
    read()
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FormatError)
  }
}

describe.each(readers)('$name', ({ units, read }) => {
  it('are found in every picture', () => {
    expect(units.length).toBeGreaterThanOrEqual(10)
    expect(() => read([...units])).not.toThrow()
  })

  it('that are cut anywhere are read or refused', () => {
    const [first, second = first] = units
    for (let length = 0; length < Math.min(200, second!.byteLength); length++) {
      readsOrRefuses(() => read([first!, second!.subarray(0, length)]))
    }
  })

  it('that are broken are read or refused', () => {
    const changes = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.nat(units.length - 1), changes, (index, list) => {
        const broken = Uint8Array.from(units[index]!)
        for (const [at, value] of list) if (at < broken.byteLength) broken[at] = value
        readsOrRefuses(() => read([...units.slice(0, index), broken]))
      }),
      { numRuns: 150 },
    )
  })
})

describe('parameter sets for slices', () => {
  it('that are broken are read or refused', () => {
    for (const [record, read] of [
      [recordOf(avc), avcSliceForm],
      [recordOf(hevc), hevcSliceForm],
    ] as const) {
      fc.assert(
        fc.property(fc.nat(record.byteLength - 1), fc.nat(255), (at, value) => {
          const broken = Uint8Array.from(record)
          broken[at] = value
          readsOrRefuses(() => read(broken))
        }),
        { numRuns: 200 },
      )
    }
  })
})
