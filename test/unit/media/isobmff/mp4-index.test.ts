import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BoxWriter } from '../../../../src/media/isobmff/box-writer.ts'
import { type Box, readBoxes } from '../../../../src/media/isobmff/boxes.ts'
import { CHECKPOINT_WORDS, SampleCursor } from '../../../../src/media/isobmff/mp4-index-cursor.ts'
import { readEditList } from '../../../../src/media/isobmff/mp4-index-edits.ts'
import { FragmentTableBuilder } from '../../../../src/media/isobmff/mp4-index-fragments.ts'
import {
  randomAccessBytes,
  randomAccessOffsets,
  subsegmentOffsets,
} from '../../../../src/media/isobmff/mp4-index-offsets.ts'
import {
  checkSampleTables,
  readSampleTables,
  type SampleTables,
  sampleBytes,
} from '../../../../src/media/isobmff/mp4-index-tables.ts'

const FILE_BYTES = 1e9

function boxesFrom(write: (out: BoxWriter) => void): Box[] {
  const out = new BoxWriter(1_024)
  write(out)
  return readBoxes(out.finish().slice(), '')
}

function table(out: BoxWriter, type: string, ...words: readonly number[]): void {
  out.fullBox(type, 0, 0, () => {
    for (const word of words) out.i32(word | 0)
  })
}

type Run = readonly [count: number, value: number]
type Model = {
  readonly durations: readonly Run[]
  readonly compositions: readonly Run[]
  readonly sizes: readonly number[]
  readonly perChunk: readonly number[]
  readonly syncs: readonly number[]
}
type Expected = { dts: number; composition: number; duration: number; size: number; offset: number; sync: boolean }

const runs = (value: fc.Arbitrary<number>) => fc.array(fc.tuple(fc.nat(9), value), { minLength: 1, maxLength: 8 })
const models: fc.Arbitrary<Model> = fc.record({
  durations: runs(fc.nat(50)),
  compositions: runs(fc.integer({ min: -90, max: 90 })),
  sizes: fc.array(fc.nat(900), { minLength: 1, maxLength: 40 }),
  perChunk: fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }),
  syncs: fc.uniqueArray(fc.nat(39), { maxLength: 12 }),
})

/** Tables as a file has them, and what they say sample by sample. */
function tablesOf(model: Model): { tables: SampleTables; expected: Expected[] } {
  const count = model.sizes.length
  const durations: readonly Run[] = [...model.durations, [count, 7]]
  const chunks: { offset: number; samples: number }[] = []
  for (let placed = 0, i = 0; placed < count; i++) {
    const samples = i < 60 ? (model.perChunk[i % model.perChunk.length] ?? 1) : 1
    chunks.push({ offset: 1_000 + ((i * 7_919) % 97) * 10_000, samples })
    placed += samples
  }
  const syncs = model.syncs.filter((sample) => sample < count).sort((a, b) => a - b)
  const boxes = boxesFrom((out) => {
    table(out, 'stts', durations.length, ...durations.flat())
    table(out, 'ctts', model.compositions.length, ...model.compositions.flat())
    table(out, 'stsz', 0, count, ...model.sizes)
    table(out, 'stsc', chunks.length, ...chunks.flatMap(({ samples }, i) => [i + 1, samples, 1]))
    table(out, 'stco', chunks.length, ...chunks.map(({ offset }) => offset))
    table(out, 'stss', syncs.length, ...syncs.map((sample) => sample + 1))
  })
  const spread = (list: readonly Run[]) => list.flatMap(([times, value]) => new Array<number>(times).fill(value))
  const [durationOf, compositionOf] = [spread(durations), spread(model.compositions)]
  const places = chunks.flatMap(({ offset, samples }) => Array.from({ length: samples }, (_, i) => ({ offset, i })))
  let dts = 0
  const expected = model.sizes.map((size, sample): Expected => {
    const duration = durationOf[sample] ?? 0
    const place = places[sample]
    const before = model.sizes.slice(sample - (place?.i ?? 0), sample)
    const offset = (place?.offset ?? 0) + before.reduce((sum, bytes) => sum + bytes, 0)
    dts += duration
    return {
      dts: dts - duration,
      composition: compositionOf[sample] ?? 0,
      duration,
      size,
      offset,
      sync: syncs.includes(sample),
    }
  })
  return { tables: readSampleTables(boxes, ''), expected }
}

function lookAt(cursor: SampleCursor): Expected {
  const { time, sizeBytes: size, offset, isSync: sync } = cursor
  return { dts: time.dtsTicks, composition: time.compositionTicks, duration: time.durationTicks, size, offset, sync }
}

