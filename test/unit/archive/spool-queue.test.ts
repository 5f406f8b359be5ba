import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SpoolQueue } from '../../../src/archive/spool/spool-queue.ts'
import type { LogRecord } from '../../../src/presentation/records.ts'

/** Counts who holds what. */
class Holds {
  readonly counts = new Map<Uint8Array, number>()
  hold(bytes: Uint8Array): void {
    this.counts.set(bytes, (this.counts.get(bytes) ?? 0) + 1)
  }
  release(bytes: Uint8Array): void {
    const left = (this.counts.get(bytes) ?? 0) - 1
    if (left < 0) throw new Error('released twice')
    if (left === 0) this.counts.delete(bytes)
    else this.counts.set(bytes, left)
  }
}

class Bench {
  readonly holds = new Holds()
  readonly queue: SpoolQueue
  readonly lost: number[] = []
  readonly written: LogRecord[] = []
  #serial = 0

  constructor(budgetBytes: number) {
    this.queue = new SpoolQueue(budgetBytes, this.holds)
  }

  push(record: LogRecord, data?: Uint8Array, more: object = {}): void {
    this.lost.push(...this.queue.push({ record, data, serial: ++this.#serial, isBarrier: true, ...more }))
  }

  open(sequence: number, more: object = {}): void {
    const row = { sequence, discontinuitySequence: 0, startTicks: sequence * 100 + 1, wallMs: 0 }
    this.push({ type: 'segment-opened', ...row }, undefined, more)
  }

  fragment(sequence: number, sizeBytes: number): void {
    const media = { startTicks: sequence * 100 + 1, durationTicks: 100, leadingBytes: 1, independent: true, wallMs: 0 }
    this.push({ type: 'fragment', sequence, track: 1, sizeBytes, ...media }, new Uint8Array(sizeBytes))
  }

  close(sequence: number): void {
    this.push({ type: 'segment-closed', sequence, durationTicks: 100 })
  }

  segment(sequence: number, sizeBytes: number): void {
    this.open(sequence)
    this.fragment(sequence, sizeBytes)
    this.close(sequence)
  }

  write(): void {
    this.written.push(...this.queue.take(1 << 20).map(({ record }) => record))
    this.queue.done()
  }

  get types(): string[] {
    return this.written.map((record) => `${record.type} ${'sequence' in record ? record.sequence : ''}`.trim())
  }
}

describe('SpoolQueue', () => {
  it('gives everything in order, and holds it until it is written', () => {
    const bench = new Bench(100_000)
    bench.segment(0, 1_000)
    bench.segment(1, 1_000)
    expect([bench.holds.counts.size, bench.queue.sizeBytes]).toEqual([2, 6 * 512 + 2_000])
    bench.queue.take(1)
    bench.queue.putBack()
    expect(bench.queue.isEmpty).toBe(false)
    bench.write()
    expect(bench.types).toEqual([
      ...['segment-opened 0', 'fragment 0', 'segment-closed 0'],
      ...['segment-opened 1', 'fragment 1', 'segment-closed 1'],
    ])
    expect([bench.holds.counts.size, bench.queue.sizeBytes, bench.queue.isEmpty]).toEqual([0, 0, true])
  })

  it('takes the media of the oldest segments away, which are gaps then, also of one that is half written', () => {
    const bench = new Bench(11_000)
    bench.open(0)
    bench.fragment(0, 3_000)
    bench.write()
    bench.fragment(0, 3_000)
    bench.close(0)
    bench.segment(1, 3_000)
    bench.segment(2, 3_000)
    expect(bench.lost).toEqual([0, 1])
    expect([bench.queue.isDoomed(0), bench.queue.isDoomed(2)]).toEqual([true, false])
    bench.write()
    expect(bench.types).toEqual([
      ...['segment-opened 0', 'fragment 0', 'gap 0', 'gap 1'],
      ...['segment-opened 2', 'fragment 2', 'segment-closed 2'],
    ])
    expect(bench.written[2]).toMatchObject({ startTicks: 1, durationTicks: 100 })
    expect([bench.queue.isDoomed(0), bench.holds.counts.size, bench.queue.sizeBytes]).toEqual([false, 0, 0])
  })

  it('keeps the gaps that it made when it has to make more of them', () => {
    const bench = new Bench(6_000)
    for (let sequence = 0; sequence < 12; sequence++) bench.segment(sequence, 2_000)
    bench.write()
    const rows = bench.types.filter((type) => !type.startsWith('fragment') && !type.startsWith('segment-opened'))
    expect(rows.map((row) => Number(row.split(' ')[1]))).toEqual(Array.from({ length: 12 }, (_, index) => index))
    expect(bench.lost.length).toBe(rows.filter((row) => row.startsWith('gap')).length)
  })

  it('begins a file with whatever is left of its first segment', () => {
    const bench = new Bench(6_000)
    const head = { type: 'journal', nextSequence: 1 }
    bench.segment(0, 1_000)
    bench.open(1, { head })
    bench.fragment(1, 3_000)
    bench.close(1)
    bench.segment(2, 3_000)
    const first = bench.queue.take(1 << 20)
    expect(first.every((queued) => queued.head === undefined)).toBe(true)
    bench.queue.done()
    expect(bench.queue.take(1 << 20)[0]).toMatchObject({ head, record: { type: 'gap', sequence: 1 } })
    bench.queue.clear()
    expect([bench.holds.counts.size, bench.queue.sizeBytes]).toEqual([0, 0])
  })

  it('has a row for every number, in order, and lets go of each fragment once, whatever happens', () => {
    const actions = fc.array(
      fc.oneof(
        fc.record({ segment: fc.integer({ min: 0, max: 4 }), sizeBytes: fc.integer({ min: 1, max: 4_000 }) }),
        fc.constantFrom('write' as const, 'fail' as const, 'gap' as const),
      ),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(actions, fc.integer({ min: 600, max: 20_000 }), (script, budget) => {
        const bench = new Bench(budget)
        let sequence = 0
        for (const action of script) {
          if (action === 'write') bench.write()
          else if (action === 'fail') {
            bench.queue.take(2_000)
            bench.queue.putBack()
          } else if (action === 'gap') {
            const row = { startTicks: sequence * 100 + 1, durationTicks: 100, discontinuitySequence: 0, wallMs: 0 }
            bench.push({ type: 'gap', sequence: sequence++, ...row })
          } else {
            bench.open(sequence)
            for (let made = 0; made < action.segment; made++) bench.fragment(sequence, action.sizeBytes)
            bench.close(sequence++)
          }
        }
        while (!bench.queue.isEmpty) bench.write()
        const rows = bench.written.flatMap((record) =>
          record.type === 'segment-closed' || record.type === 'gap' ? [record] : [],
        )
        expect(rows.map((row) => row.sequence)).toEqual(Array.from({ length: sequence }, (_, index) => index))
        for (const lost of bench.lost) expect(rows[lost]?.type).toBe('gap')
        expect(new Set(bench.lost).size).toBe(bench.lost.length)
        expect([bench.holds.counts.size, bench.queue.sizeBytes]).toEqual([0, 0])
      }),
      { numRuns: 300 },
    )
  })
})
