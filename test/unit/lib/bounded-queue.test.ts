import { describe, expect, it } from 'vitest'
import { BoundedQueue } from '../../../src/lib/bounded-queue.ts'

async function drain<T>(queue: BoundedQueue<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of queue) items.push(item)
  return items
}

describe('BoundedQueue', () => {
  it('keeps order and counts bytes', async () => {
    const queue = new BoundedQueue<string>(10)
    expect([queue.push('a', 4), queue.push('b', 6)]).toEqual([true, true])
    expect([queue.length, queue.sizeBytes]).toEqual([2, 10])
    queue.close()
    expect(await drain(queue)).toEqual(['a', 'b'])
    expect([queue.length, queue.sizeBytes]).toEqual([0, 0])
  })

  it('refuses what does not fit, keeps what it has, and takes again when there is room', async () => {
    const queue = new BoundedQueue<number>(10)
    expect(queue.push(1, 10)).toBe(true)
    expect(queue.push(2, 1)).toBe(false)
    expect(queue.push(3, 0)).toBe(true)
    const reader = queue[Symbol.asyncIterator]()
    expect((await reader.next()).value).toBe(1)
    expect(queue.push(4, 10)).toBe(true)
    expect(queue.push(5, 11)).toBe(false)
    queue.close()
    expect([(await reader.next()).value, (await reader.next()).value]).toEqual([3, 4])
    expect((await reader.next()).done).toBe(true)
  })

  it('wakes a consumer that waits, by an item and by the end', async () => {
    const queue = new BoundedQueue<string>(10)
    const all = drain(queue)
    await Promise.resolve()
    queue.push('a', 1)
    await new Promise((resolve) => setTimeout(resolve, 1))
    queue.push('b', 1)
    queue.close()
    expect(await all).toEqual(['a', 'b'])
    const empty = new BoundedQueue<string>(1)
    const none = drain(empty)
    await Promise.resolve()
    empty.close()
    expect(await none).toEqual([])
  })

  it('takes nothing after its end', () => {
    const queue = new BoundedQueue<string>(10)
    queue.close()
    expect(queue.closed).toBe(true)
    expect(queue.push('a', 1)).toBe(false)
    expect(queue.length).toBe(0)
  })

  it('forgets what waits and gives its room back', () => {
    const queue = new BoundedQueue<string>(10)
    queue.push('a', 5)
    queue.push('b', 5)
    expect(queue.clear()).toBe(2)
    expect([queue.length, queue.sizeBytes]).toEqual([0, 0])
    expect(queue.push('c', 10)).toBe(true)
  })
})
