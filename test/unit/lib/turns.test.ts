import { describe, expect, it } from 'vitest'
import { Turns } from '../../../src/lib/turns.ts'

function task(log: string[], name: string) {
  const end = Promise.withResolvers<void>()
  const run = () => {
    log.push(name)
    return end.promise
  }
  return { run, end: () => end.resolve() }
}

describe('turns', () => {
  it('let a few run at a time, the urgent ones first', async () => {
    const log: string[] = []
    const turns = new Turns(2)
    const tasks = ['a', 'b', 'c', 'd'].map((name) => task(log, name))
    const running = tasks.map(({ run }, index) => turns.run(run, { urgent: index === 3 }))
    await Promise.resolve()
    expect(log).toEqual(['a', 'b'])
    tasks[0]?.end()
    await running[0]
    await Promise.resolve()
    expect(log).toEqual(['a', 'b', 'd'])
    for (const { end } of tasks) end()
    await Promise.all(running)
    expect(log).toEqual(['a', 'b', 'd', 'c'])
  })

  it('give the place back whatever happens', async () => {
    const turns = new Turns(1)
    await expect(turns.run(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
    expect(await turns.run(async () => 'next')).toBe('next')
  })

  it('are left by who does not want to wait any longer', async () => {
    const log: string[] = []
    const turns = new Turns(1)
    const first = task(log, 'first')
    const running = turns.run(first.run)
    const leaving = new AbortController()
    const left = turns.run(task(log, 'left').run, { signal: leaving.signal })
    const last = turns.run(async () => log.push('last'))
    leaving.abort(new Error('enough'))
    await expect(left).rejects.toThrow('enough')
    await expect(turns.run(async () => undefined, { signal: leaving.signal })).rejects.toThrow('enough')
    first.end()
    await Promise.all([running, last])
    expect(log).toEqual(['first', 'last'])
  })

  it('are refused where so many wait already, and given back once', async () => {
    const log: string[] = []
    const turns = new Turns(1, { maxWaiting: 2, refusal: () => new Error('too many') })
    const first = await turns.take()
    const leaving = new AbortController()
    const second = turns.take({ signal: leaving.signal })
    const third = turns.run(async () => void log.push('third'))
    await expect(turns.take()).rejects.toThrow('too many')
    leaving.abort(new Error('gone'))
    await expect(second).rejects.toThrow('gone')
    expect(log).toEqual([])
    first()
    first()
    await third
    expect(log).toEqual(['third'])
    const again = await turns.take()
    const waiting = turns.take()
    again()
    ;(await waiting)()
  })

  it('come in the order in which they were asked for, also when one fails', async () => {
    const turns = new Turns(2)
    const begun: number[] = []
    const works = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
    const runs = works.map((work, index) =>
      turns.run(() => {
        begun.push(index)
        return work.promise
      }),
    )
    works[1]?.reject(new Error('failed'))
    await expect(runs[1]).rejects.toThrow('failed')
    for (const work of works) work.resolve()
    await Promise.allSettled(runs)
    expect(begun).toEqual([0, 1, 2, 3, 4])
  })
})
