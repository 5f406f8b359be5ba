import { expect, it, vi } from 'vitest'
import type { Change, Store } from '../../src/domain/entity-store.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { openStore } from '../../src/store/open-store.ts'
import { failureOf, open, type StoreEngine, unique } from './store-engine.ts'

/** Reads the feed until `isEnough`, or for too long. */
async function readFeed(
  store: Store,
  since: number,
  isEnough: (changes: readonly Change[]) => boolean,
): Promise<Change[]> {
  const all: Change[] = []
  if (isEnough(all)) return all
  for await (const changes of store.watch(since, AbortSignal.timeout(30_000))) {
    expect(changes.length).toBeGreaterThan(0)
    all.push(...changes)
    if (isEnough(all)) return all
  }
  throw new Error(`the feed ended after ${all.length} changes`)
}

/** Changes, audit records and events. */
export function feedContract(store: () => Store, url: () => string): void {
  it('tells of every write, in order, however many write at once', async () => {
    const other = await open(url())
    try {
      const since = await store().sequence()
      const watching = readFeed(store(), since, (changes) => changes.filter(({ op }) => op === 'delete').length === 60)
      const accountId = unique('account')
      const ids = await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const writer = index % 2 === 0 ? store() : other
          const key = { kind: 'k', id: unique('fed') }
          const { etag } = await writer.create({ ...key, accountId, body: 0 })
          await writer.update({ ...key, body: 1 }, etag)
          await writer.delete(key.kind, key.id)
          return key.id
        }),
      )
      const changes = await watching
      const sequences = changes.map(({ sequence }) => sequence)
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b))
      expect(new Set(sequences).size).toBe(180)
      for (const id of ids) {
        const mine = changes.filter((change) => change.id === id)
        expect(mine.map(({ op }) => op)).toEqual(['create', 'update', 'delete'])
        expect(mine[0]).toMatchObject({ kind: 'k', accountId })
      }
      expect(await readFeed(other, since, (again) => again.length === 180)).toEqual(changes)
      expect(await store().sequence()).toBe(sequences.at(-1))
    } finally {
      await other.stop()
    }
  })

  it('ends a watch with its signal and with the store', async () => {
    const other = await open(url())
    const since = await other.sequence()
    const controller = new AbortController()
    const drain = async (signal: AbortSignal) => {
      for await (const _ of other.watch(since, signal)) throw new Error('nothing was written')
    }
    const aborted = drain(controller.signal)
    const stopped = drain(new AbortController().signal)
    controller.abort()
    await aborted
    await drain(AbortSignal.abort())
    await other.stop()
    await stopped
    expect(await failureOf(other.get('k', 'x'))).toMatchObject({ code: 'STOPPED' })
    expect(await failureOf(other.create({ kind: 'k', id: 'x', accountId: 'a', body: 0 }))).toMatchObject({
      code: 'STOPPED',
    })
    await other.stop()
  })

  it('refuses a sequence that is none', () => {
    for (const since of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => store().watch(since, new AbortController().signal)).toThrow(/sinceSequence/)
    }
  })

  it('appends records that are read from either end', async () => {
    const [accountId, otherId] = [unique('account'), unique('account')]
    const sequences: number[] = []
    for (let index = 0; index < 10; index++) {
      const record = {
        accountId: index % 5 === 4 ? otherId : accountId,
        kind: `k${index}`,
        subject: `s${index % 2}`,
        body: { index },
      }
      const [sequence] = await store().transaction([{ op: 'append', log: 'event', record }])
      sequences.push(sequence)
    }
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
    const query = { log: 'event', order: 'oldest-first', limit: 100 } as const
    const indices = async (more: object) => {
      const { records } = await store().readRecords({ ...query, afterSequence: (sequences[0] ?? 0) - 1, ...more })
      return records.map(({ body }) => (body as { index: number }).index)
    }
    expect(await indices({})).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(await indices({ accountId })).toEqual([0, 1, 2, 3, 5, 6, 7, 8])
    expect(await indices({ accountId, subject: 's1', limit: 2 })).toEqual([1, 3])
    expect(await indices({ afterSequence: sequences[6] })).toEqual([7, 8, 9])
    expect(await indices({ order: 'newest-first', beforeSequence: sequences[8], limit: 3 })).toEqual([7, 6, 5])
    const { records } = await store().readRecords({ ...query, accountId, limit: 1 })
    expect(records[0]).toMatchObject({
      sequence: sequences[0],
      accountId,
      kind: 'k0',
      subject: 's0',
      body: { index: 0 },
    })
    expect(Math.abs((records[0]?.at ?? 0) - Date.now())).toBeLessThan(600_000)
    expect((await store().readRecords({ ...query, log: 'audit', accountId })).records).toEqual([])
  })
}

