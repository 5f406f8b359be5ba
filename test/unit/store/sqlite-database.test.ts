import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { systemClock, VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import type { Batch } from '../../../src/store/batch.ts'
import { openStore } from '../../../src/store/open-store.ts'
import { SqliteDatabase, type SqliteOptions } from '../../../src/store/sqlite-database.ts'
import type { StartThread } from '../../../src/store/sqlite-link.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const silentThread: StartThread = (workerData) =>
  new Worker(new URL('./silent-thread.ts', import.meta.url), { workerData })
const batch = (mode: Batch['mode'], sql: string): Batch => ({ mode, statements: [{ sql, params: [] }] })

async function startSilent(options: Partial<SqliteOptions> = {}) {
  const clock = new VirtualClock()
  const budgets = {
    path: 'none',
    timeoutMs: 1_000,
    maxWaitingCalls: 3,
    maxWaitingBytes: 1_000_000,
    startThread: silentThread,
  }
  const database = new SqliteDatabase({ ...budgets, ...options }, clock, silentLogger)
  await database.start()
  return { clock, database }
}

describe('a thread that does not answer', { timeout: 30_000 }, () => {
  it('costs its callers no more than their deadline', async () => {
    const { clock, database } = await startSilent()
    const read = database.run(batch('read', 'select 1'), {})
    const write = database.run(batch('write', 'select 1'), { timeoutMs: 400 })
    // It never took the calls, so the write has certainly not happened.
    const refused = { code: 'STORE_DOWN', details: { outcome: 'not-applied' } }
    const both = Promise.all([
      expect(read).rejects.toMatchObject(refused),
      expect(write).rejects.toMatchObject(refused),
    ])
    await clock.advance(1_000)
    await both
    await database.run(batch('read', 'die'), { timeoutMs: 60_000 }).catch(() => undefined)
    await database.stop()
  })

  it('makes the outcome of a write that it has taken unknown, of a read not', async () => {
    const { clock, database } = await startSilent({ maxWaitingCalls: 10 })
    const calls = [database.run(batch('write', 'take'), {}), database.run(batch('read', 'take'), {})]
    const untaken = database.run(batch('write', 'hangs'), {})
    await database.run(batch('read', 'answer'), {})
    const all = Promise.allSettled([...calls, untaken])
    await clock.advance(1_000)
    const outcomes = (await all).map((result) => result.status === 'rejected' && result.reason.details.outcome)
    expect(outcomes).toEqual(['unknown', 'not-applied', 'not-applied'])
    const dying = [database.run(batch('write', 'take'), {}), database.run(batch('write', 'die'), {})]
    const ends = Promise.allSettled(dying)
    expect((await ends).map((result) => result.status === 'rejected' && result.reason.details.outcome)).toEqual([
      'unknown',
      'not-applied',
    ])
    await database.stop()
  })

  it('lets no more than its budgets wait, in calls and in bytes', async () => {
    const { clock, database } = await startSilent({ maxWaitingBytes: 5_000 })
    const large = batch('write', `select '${'x'.repeat(4_000)}'`)
    const waiting = [database.run(large, {})]
    await expect(database.run(large, {})).rejects.toMatchObject({ code: 'STORE_DOWN' })
    waiting.push(database.run(batch('read', 'select 1'), {}), database.run(batch('read', 'select 1'), {}))
    await expect(database.run(batch('read', 'select 1'), {})).rejects.toMatchObject({
      code: 'STORE_DOWN',
      message: expect.stringContaining('3 calls waiting'),
    })
    const failed = Promise.allSettled(waiting)
    await clock.advance(1_000)
    expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    // Their room is taken still: the thread may yet come to them.
    await expect(database.run(batch('read', 'select 1'), {})).rejects.toMatchObject({ code: 'STORE_DOWN' })
    let isStopped = false
    const stopped = database.stop().then(() => {
      isStopped = true
    })
    await vi.waitFor(
      async () => {
        await clock.advance(1_000)
        expect(isStopped).toBe(true)
      },
      { timeout: 20_000 },
    )
    await stopped
  }, 30_000)
})

describe('a thread that dies', () => {
  it('fails what waits, refuses what comes, and is started again later and later', async () => {
    const starts: number[] = []
    let now = () => 0
    const startThread: StartThread = (data) => {
      starts.push(now())
      if (starts.length === 2 || starts.length === 3) throw new Error('no more threads')
      return silentThread(data)
    }
    const { clock, database } = await startSilent({ startThread })
    now = () => clock.now()
    const answer = () => database.run(batch('read', 'answer'), {})
    expect(await answer()).toEqual({ kind: 'done', rows: [[{ n: 1 }]] })
    const waiting = [database.run(batch('write', 'hangs'), {}), database.run(batch('write', 'die'), {})]
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'STORE_DOWN' } })
    }
    await expect(answer()).rejects.toMatchObject({ code: 'STORE_DOWN', details: { outcome: 'not-applied' } })
    await vi.waitFor(
      async () => {
        await clock.advance(1)
        expect(await answer()).toMatchObject({ kind: 'done' })
      },
      { timeout: 20_000, interval: 1 },
    )
    const [, second = 0, third = 0, fourth = 0] = starts
    expect([third - second, fourth - third]).toEqual([100, 200])
    await database.stop()
    await expect(answer()).rejects.toMatchObject({ code: 'STOPPED' })
  }, 30_000)
})

describe('the SQLite file', { timeout: 60_000 }, () => {
  const open = (name: string, startThread?: StartThread) =>
    openStore(
      { url: `sqlite:${join(folder, name)}`, timeoutMs: 20_000, ...(startThread && { startThread }) },
      { clock: systemClock, logger: silentLogger },
    )

  it('is served again after its thread was ended in the middle of writes', async () => {
    const workers: Worker[] = []
    const store = await open('crash.db', (workerData) => {
      const worker = new Worker(new URL('../../../src/store/sqlite-thread.ts', import.meta.url), { workerData })
      workers.push(worker)
      return worker
    })
    for (let round = 0; round < 3; round++) {
      const ids = Array.from({ length: 40 }, (_, index) => `${round}-${index}`)
      const writes = ids.map((id) => store.create({ kind: 'k', id, accountId: 'a', body: {} }))
      await writes[0]
      void workers.at(-1)?.terminate()
      const results = await Promise.allSettled(writes)
      await vi.waitFor(() => store.sequence(), { timeout: 20_000 })
      for (const [index, result] of results.entries()) {
        const found = await store.get('k', ids[index] ?? '')
        if (result.status === 'fulfilled') expect(found).toEqual(result.value)
        else {
          expect(result.reason).toMatchObject({ code: 'STORE_DOWN' })
          if (result.reason.details.outcome === 'not-applied') expect(found).toBeUndefined()
        }
      }
    }
    expect(workers).toHaveLength(4)
    await store.stop()
  }, 60_000)

  it('is refused where it can not be opened or is none', async () => {
    await expect(open('missing/folder/x.db')).rejects.toMatchObject({ code: 'STORE_DOWN' })
    writeFileSync(join(folder, 'text.db'), 'not a database, but long enough to have a header of its own'.repeat(40))
    await expect(open('text.db')).rejects.toMatchObject({
      code: 'STORE_DOWN',
      message: expect.stringContaining('not a database'),
    })
    for (const url of ['', 'sqlite:', 'mysql://x', '/tmp/x.db']) {
      await expect(openStore({ url }, { clock: systemClock, logger: silentLogger })).rejects.toMatchObject({
        code: 'STORE_INPUT_INVALID',
      })
    }
  })
})