describe('sample tables', () => {
  it('say of each sample what they say one by one, wherever the walk begins', () => {
    fc.assert(
      fc.property(models, fc.nat(39), (model, from) => {
        const { tables, expected } = tablesOf(model)
        expect(checkSampleTables(tables, '')).toBe(expected.reduce((sum, { duration }) => sum + duration, 0))
        const checkpoint = new Float64Array(CHECKPOINT_WORDS)
        const first = new SampleCursor(tables, FILE_BYTES)
        for (const [sample, said] of expected.entries()) {
          if (sample === from) first.save(checkpoint, 0)
          expect(lookAt(first)).toEqual(said)
          first.next()
        }
        expect(first.hasEnded).toBe(true)
        if (from >= expected.length) return
        const later = new SampleCursor(tables, FILE_BYTES)
        later.restore(checkpoint, 0)
        expect(lookAt(later)).toEqual(expected[from])
        later.sum(1)
        if (from + 1 < expected.length) expect(lookAt(later)).toEqual(expected[from + 1])
      }),
    )
  })

  it('add up over any stretch', () => {
    fc.assert(
      fc.property(models, fc.nat(39), fc.nat(39), (model, a, b) => {
        const { tables, expected } = tablesOf(model)
        const [from, end] = [Math.min(a, b, expected.length - 1), Math.min(Math.max(a, b) + 1, expected.length)]
        const stretch = expected.slice(from, end)
        const cursor = new SampleCursor(tables, FILE_BYTES)
        if (from > 0) cursor.sum(from)
        const later = stretch.slice(1).filter(({ sync }) => sync).length
        expect(cursor.sum(end - from)).toEqual({
          samples: end - from,
          dataBytes: stretch.reduce((sum, { size }) => sum + size, 0),
          firstBytes: stretch[0]?.size,
          sizeDiffers: stretch.some(({ size }) => size !== stretch[0]?.size),
          durationDiffers: stretch.some(({ duration }) => duration !== stretch[0]?.duration),
          composed: stretch.some(({ composition }) => composition !== 0),
          startTicks: Math.min(...stretch.map(({ dts, composition }) => dts + composition)),
          endTicks: Math.max(0, ...stretch.map(({ dts, composition, duration }) => dts + composition + duration)),
          firstSync: stretch[0]?.sync,
          secondSync: stretch[1]?.sync ?? false,
          laterSyncs: later,
        })
      }),
    )
  })

  it('may have sizes of 4, 8 or 16 bits', () => {
    for (const [fieldBits, sizes] of [
      [4, [15, 0, 7]],
      [8, [255, 0, 128]],
      [16, [65_535, 0, 256]],
    ] as const) {
      const digits = sizes.map((size) => size.toString(16).padStart(fieldBits / 4, '0')).join('')
      const boxes = boxesFrom((out) => {
        table(out, 'stts', 1, 3, 10)
        table(out, 'stsc', 1, 1, 3, 1)
        table(out, 'stco', 1, 48)
        out.fullBox('stz2', 0, 0, () => {
          out.u32(fieldBits)
          out.u32(3)
          out.append(new Uint8Array(Buffer.from(digits.padEnd(digits.length + (digits.length % 2), '0'), 'hex')))
        })
      })
      const tables = readSampleTables(boxes, '')
      expect(sizes.map((_, sample) => sampleBytes(tables.sizes, sample))).toEqual(sizes)
      expect(checkSampleTables(tables, '')).toBe(30)
    }
  })
})

describe('fragments as tables', () => {
  it('go on where one another end, over holes in time and in the file', () => {
    const builder = new FragmentTableBuilder('trak', false)
    const sample = (offset: number, independent: boolean) => ({
      ...{ offset, independent, sizeBytes: 10, durationTicks: 5, compositionTicks: 2 },
    })
    builder.add({ trackId: 1, baseDecodeTicks: 100, samples: [sample(500, true), sample(510, false)] })
    builder.add({ trackId: 1, baseDecodeTicks: 130, samples: [sample(520, false), sample(900, true)] })
    builder.add({ trackId: 1, samples: [sample(950, false)] })
    const { tables, startTicks } = builder.finish() ?? {}
    expect(startTicks).toBe(100)
    if (!tables) throw new Error('no tables')
    const cursor = new SampleCursor(tables, FILE_BYTES)
    const seen: Expected[] = []
    for (; !cursor.hasEnded; cursor.sum(1)) seen.push(lookAt(cursor))
    expect(seen.map(({ dts, duration }) => [dts, duration])).toEqual([
      ...[
        [0, 5],
        [5, 25],
        [30, 5],
        [35, 5],
        [40, 5],
      ],
    ])
    expect(seen.map(({ offset }) => offset)).toEqual([500, 510, 520, 900, 950])
    expect(seen.map(({ sync }) => sync)).toEqual([true, false, false, true, false])
    expect(seen.every(({ composition, size }) => composition === 2 && size === 10)).toBe(true)
  })

  it('whose time goes back are refused', () => {
    const builder = new FragmentTableBuilder('trak', true)
    const samples = [{ offset: 0, independent: true, sizeBytes: 1, durationTicks: 10, compositionTicks: 0 }]
    builder.add({ trackId: 1, baseDecodeTicks: 100, samples })
    expect(() => builder.add({ trackId: 1, baseDecodeTicks: 90, samples })).toThrow('decode time goes back by 10')
  })
})

