import { describe, expect, it } from 'vitest'
import { Slots } from '../../../src/events/slots.ts'

const never = new AbortController().signal

describe('slots', () => {
  it('let so many work at once, the others in their turn, also when one fails', async () => {
    const slots = new Slots(2)
    const begun: number[] = []
    const works = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
    const runs = works.map((work, index) =>
      slots.run(() => {
        begun.push(index)
        return work.promise
      }, never),
    )
    await Promise.resolve()
    expect(begun).toEqual([0, 1])
    works[1]?.reject(new Error('failed'))
    await expect(runs[1]).rejects.toThrow('failed')
    expect(begun).toEqual([0, 1, 2])
    for (const work of works) work.resolve()
    await Promise.allSettled(runs)
    expect(begun).toEqual([0, 1, 2, 3, 4])
  })

  it('let who waits leave, without a slot being lost', async () => {
    const slots = new Slots(1)
    const work = Promise.withResolvers<void>()
    const first = slots.run(() => work.promise, never)
    const leaving = new AbortController()
    const second = slots.run(async () => 'second', leaving.signal)
    leaving.abort(new Error('left'))
    await expect(second).rejects.toThrow('left')
    work.resolve()
    await first
    expect(await slots.run(async () => 'third', never)).toBe('third')
    await expect(slots.run(async () => 'fourth', leaving.signal)).rejects.toThrow('left')
  })
})
