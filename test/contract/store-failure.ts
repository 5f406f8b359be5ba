import { expect, it } from 'vitest'
import type { Store } from '../../src/domain/entity-store.ts'
import { failureOf, open, type StoreEngine, unique } from './store-engine.ts'

/** How late an answer may be on a machine that others use as well. */
const SLACK_MS = 1_500

async function timed(call: Promise<unknown>) {
  const start = performance.now()
  const failure = await failureOf(call)
  return { ...failure, tookMs: performance.now() - start }
}

/** Puts the store that is held up through its calls, then lets it go. */
async function whileHeldUp(
  engine: StoreEngine,
  url: string,
  run: (resume: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const letGo = await engine.holdUp(url)
  let isHeld = true
  const resume = async () => {
    if (isHeld) await letGo()
    isHeld = false
  }
  try {
    await run(resume)
  } finally {
    await resume()
  }
}

/** Resolves when the store has answered a call of its own again: its watch has seen what somebody else wrote after `from`. */
async function whenItAnswers(
  store: Store,
  url: string,
  from: number,
  entity: Parameters<Store['create']>[0],
): Promise<void> {
  const other = await open(url)
  try {
    await other.create(entity, { timeoutMs: 20_000 })
  } finally {
    await other.stop()
  }
  for await (const changes of store.watch(from, AbortSignal.timeout(20_000))) {
    if (changes.some(({ id }) => id === entity.id)) return
  }
}

/** A store that is down or slow fails its callers in time and costs nobody else anything. */
export function failureContract(engine: StoreEngine): void {
  const withStore = async (options: Parameters<typeof open>[1], run: (store: Store, url: string) => Promise<void>) => {
    const url = await engine.freshUrl()
    const store = await open(url, options)
    try {
      await run(store, url)
    } finally {
      await store.stop()
    }
  }
  const entity = () => ({ kind: 'k', id: unique('slow'), accountId: 'a', body: {} })

  it(
    'fails calls by their deadline while it is held up, and works again',
    () =>
      withStore({ timeoutMs: 400 }, async (store, url) => {
        const before = await store.create(entity())
        await whileHeldUp(engine, url, async (resume) => {
          const writes = await Promise.all(Array.from({ length: 5 }, () => timed(store.create(entity()))))
          for (const { code, details, tookMs } of writes) {
            expect(code).toBe('STORE_DOWN')
            expect(details).toEqual({ outcome: 'not-applied' })
            expect(tookMs).toBeGreaterThan(390)
            expect(tookMs).toBeLessThan(400 + SLACK_MS)
          }
          if (engine.readsGoOn) expect(await store.get('k', before.id)).toEqual(before)
          else expect(await failureOf(store.get('k', before.id))).toMatchObject({ code: 'STORE_DOWN' })
          const short = await timed(store.create(entity(), { timeoutMs: 50 }))
          expect(short).toMatchObject({ code: 'STORE_DOWN' })
          expect(short.tookMs).toBeLessThan(50 + SLACK_MS)
          const controller = new AbortController()
          const aborted = timed(store.create(entity(), { signal: controller.signal, timeoutMs: 60_000 }))
          controller.abort()
          expect(await aborted).toMatchObject({ code: 'STORE_DOWN' })
          await resume()
        })
        expect(await store.get('k', before.id, { timeoutMs: 20_000 })).toEqual(before)
        const after = await store.create(entity(), { timeoutMs: 20_000 })
        const { items } = await store.list({ accountId: 'a', kind: 'k', limit: 100 }, { timeoutMs: 20_000 })
        expect(items).toEqual([before, after])
      }),
    60_000,
  )

  it('answers an aborted call without asking', () =>
    withStore({}, async (store) => {
      const signal = AbortSignal.abort()
      const refused = { code: 'STORE_DOWN', details: { outcome: 'not-applied' } }
      expect(await failureOf(store.create(entity(), { signal }))).toEqual(refused)
      expect(await failureOf(store.get('k', 'x', { signal }))).toEqual(refused)
      expect((await store.list({ accountId: 'a', kind: 'k', limit: 9 })).items).toEqual([])
    }))

  it(
    'refuses at once what would wait behind too many',
    () =>
      withStore({ timeoutMs: 1_500, maxWaitingCalls: 6 }, async (store, url) => {
        const from = await store.sequence()
        await whileHeldUp(engine, url, async () => {
          const waiting = Array.from({ length: 6 }, () => timed(store.create(entity())))
          const beyond = await timed(store.create(entity()))
          expect(beyond).toMatchObject({ code: 'STORE_DOWN', details: { outcome: 'not-applied' } })
          expect(beyond.tookMs).toBeLessThan(1_000)
          for (const { code, tookMs } of await Promise.all(waiting)) {
            expect(code).toBe('STORE_DOWN')
            expect(tookMs).toBeGreaterThan(1_400)
          }
        })
        // What was given up holds its place until the store has passed it by: there is room again when it has.
        await whenItAnswers(store, url, from, entity())
        await store.create(entity(), { timeoutMs: 20_000 })
      }),
    60_000,
  )

  it(
    'waits with a watch until the store is back',
    () =>
      withStore({ timeoutMs: 2_000 }, async (store, url) => {
        const controller = new AbortController()
        const seen: string[] = []
        const watching = (async () => {
          for await (const changes of store.watch(await store.sequence(), controller.signal)) {
            seen.push(...changes.map(({ id }) => id))
            if (seen.length === 2) return
          }
        })()
        const first = await store.create(entity(), { timeoutMs: 20_000 })
        await whileHeldUp(engine, url, async () => {
          expect(await failureOf(store.create(entity()))).toMatchObject({ code: 'STORE_DOWN' })
        })
        const second = await store.create(entity(), { timeoutMs: 20_000 })
        await watching
        expect(seen).toEqual([first.id, second.id])
        controller.abort()
      }),
    60_000,
  )

  it('stops in time while it is held up', async () => {
    const url = await engine.freshUrl()
    const store = await open(url, { timeoutMs: 500 })
    await whileHeldUp(engine, url, async () => {
      const call = failureOf(store.create(entity()))
      const start = performance.now()
      await store.stop()
      expect(performance.now() - start).toBeLessThan(5_000 + SLACK_MS)
      expect(await call).toMatchObject({ code: 'STORE_DOWN' })
    })
  }, 60_000)
}