describe('an edit list', () => {
  const read = (version: 0 | 1, ...edits: readonly (readonly [duration: number, media: number, rate: number])[]) => {
    const boxes = boxesFrom((out) =>
      out.box('edts', () =>
        out.fullBox('elst', version, 0, () => {
          out.u32(edits.length)
          for (const [duration, media, rate] of edits) {
            if (version === 1) {
              out.u64(duration)
              out.i32(media < 0 ? -1 : 0)
              out.i32(media)
            } else {
              out.u32(duration)
              out.i32(media)
            }
            out.i32(rate * 0x10000)
          }
        }),
      ),
    )
    return readEditList(boxes, 1_000, 48_000)
  }

  it('delays, begins within and ends early', () => {
    for (const version of [0, 1] as const) {
      expect(read(version, [250, -1, 1], [100, -1, 1], [2_000, 1_024, 1])).toEqual({
        ...{ delaySeconds: 0.35, mediaTicks: 1_024, durationSeconds: 2 },
      })
      expect(read(version, [0, 1_024, 1])).toEqual({ delaySeconds: 0, mediaTicks: 1_024 })
    }
    expect(readEditList([], 1_000, 48_000)).toEqual({ delaySeconds: 0, mediaTicks: 0 })
  })

  it('in pieces that join is one', () => {
    expect(read(0, [1_000, 480, 1], [500, 48_480, 1])).toEqual({
      delaySeconds: 0,
      mediaTicks: 480,
      durationSeconds: 1.5,
    })
  })

  it('of millions of entries costs no memory for each', () => {
    const entries = 2_000_000
    const body = new Uint8Array(8 + entries * 12)
    const view = new DataView(body.buffer)
    view.setUint32(4, entries)
    for (let at = 8; at < body.byteLength; at += 12) {
      view.setInt32(at + 4, -1)
      view.setUint32(at + 8, 0x10000)
    }
    const [edts] = boxesFrom((out) => out.box('edts', () => out.box('elst', () => out.append(body))))
    const before = process.memoryUsage().heapUsed
    expect(readEditList([edts as Box], 1_000, 48_000)).toEqual({ delaySeconds: 0, mediaTicks: 0 })
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(48 * 2 ** 20)
  })

  it('that takes the track apart is refused', () => {
    const apart = { code: 'MEDIA_UNSUPPORTED' }
    expect(() => read(0, [1_000, 0, 1], [500, 96_000, 1])).toThrow(expect.objectContaining(apart))
    expect(() => read(0, [1_000, 0, 2])).toThrow(expect.objectContaining(apart))
    expect(() => read(0, [1_000, 0, 0])).toThrow(expect.objectContaining(apart))
  })
})

describe('an index of fragments', () => {
  it('says where they are', () => {
    const [sidx] = boxesFrom((out) =>
      out.fullBox('sidx', 0, 0, () => {
        for (const word of [1, 1_000, 0, 20]) out.u32(word)
        out.u16(0)
        out.u16(3)
        for (const reference of [700, 0x8000_0000 + 50, 300]) {
          out.u32(reference)
          out.zeros(8)
        }
      }),
    )
    if (!sidx) throw new Error('no sidx')
    const end = sidx.size + 20
    expect(subsegmentOffsets(sidx)).toEqual([end, end + 750])
    const [mfra] = boxesFrom((out) =>
      out.box('mfra', () => {
        out.fullBox('tfra', 1, 0, () => {
          for (const word of [1, 0, 2]) out.u32(word)
          for (const offset of [5_000, 900]) {
            out.u64(0)
            out.u64(offset)
            out.zeros(3)
          }
        })
        out.fullBox('mfro', 0, 0, () => out.u32(71))
      }),
    )
    if (!mfra) throw new Error('no mfra')
    expect(randomAccessOffsets(mfra)).toEqual([900, 5_000])
    expect(randomAccessBytes(mfra.body.slice(-16))).toBe(71)
    expect(randomAccessBytes(new Uint8Array(16))).toBe(0)
  })
})
