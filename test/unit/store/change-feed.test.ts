import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Change } from '../../../src/domain/entity-store.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { ChangeFeed } from '../../../src/store/change-feed.ts'

type Told = readonly Change[] | Error | 'end'

const change = (sequence: number): Change => ({ sequence, op: 'create', kind: 'k', id: `${sequence}`, accountId: 'a' })

/** A store whose watch tells what a test says, and notes from where it was watched. */
class ToldStore {
  readonly since: number[] = []
  position = 0
  watches = 0
  #told: Told[] = []
  #wake: () => void = () => undefined

  tell(...told: Told[]): void {
    this.#told.push(...told)
    this.#wake()
  }

  async sequence(): Promise<number> {
    return this.position
  }

  async *watch(since: number, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
    this.since.push(since)
    this.watches++
    signal.addEventListener('abort', () => this.#wake())
    while (!signal.aborted) {
      const next = this.#told.shift()
      if (next instanceof Error) throw next
      if (next === 'end') return
      if (next) yield next
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

const error = vi.fn()
const warn = vi.fn()
const logger = { ...silentLogger, error, warn } as unknown as typeof silentLogger
const clock = new VirtualClock()
let feed: ChangeFeed

async function follow(store: ToldStore): Promise<ChangeFeed> {
  error.mockClear()
  warn.mockClear()
  feed = new ChangeFeed({ store, clock, logger })
  await feed.start()
  return feed
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

afterEach(() => feed.stop())

describe('the change feed', () => {
  it('tells everybody of every change over one watch, from its start on', async () => {
    const store = new ToldStore()
    store.position = 7
    const told: string[] = []
    const following = await follow(store)
    following.onChange((changes) => told.push(`a${changes.map(({ id }) => id)}`))
    const end = following.onChange((changes) => told.push(`b${changes.map(({ id }) => id)}`))
    store.tell([change(8), change(9)])
    await turn()
    end()
    store.tell([change(10)])
    await turn()
    expect(told).toEqual(['a8,9', 'b8,9', 'a10'])
    expect(store.since).toEqual([7])
  })

  it('is not stopped by a listener that throws', async () => {
    const store = new ToldStore()
    const told: number[] = []
    const following = await follow(store)
    following.onChange(() => {
      throw new Error('mine')
    })
    following.onChange((changes) => told.push(changes.length))
    store.tell([change(1)], [change(2), change(3)])
    await turn()
    expect(told).toEqual([1, 2])
    expect(error).toHaveBeenCalledTimes(2)
  })

  it('has everybody start over where changes are gone, and goes on from what the store is then', async () => {
    const store = new ToldStore()
    const told: string[] = []
    const following = await follow(store)
    following.onReset(() => told.push('reset'))
    following.onChange((changes) => told.push(...changes.map(({ id }) => id)))
    store.tell([change(1)], new AppError('CHANGES_GONE', 'pruned'))
    await turn()
    store.position = 50
    store.tell([change(51)])
    await clock.advance(250)
    await turn()
    expect(told).toEqual(['1', 'reset', '51'])
    expect(store.since).toEqual([0, 50])
  })

  it('goes on where it was after a failure, later and later, with one line in the log', async () => {
    const store = new ToldStore()
    const told: string[] = []
    const following = await follow(store)
    following.onChange((changes) => told.push(...changes.map(({ id }) => id)))
    store.tell([change(1)], new Error('odd'), new Error('odd'), [change(2)])
    await turn()
    await clock.advance(250)
    await turn()
    expect([told, store.watches]).toEqual([['1'], 2])
    await clock.advance(499)
    await turn()
    expect(store.watches).toBe(2)
    await clock.advance(1)
    await turn()
    expect(told).toEqual(['1', '2'])
    expect(store.since).toEqual([0, 1, 1])
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('ends with the store, and tells nobody after its stop', async () => {
    const store = new ToldStore()
    const told: string[] = []
    const following = await follow(store)
    following.onChange((changes) => told.push(...changes.map(({ id }) => id)))
    await following.stop()
    store.tell([change(1)])
    await turn()
    expect(told).toEqual([])
    const ending = new ToldStore()
    const other = await follow(ending)
    ending.tell('end')
    await turn()
    await other.stop()
    expect(ending.watches).toBe(1)
  })
})
