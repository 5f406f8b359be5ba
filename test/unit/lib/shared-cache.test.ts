import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { SharedCache } from '../../../src/lib/shared-cache.ts'

type Value = { readonly name: string; readonly memoryBytes: number | undefined }

const never = () => new AbortController().signal
const value = (name: string, memoryBytes = 10): Value => ({ name, memoryBytes })
const unkept = (name: string): Value => ({ name, memoryBytes: undefined })

describe('a shared cache', () => {
  it('makes a thing once for all who ask, and keeps it', async () => {
    const cache = new SharedCache<Value>(100)
    const make = vi.fn(async () => value('a'))
    const both = await Promise.all([cache.get('a', make, never()), cache.get('a', make, never())])
    expect(both[0]).toBe(both[1])
    expect(await cache.get('a', make, never())).toBe(both[0])
    expect(make).toHaveBeenCalledTimes(1)
    expect(cache.sizeBytes).toBe(10)
  })

  it('drops what was used longest ago, and keeps one thing that is larger than the whole', async () => {
    const cache = new SharedCache<Value>(25)
    const make = vi.fn(async () => value('x'))
    for (const key of ['a', 'b', 'a', 'c']) await cache.get(key, make, never())
    expect([make.mock.calls.length, cache.sizeBytes]).toEqual([3, 20])
    await cache.get('a', make, never())
    await cache.get('b', make, never())
    expect(make).toHaveBeenCalledTimes(4)
    await cache.get('large', async () => value('large', 1_000), never())
    expect(cache.sizeBytes).toBe(1_000)
  })

  it('ends the making when nobody waits any more, and makes it anew for who comes then', async () => {
    const cache = new SharedCache<Value>(100)
    const leaving = new AbortController()
    const signals: AbortSignal[] = []
    const make = (signal: AbortSignal) => {
      signals.push(signal)
      return new Promise<Value>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
        if (signals.length > 1) resolve(value('b'))
      })
    }
    const first = cache.get('a', make, leaving.signal)
    leaving.abort(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
    expect(signals[0]?.aborted).toBe(true)
    expect((await cache.get('a', make, never())).name).toBe('b')
  })

  it('forgets what could not be made', async () => {
    const cache = new SharedCache<Value>(100)
    await expect(cache.lease('a', async () => Promise.reject(new Error('no')), never())).rejects.toThrow('no')
    expect((await cache.lease('a', async () => value('a'), never())).name).toBe('a')
  })
})

describe('what a cache gives on lease', () => {
  it('is released when it is neither kept nor on lease', async () => {
    const released: string[] = []
    const cache = new SharedCache<Value>(10, ({ name }) => released.push(name))
    const [one, two] = [new AbortController(), new AbortController()]
    await cache.lease('a', async () => value('a'), one.signal)
    await cache.lease('a', async () => value('other'), two.signal)
    one.abort()
    await cache.lease('b', async () => value('b'), never())
    // `a` had to go, and one of its readers still reads.
    expect(released).toEqual([])
    two.abort()
    expect(released).toEqual(['a'])
  })

  it('is released after its only reader where it is not to be kept', async () => {
    const released: string[] = []
    const cache = new SharedCache<Value>(10, ({ name }) => released.push(name))
    const reading = new AbortController()
    await cache.lease('a', async () => unkept('a'), reading.signal)
    expect(released).toEqual([])
    reading.abort()
    expect(released).toEqual(['a'])
  })

  it('is released where it was made after everybody left', async () => {
    const released: string[] = []
    const cache = new SharedCache<Value>(10, ({ name }) => released.push(name))
    const making = Promise.withResolvers<Value>()
    const reading = new AbortController()
    const asked = cache.lease('a', () => making.promise, reading.signal)
    reading.abort(new Error('gone'))
    await expect(asked).rejects.toThrow('gone')
    making.resolve(value('a'))
    await making.promise
    expect(released).toEqual(['a'])
  })

  it('is never released while somebody reads it, and always once', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('lease' as const), key: fc.nat({ max: 4 }), size: fc.option(fc.nat({ max: 20 })) }),
      fc.record({ do: fc.constantFrom('make' as const, 'fail' as const, 'leave' as const), at: fc.nat({ max: 9 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const released = new Set<Value>()
        const cache = new SharedCache<Value>(30, (gone) => {
          expect(released.has(gone)).toBe(false)
          for (const { has } of readers) expect(has()).not.toBe(gone)
          released.add(gone)
        })
        const making: { resolve: (made: Value) => void; reject: (error: Error) => void; size: number | null }[] = []
        const readers: { leave: () => void; has: () => Value | undefined }[] = []
        let made = 0
        for (const each of steps) {
          if (each.do === 'lease') {
            const reading = new AbortController()
            let held: Value | undefined
            const make = () =>
              new Promise<Value>((resolve, reject) => making.push({ resolve, reject, size: each.size }))
            const asked = cache.lease(String(each.key), make, reading.signal)
            asked.then(
              (given) => {
                held = reading.signal.aborted ? undefined : given
                if (held) expect(released.has(held)).toBe(false)
              },
              () => undefined,
            )
            const leave = () => {
              held = undefined
              reading.abort(new Error('gone'))
            }
            readers.push({ leave, has: () => held })
          } else if (each.do === 'leave') readers.splice(each.at, 1)[0]?.leave()
          else {
            const [next] = making.splice(each.at, 1)
            const name = String(made++)
            if (each.do === 'make') next?.resolve(next.size === null ? unkept(name) : value(name, next.size))
            else next?.reject(new Error('no'))
          }
          await Promise.resolve()
          if (steps.length % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
        }
        for (const { leave } of readers.splice(0)) leave()
        for (const { resolve } of making.splice(0)) resolve(unkept(String(made++)))
        await new Promise((resolve) => setImmediate(resolve))
        expect(cache.sizeBytes).toBeLessThanOrEqual(30)
      }),
      { numRuns: 300 },
    )
  })
})
