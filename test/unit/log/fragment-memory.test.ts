import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { MemoryRegion } from '../../../src/log/memory-region.ts'

describe('MemoryRegion', () => {
  it('never gives the same bytes twice, and has everything back in the end', () => {
    const action = fc.oneof(
      fc.record({ size: fc.integer({ min: 0, max: 20_000 }) }),
      fc.record({ free: fc.nat() }),
      fc.record({ hold: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const region = new MemoryRegion(0, 64 * 1024)
        const alive: { view: Uint8Array; mark: number; holds: number }[] = []
        let mark = 0
        for (const next of actions) {
          if ('size' in next) {
            const view = region.allocate(next.size)
            if (!view) continue
            expect(view.byteLength).toBe(next.size)
            mark = (mark + 1) & 255
            view.fill(mark)
            alive.push({ view, mark, holds: 1 })
          } else if (alive.length > 0) {
            const index = ('free' in next ? next.free : next.hold) % alive.length
            const chosen = alive[index]!
            if ('hold' in next) {
              region.hold(chosen.view.byteOffset)
              chosen.holds++
            } else {
              region.release(chosen.view.byteOffset)
              if (--chosen.holds === 0) alive.splice(index, 1)
            }
          }
          for (const { view, mark: expected } of alive) expect(view.every((byte) => byte === expected)).toBe(true)
        }
        for (const { view, holds } of alive) for (let left = holds; left > 0; left--) region.release(view.byteOffset)
        expect(region.usedBytes).toBe(0)
        // All extents have merged: the whole region fits again.
        expect(region.allocate(64 * 1024)).toBeDefined()
      }),
      { numRuns: 150 },
    )
  })

  it('refuses to be touched where nobody holds anything', () => {
    const region = new MemoryRegion(0, 4096)
    const bytes = region.allocate(100)!
    region.release(bytes.byteOffset)
    expect(() => region.release(bytes.byteOffset)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(() => region.hold(7)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })
})

describe('FragmentMemory', () => {
  it('keeps to little more than what is alive when fragments come and go in turn', () => {
    const memory = new FragmentMemory({ regionBytes: 1 << 20 })
    const alive: Uint8Array[] = []
    for (let count = 0; count < 20_000; count++) {
      const bytes = memory.allocate(500 + ((count * 7919) % 9_000))
      alive.push(bytes)
      if (alive.length > 800) memory.disown(alive.shift()!)
    }
    const aliveBytes = alive.reduce((sum, bytes) => sum + bytes.byteLength, 0)
    expect(memory.reservedBytes).toBeLessThan(aliveBytes * 1.2 + (1 << 20))
  })

  it('frees with the last hold, whoever has it, and takes the owner’s back once', () => {
    const memory = new FragmentMemory({ regionBytes: 1 << 20 })
    const bytes = memory.allocate(5_000)
    memory.hold(bytes)
    memory.disown(bytes)
    memory.disown(bytes)
    expect(memory.usedBytes).toBe(5 * 1024)
    memory.release(bytes)
    expect(memory.usedBytes).toBe(0)
  })

  it('makes room for one that is larger than a region, and refuses one past all bounds', () => {
    const memory = new FragmentMemory({ regionBytes: 1 << 16 })
    const bytes = memory.allocate(1 << 18)
    expect(bytes.byteLength).toBe(1 << 18)
    const place = memory.placeOf(bytes)
    expect(memory.regionBuffer(place.region)).toBe(bytes.buffer)
    expect(memory.has(new Uint8Array(8))).toBe(false)
    expect(() => memory.allocate(2 ** 40)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  })
})
