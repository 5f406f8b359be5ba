import { describe, expect, it } from 'vitest'
import { Group, Scope } from '../../../src/lib/scope.ts'

describe('Scope', () => {
  it('stops in reverse order, each after the one before is gone', async () => {
    const scope = new Scope()
    const seen: string[] = []
    const child = (name: string, ms: number) => ({
      async stop() {
        seen.push(`${name} asked`)
        await new Promise((resolve) => setTimeout(resolve, ms))
        seen.push(`${name} gone`)
      },
    })
    scope.own('first', child('first', 0))
    scope.add('second', () => void seen.push('second'))
    expect(scope.own('third', child('third', 5))).toHaveProperty('stop')
    await scope.stop()
    expect(seen).toEqual(['third asked', 'third gone', 'second', 'first asked', 'first gone'])
  })

  it('stops everything although some fail, and tells all failures with their names', async () => {
    const scope = new Scope()
    let stopped = 0
    scope.add('good', () => void stopped++)
    scope.add('throws', () => {
      throw new Error('sync')
    })
    scope.add('rejects', () => Promise.reject(new Error('async')))
    scope.add('good too', () => void stopped++)
    const error = await scope.stop().catch((thrown: unknown) => thrown as AggregateError)
    expect(stopped).toBe(2)
    expect(error).toBeInstanceOf(AggregateError)
    const failures = (error as AggregateError).errors as Error[]
    expect(failures.map(({ message }) => message)).toEqual(['rejects did not stop', 'throws did not stop'])
    expect(failures.map(({ cause }) => (cause as Error).message)).toEqual(['async', 'sync'])
  })

  it('stops once, whoever asks, and takes nothing in afterwards', async () => {
    const scope = new Scope()
    let stopped = 0
    scope.add('child', () => void stopped++)
    expect(scope.stop()).toBe(scope.stop())
    await scope.stop()
    expect(stopped).toBe(1)
    expect(() => scope.add('late', () => undefined)).toThrow('late was added too late')
  })
})

describe('Group', () => {
  it('stops all at the same time, each once', async () => {
    const group = new Group()
    const seen: string[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    group.own('waits', { stop: () => promise.then(() => void seen.push('waits')) })
    group.own('is quick', {
      async stop() {
        seen.push('is quick')
        resolve()
      },
    })
    expect(group.stop()).toBe(group.stop())
    await group.stop()
    expect(seen).toEqual(['is quick', 'waits'])
    expect(() => group.own('late', { stop: async () => undefined })).toThrow('late was added too late')
  })

  it('tells all failures with their names, when all the others are gone', async () => {
    const group = new Group()
    let stopped = 0
    group.own('throws', {
      stop() {
        throw new Error('sync')
      },
    })
    group.own('good', {
      async stop() {
        await new Promise((resolve) => setTimeout(resolve, 5))
        stopped++
      },
    })
    const error = (await group.stop().catch((thrown: unknown) => thrown)) as AggregateError
    expect(stopped).toBe(1)
    expect(error.errors.map(({ message, cause }) => [message, cause.message])).toEqual([
      ['throws did not stop', 'sync'],
    ])
  })
})
