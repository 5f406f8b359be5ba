import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import type { Change } from '../../../src/domain/entity-store.ts'
import type { Repository } from '../../../src/domain/repository.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { answerHouseCalls, HouseCalls, type HouseDesk } from '../../../src/roles/house-calls.ts'
import { Librarian } from '../../../src/roles/librarian.ts'
import { ShelfBench } from './archive-fixture.ts'

const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function bench() {
  const before = new ShelfBench()
  await before.begin('as_one')
  await before.fill('as_one', 4)
  await before.shelf.end('as_one')
  await before.archived('as_one')
  const made = new ShelfBench(before)
  ends.push(
    () => before.stop(),
    () => made.stop(),
  )
  const published: string[] = []
  const assets = new Map([
    ['as_one', 'Ready'],
    ['as_empty', 'Empty'],
  ])
  let looks = 0
  let change: (list: readonly Change[]) => void = () => undefined
  const librarian = new Librarian({
    repository: {
      findAnywhere: async (kind: string, id: string) => {
        looks++
        if (kind === 'asset') return assets.has(id) ? { id, accountId: 'ac_one', state: assets.get(id) } : undefined
        return id === 'nobody' ? undefined : { id, assetId: id === 'empty' ? 'as_empty' : 'as_one' }
      },
    } as unknown as Pick<Repository, 'findAnywhere'>,
    changes: {
      onChange: (listener) => {
        change = listener
        return () => undefined
      },
      onReset: () => () => undefined,
    },
    shelf: made.shelf,
    files: { load: async () => false },
    publisher: { published: async (id) => void published.push(id) },
    clock: made.clock,
  })
  return {
    made,
    librarian,
    published,
    assets,
    looks: () => looks,
    change: (list: object[]) => change(list as Change[]),
  }
}

describe('Librarian', () => {
  it('loads a recording that a locator leads to, and publishes it', async () => {
    const { made, librarian, published } = await bench()
    await librarian.wake('one')
    expect(made.shelf.find('as_one')).toMatchObject({ state: 'archived', log: { view: { endSequence: 4 } } })
    expect(published).toEqual(['as_one'])
    expect(await librarian.spooled('as_one', 0, 1)).toBeUndefined()
  })

  it('remembers for a while what leads to nothing, until something changes', async () => {
    const { made, librarian, assets, looks, change } = await bench()
    await librarian.wake('nobody')
    await librarian.wake('empty')
    const looked = looks()
    for (let asked = 0; asked < 10; asked++) await librarian.wake('nobody')
    expect(looks()).toBe(looked)
    change([{ kind: 'locator', id: 'NOBODY' }])
    await librarian.wake('nobody')
    expect(looks()).toBe(looked + 1)
    assets.set('as_empty', 'Ready')
    await librarian.wake('empty')
    expect(looks()).toBe(looked + 1)
    change([{ kind: 'asset', id: 'as_empty' }])
    await librarian.wake('empty')
    expect(looks()).toBe(looked + 3)
    await made.clock.advance(5_001)
    await librarian.wake('nobody')
    expect(looks()).toBe(looked + 4)
  })

  it('reads what is on its way to storage', async () => {
    const { made, librarian } = await bench()
    await made.begin('as_live')
    await made.fill('as_live', 2)
    await made.shelf.find('as_live')?.recording?.committed()
    const bytes = await librarian.spooled('as_live', 0, 1)
    expect(Buffer.concat(bytes ?? [])).toEqual(Buffer.alloc(100, 2))
    expect(await librarian.spooled('as_live', 0, 7)).toBeUndefined()
    expect(await librarian.spooled('as_unknown', 0, 0)).toBeUndefined()
  })
})

describe('house calls', () => {
  function line(desk: Partial<HouseDesk>) {
    const { port1, port2 } = new MessageChannel()
    answerHouseCalls(port1, { spooled: async () => undefined, wake: async () => undefined, ...desk })
    const calls = new HouseCalls(port2)
    ends.push(() => {
      calls.stop()
      port1.close()
    })
    return calls
  }

  it('are answered with bytes, with nothing, or with what went wrong', async () => {
    const calls = line({
      spooled: async (_id, _rendition, sequence) => {
        if (sequence === 2) throw new AppError('STORAGE_DOWN', 'down')
        if (sequence === 3) throw new Error('a bug')
        return sequence === 1 ? [new Uint8Array([1, 2]), new Uint8Array([3])] : undefined
      },
    })
    expect(await calls.spooled('as_one', 0, 1)).toEqual([new Uint8Array([1, 2]), new Uint8Array([3])])
    expect(await calls.spooled('as_one', 0, 0)).toBeUndefined()
    await expect(calls.spooled('as_one', 0, 2)).rejects.toMatchObject({ code: 'STORAGE_DOWN', message: 'down' })
    await expect(calls.spooled('as_one', 0, 3)).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  it('are made once for all who come for the same locator, and again when that is over', async () => {
    let woken = 0
    const calls = line({ wake: async () => void woken++ })
    await Promise.all([calls.wake('A'), calls.wake('a'), calls.wake('b')])
    expect(woken).toBe(2)
    await calls.wake('a')
    expect(woken).toBe(3)
  })

  it('are refused where too many wait, and when the origin stops', async () => {
    const calls = line({ spooled: () => new Promise(() => undefined) })
    const waiting = Array.from({ length: 1_024 }, (_, sequence) => calls.spooled('as_one', 0, sequence))
    const stopped = expect(Promise.all(waiting)).rejects.toMatchObject({ code: 'STOPPED' })
    await expect(calls.spooled('as_one', 0, 0)).rejects.toMatchObject({ code: 'ORIGIN_BUSY' })
    calls.stop()
    await stopped
  })
})
