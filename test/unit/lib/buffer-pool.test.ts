import { describe, expect, it } from 'vitest'
import { BufferPool, freeBytes } from '../../../src/lib/buffer-pool.ts'

describe('BufferPool', () => {
  it('gives exactly what was asked for, and wastes less than a quarter', () => {
    const pool = new BufferPool()
    for (const sizeBytes of [513, 640, 641, 1_000, 5_001, 65_536, 65_537, 100_000, 1_048_577]) {
      const bytes = pool.take(sizeBytes)
      expect(bytes.byteLength).toBe(sizeBytes)
      expect(bytes.buffer.byteLength / sizeBytes).toBeLessThan(1.25)
    }
  })

  it('uses again what was given back, through whatever view, and nothing that is in use', () => {
    const pool = new BufferPool()
    const first = pool.take(5_000)
    const second = pool.take(5_000)
    expect(second.buffer).not.toBe(first.buffer)
    pool.giveBack(first.subarray(5, 10))
    const third = pool.take(4_900)
    expect(third.buffer).toBe(first.buffer)
    expect(third.byteLength).toBe(4_900)
    expect(pool.take(5_000).buffer).not.toBe(first.buffer)
  })

  it('never gives the same memory to two, however often it was given back', () => {
    const pool = new BufferPool()
    const bytes = pool.take(5_000)
    pool.giveBack(bytes)
    pool.giveBack(bytes)
    expect(pool.take(5_000).buffer).not.toBe(pool.take(5_000).buffer)
  })

  it('leaves memory from elsewhere alone', () => {
    const pool = new BufferPool()
    pool.giveBack(new Uint8Array(5_000))
    pool.giveBack(new Uint8Array(new SharedArrayBuffer(5_000)))
    expect(pool.freeBytes).toBe(0)
  })

  it('keeps no more than its budget', () => {
    const pool = new BufferPool({ maxFreeBytes: 10_000 })
    const taken = Array.from({ length: 10 }, () => pool.take(4_096))
    for (const bytes of taken) pool.giveBack(bytes)
    expect(pool.freeBytes).toBe(8_192)
  })

  it('goes over to other sizes: what nobody asks for any more makes room', () => {
    const pool = new BufferPool({ maxFreeBytes: 10_000 })
    for (const bytes of [pool.take(4_096), pool.take(4_096)]) pool.giveBack(bytes)
    const larger = pool.take(8_192)
    pool.giveBack(larger)
    expect(pool.freeBytes).toBe(8_192)
    expect(pool.take(8_192).buffer).toBe(larger.buffer)
    pool.giveBack(pool.take(16_384))
    expect(pool.freeBytes).toBe(0)
  })

  it('needs no more memory than is alive at once, however much passes through', () => {
    const pool = new BufferPool()
    const memories = new Set<ArrayBufferLike>()
    const alive: Uint8Array[] = []
    for (let count = 0; count < 10_000; count++) {
      const bytes = pool.take(1_000 + ((count * 7919) % 500))
      memories.add(bytes.buffer)
      alive.push(bytes)
      if (alive.length > 20) pool.giveBack(alive.shift() as Uint8Array)
    }
    // Three sizes, each with at most as many as were alive.
    expect(memories.size).toBeLessThan(80)
  })
})

describe('freeBytes', () => {
  it('frees memory that is all theirs', () => {
    const bytes = new Uint8Array(1_000)
    const view = bytes.subarray(10)
    freeBytes(bytes)
    expect(bytes.byteLength).toBe(0)
    expect(view.byteLength).toBe(0)
  })

  it('leaves alone what lies beside others, and what threads share', () => {
    const memory = new Uint8Array(1_000)
    freeBytes(memory.subarray(0, 10))
    expect(memory.byteLength).toBe(1_000)
    const shared = new Uint8Array(new SharedArrayBuffer(10))
    freeBytes(shared)
    expect(shared.byteLength).toBe(10)
  })
})
