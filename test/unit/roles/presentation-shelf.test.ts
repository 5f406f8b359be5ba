import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ShelfBench } from './archive-fixture.ts'

const benches: ShelfBench[] = []

function bench(before?: ShelfBench, indexBytes?: number): ShelfBench {
  const made = new ShelfBench(before, indexBytes)
  benches.push(made)
  return made
}

afterEach(async () => {
  for (const made of benches.splice(0).reverse()) await made.stop()
})

describe('PresentationShelf', () => {
  it('keeps the index alone of what is in storage as a whole', async () => {
    const made = bench()
    await made.begin('a')
    await made.fill('a', 5)
    expect(made.memory.usedBytes).toBeGreaterThan(0)
    await made.shelf.end('a')
    await made.archived('a')
    expect(made.shelf.find('a')).toMatchObject({ state: 'archived', recording: undefined })
    expect(made.shelf.find('a')?.log.view).toMatchObject({ ended: true, archived: true, endSequence: 5 })
    expect(made.heard).toEqual(['+a growing', '+a ended', '+a archived'])
    expect([made.memory.usedBytes, made.shelf.endedBytes]).toEqual([0, 0])
    expect(readdirSync(join(made.folder, 'spool'))).toEqual([])
  })

  it('keeps nothing of what nothing came into', async () => {
    const made = bench()
    await made.begin('empty')
    await made.shelf.end('empty')
    expect(made.shelf.find('empty')).toBeUndefined()
  })

  it('lets one channel at a time write a presentation', async () => {
    const made = bench()
    const [first, second] = await Promise.allSettled([made.begin('a'), made.begin('a')])
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected'])
    await expect(made.begin('a')).rejects.toMatchObject({ code: 'IN_USE' })
    expect(() => made.shelf.assertFree('a')).toThrow('Another program')
    made.shelf.leave('a')
    made.shelf.assertFree('a')
  })

  it('goes on in the same presentation after it was left, after it ended, and after it was archived', async () => {
    const made = bench()
    const recording = await made.begin('a', { epoch: 'first', timeBaseTicks: 90_000 })
    await made.fill('a', 2)
    made.shelf.leave('a')
    expect(await made.begin('a')).toBe(recording)
    const { log } = made.shelf.find('a')!
    await made.fill('a', 2)
    await made.shelf.end('a')
    const ended = log.view.version
    expect(await made.begin('a')).toBe(recording)
    await recording.settled()
    expect([log.view.ended, log.view.version > ended]).toEqual([false, true])
    await made.fill('a', 1)
    await made.shelf.end('a')
    await made.archived('a')
    const archived = log.view.version
    const again = await made.begin('a', { rewindWindowMs: 60_000, timeBaseTicks: 180_000 })
    await made.fill('a', 2)
    expect(again).not.toBe(recording)
    expect(made.shelf.find('a')).toMatchObject({ state: 'growing', log })
    expect(log.view).toMatchObject({ firstSequence: 0, endSequence: 7, ended: false, archived: false })
    expect(log.view.version).toBeGreaterThan(archived)
    expect(log.view.header).toMatchObject({ epoch: 'first', resumptions: 2, rewindWindowMs: 60_000 })
    // The times of its transport streams go on as they were.
    expect(log.view.header.timeBaseTicks).toBe(90_000)
    await again.stop()
  })

  it('is there after a restart as it was before, and goes on with its numbers', async () => {
    const before = bench()
    await before.begin('a', { epoch: 'first' })
    await before.fill('a', 4)
    const { log } = before.shelf.find('a')!
    const rows = [0, 1, 2, 3].map((sequence) => log.view.segment(sequence))
    await before.shelf.stop()
    const after = bench(before)
    await after.clock.advance(8_000)
    await after.shelf.recover()
    const found = after.shelf.find('a')
    expect(found).toMatchObject({ state: 'left', channelId: 'ch', programId: 'pr_a', manifestName: 'manifest' })
    expect(found?.log.view.header.epoch).toBe('first')
    expect([0, 1, 2, 3].map((sequence) => found?.log.view.segment(sequence))).toEqual(rows)
    expect(after.shelf.endTicks('ch')).toBe(after.clock.now() * 90)
    await after.begin('a', { timeBaseTicks: 180_000 })
    await after.fill('a', 1)
    expect(found?.log.view).toMatchObject({ firstSequence: 0, endSequence: 5 })
    // It was begun without a base, and has none for good.
    expect(found?.log.view.header).not.toHaveProperty('timeBaseTicks')
    expect(found?.log.view.segment(4)?.gap).toBe(false)
  })

  it('remembers what is in storage when it goes on with it, also where some of that was discarded before a crash', async () => {
    const before = bench()
    await before.begin('a')
    await before.fill('a', 12)
    await before.shelf.end('a')
    await before.archived('a')
    const recording = await before.begin('a', { archiveWindowMs: 12_000 })
    await before.fill('a', 4)
    await recording.committed()
    const { view } = before.shelf.find('a')!.log
    expect(view.firstSequence).toBe(6)
    expect(view.span(6)).toEqual({ firstSequence: 6, endSequence: 9 })
    const rows = Array.from({ length: 10 }, (_, index) => view.segment(6 + index))
    await before.shelf.stop()
    const after = bench(before)
    await after.shelf.recover()
    const found = after.shelf.find('a')?.log.view
    expect(found?.firstSequence).toBe(6)
    expect(rows.map((_, index) => found?.segment(6 + index))).toEqual(rows)
    expect(found?.span(6)).toEqual({ firstSequence: 6, endSequence: 9 })
  })

  it('refuses to begin anew what an earlier run left and nobody can read', async () => {
    const before = bench()
    await before.begin('a')
    await before.fill('a', 2)
    await before.shelf.stop()
    writeFileSync(join(before.folder, 'spool', 'a', 'recording.json'), '{}')
    const after = bench(before)
    await after.shelf.recover()
    expect(after.shelf.find('a')).toBeUndefined()
    await expect(after.begin('a')).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' })
    expect(readdirSync(join(before.folder, 'spool', 'a')).length).toBeGreaterThan(1)
    await after.begin('b')
  })

  it('removes what an earlier run left of a deleted asset', async () => {
    const before = bench()
    await before.begin('a')
    await before.fill('a', 2)
    await before.shelf.stop()
    const after = bench(before)
    after.deleted.add('a')
    await after.shelf.recover()
    expect(after.shelf.find('a')).toBeUndefined()
    expect(readdirSync(join(before.folder, 'spool'))).toEqual([])
  })

  it('ends what a channel has left, also with a segment open, and nothing else', async () => {
    const made = bench()
    for (const id of ['whole', 'torn', 'foreign']) await made.begin(id)
    await made.fill('whole', 2)
    await made.fill('torn', 2, false)
    await made.fill('foreign', 1)
    for (const id of ['whole', 'torn']) made.shelf.leave(id)
    made.shelf.endLeft('another-channel')
    expect(made.shelf.find('whole')?.state).toBe('left')
    const recordings = ['whole', 'torn'].map((id) => made.shelf.find(id)?.recording)
    made.shelf.endLeft('ch')
    await Promise.all(recordings.map((recording) => recording?.settled()))
    expect(made.shelf.find('whole')).toMatchObject({ log: { view: { ended: true, endSequence: 2 } } })
    expect(made.shelf.find('torn')).toMatchObject({ log: { view: { ended: true, endSequence: 2 } } })
    expect(made.shelf.find('torn')?.log.view.segment(1)?.gap).toBe(true)
    expect(made.shelf.find('foreign')?.state).toBe('growing')
  })

  it('loads what is archived when it is asked for, once, and puts away what was asked for longest ago', async () => {
    const before = bench()
    for (const id of ['a', 'b', 'c']) {
      await before.begin(id)
      await before.fill(id, 4)
      await before.shelf.end(id)
      await before.archived(id)
    }
    const indexBytes = before.shelf.find('a')!.log.indexBytes
    const after = bench(before, 2 * indexBytes)
    const lists = () => after.storage.calls.filter(({ op }) => op === 'list').length
    const listed = lists()
    const owner = after.owner('a').accountId
    expect(await Promise.all([after.shelf.load('a', owner), after.shelf.load('a', owner)])).toEqual([true, true])
    expect(lists() - listed).toBe(1)
    expect(after.shelf.find('a')?.log.view).toMatchObject({ ended: true, archived: true, endSequence: 4 })
    expect(await after.shelf.load('unknown', owner)).toBe(false)
    for (const id of ['b', 'c']) await after.shelf.load(id, owner)
    expect([...after.shelf.all].map(({ assetId }) => assetId)).toEqual(['b', 'c'])
    expect(await after.shelf.load('a', owner)).toBe(true)
    expect([...after.shelf.all].map(({ assetId }) => assetId)).toEqual(['c', 'a'])
  })

  it('keeps nothing of a discarded presentation on this node', async () => {
    const made = bench()
    await made.begin('a')
    await made.fill('a', 2)
    const { recording } = made.shelf.find('a')!
    made.shelf.discard('a')
    made.shelf.discard('unknown')
    await recording?.discard()
    expect(made.shelf.find('a')).toBeUndefined()
    expect([made.memory.usedBytes, readdirSync(join(made.folder, 'spool'))]).toEqual([0, []])
  })

  it('tells who comes later of what is there, and nothing when it stops', async () => {
    const made = bench()
    await made.begin('a')
    const late: string[] = []
    const end = made.shelf.subscribe({ opened: (id) => void late.push(id), closed: () => void late.push('closed') })
    end()
    await made.begin('b')
    expect(late).toEqual(['a'])
    await made.shelf.stop()
    expect(made.heard).toEqual(['+a growing', '+b growing'])
  })
})