/** What becomes of old rows, and of schemas. */
export function schemaContract(engine: StoreEngine): void {
  it('migrates once when several open at once', async () => {
    const url = await engine.freshUrl()
    const stores = await Promise.all([open(url), open(url), open(url)])
    const [first, second] = stores
    await first?.create({ kind: 'k', id: 'x', accountId: 'a', body: 1 })
    expect(await second?.get('k', 'x')).toMatchObject({ body: 1 })
    await Promise.all(stores.map((store) => store.stop()))
    const versions = await engine.execute(url, 'select version from schema_migration')
    expect(versions.map(({ version }) => Number(version))).toEqual([1])
    const again = await open(url)
    expect(await again.get('k', 'x')).toMatchObject({ body: 1 })
    await again.stop()
  })

  it('refuses the schema of a newer program, and leaves it alone', async () => {
    const url = await engine.freshUrl()
    await (await open(url)).stop()
    await engine.execute(url, 'insert into schema_migration (version, applied) values (7, 0)')
    await expect(open(url)).rejects.toMatchObject({
      code: 'STORE_SCHEMA_NEWER',
      message: expect.stringContaining('version 7'),
      details: { found: 7, known: 1 },
    })
    expect(await engine.execute(url, 'select version from schema_migration')).toHaveLength(2)
  })

  it('forgets what is old, and says so to who asks for it', async () => {
    const clock = new VirtualClock()
    const hourMs = 3_600_000
    const retention = { changeMs: hourMs, eventMs: 2 * hourMs, auditMs: 100 * hourMs }
    const url = await engine.freshUrl()
    const store = await openStore({ url, retention, timeoutMs: 600_000 }, { clock, logger: silentLogger })
    try {
      const accountId = 'a'
      const expires = clock.now() + hourMs
      await store.transaction([
        { op: 'append', log: 'audit', record: { accountId, kind: 'k', body: 0 } },
        { op: 'remember', accountId, key: 'old', requestHash: 'h', answer: 0, expires },
        { op: 'remember', accountId, key: 'new', requestHash: 'h', answer: 0, expires: expires + 10 * hourMs },
      ])
      const event = { op: 'append', log: 'event', record: { accountId, kind: 'k', body: 0 } } as const
      for (let block = 0; block < 6; block++) await store.transaction(Array.from({ length: 100 }, () => event))
      for (const id of ['x', 'y']) await store.create({ kind: 'k', id, accountId, body: 0 })
      const newest = await store.sequence()
      const logs = async () => {
        const query = { order: 'oldest-first', limit: 1_000 } as const
        const [events, audit] = [
          await store.readRecords({ ...query, log: 'event' }),
          await store.readRecords({ ...query, log: 'audit' }),
        ]
        const keys = await engine.execute(url, 'select key from idempotency_key')
        const changes = await engine.execute(url, 'select sequence from change')
        return {
          events: events.records.length,
          pruned: events.prunedThrough,
          audit: audit.records.length,
          keys,
          changes: changes.length,
        }
      }
      const advanceUntil = (check: () => Promise<void>) =>
        vi.waitFor(
          async () => {
            await clock.advance(60_000)
            await check()
          },
          { timeout: 30_000, interval: 5 },
        )
      await clock.advance(hourMs + 1)
      await advanceUntil(async () =>
        expect(await logs()).toMatchObject({ changes: 0, events: 600, keys: [{ key: 'new' }] }),
      )
      await clock.advance(hourMs)
      await advanceUntil(async () => expect((await logs()).events).toBe(0))
      expect(await logs()).toMatchObject({ audit: 1, keys: [{ key: 'new' }], pruned: 600 })
      expect(await store.sequence()).toBe(newest)
      const missed = store.watch(newest - 1, new AbortController().signal)[Symbol.asyncIterator]()
      expect(await failureOf(missed.next())).toMatchObject({ code: 'CHANGES_GONE', details: { prunedThrough: newest } })
      const current = store.watch(newest, new AbortController().signal)[Symbol.asyncIterator]()
      const { etag } = await store.create({ kind: 'k', id: 'z', accountId, body: 0 })
      expect((await current.next()).value).toMatchObject([{ op: 'create', id: 'z', sequence: newest + 1 }])
      expect((await store.get('k', 'z'))?.etag).toBe(etag)
    } finally {
      await store.stop()
    }
  }, 60_000)
}
