import type { ListQuery, NewEntity } from '../../src/domain/entity-store.ts'
import { open } from './store-engine.ts'

const OPERATIONS = 100
const ACCOUNT = 'scale'

const WINDOWS = 5

/** `quietP99Ms` is that of the quietest fifth of the calls: other work on the machine doesn't reach every fifth, a slow query does. */
export type Figure = {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly quietP99Ms: number
  readonly maxMs: number
}

/** How long each kind of call takes, and opening the store. */
export type ScaleFigures = { readonly openMs: number; readonly calls: Readonly<Record<string, Figure>> }

const idOf = (kind: string, index: number) => `${kind}-${((index * 7_919) % 1_000_003).toString(36).padStart(5, '0')}`

function* entities(assets: number, locators: number): Generator<NewEntity> {
  for (let index = 0; index < assets; index++) {
    const tags = { show: `show-${index % 50}`, year: String(2_000 + (index % 25)) }
    const body = { tracks: ['video', 'audio'], note: 'x'.repeat(300) }
    yield {
      kind: 'asset',
      id: idOf('asset', index),
      accountId: ACCOUNT,
      name: `Show ${index % 50} / part ${index}`,
      tags,
      body,
    }
  }
  for (let index = 0; index < locators; index++) {
    const id = idOf('asset', index % assets)
    const refs = [{ relation: 'asset', kind: 'asset', id, onDelete: 'cascade' as const }]
    yield { kind: 'locator', id: idOf('locator', index), accountId: ACCOUNT, refs, body: { path: `/p/${index}` } }
  }
}

async function fill(url: string, assets: number, locators: number): Promise<void> {
  const store = await open(url)
  let batch: NewEntity[] = []
  const flush = async () => {
    await store.transaction(batch.map((entity) => ({ op: 'create', entity })))
    batch = []
  }
  for (const entity of entities(assets, locators)) if (batch.push(entity) === OPERATIONS) await flush()
  if (batch.length > 0) await flush()
  await store.stop()
}

/** How long a call takes, one after another. */
export async function measure(rounds: number, call: (round: number) => Promise<unknown>): Promise<Figure> {
  const tookMs: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    await call(round)
    tookMs.push(performance.now() - start)
  }
  const windowCalls = Math.ceil(rounds / WINDOWS)
  const windows = Array.from({ length: WINDOWS }, (_, index) =>
    tookMs.slice(index * windowCalls, (index + 1) * windowCalls),
  )
  return {
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
    quietP99Ms: Math.min(...windows.map((window) => percentile(window, 0.99))),
    maxMs: Math.max(...tookMs),
  }
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
}

/** Fills a store, opens it anew and measures the pages and look-ups that an API asks for. */
export async function measureScale(
  url: string,
  assets: number,
  locators: number,
  rounds: number,
): Promise<ScaleFigures> {
  await fill(url, assets, locators)
  const start = performance.now()
  const store = await open(url)
  await store.sequence()
  const openMs = performance.now() - start
  const list = (query: Omit<ListQuery, 'accountId' | 'limit'>) =>
    store.list({ ...query, accountId: ACCOUNT, limit: 50 })
  const cursors = new Map<string, string | undefined>()
  const walk = async (kind: string) => {
    const cursor = cursors.get(kind)
    const page = await list({ kind, ...(cursor !== undefined && { cursor }) })
    cursors.set(kind, page.cursor)
  }
  const some = (round: number, count: number) => (round * 613) % count
  const calls = {
    get: await measure(rounds, (round) => store.get('locator', idOf('locator', some(round, locators)))),
    getByName: await measure(rounds, (round) => {
      const index = some(round, assets)
      return store.getByName(ACCOUNT, 'asset', `Show ${index % 50} / part ${index}`)
    }),
    pageOfAssets: await measure(rounds, () => walk('asset')),
    pageOfLocators: await measure(rounds, () => walk('locator')),
    byTag: await measure(rounds, (round) => list({ kind: 'asset', tag: { key: 'show', value: `show-${round % 50}` } })),
    byRareTag: await measure(rounds, () => list({ kind: 'asset', tag: { key: 'show', value: 'none' } })),
    byReference: await measure(rounds, (round) =>
      list({ kind: 'locator', reference: { relation: 'asset', id: idOf('asset', some(round, assets)) } }),
    ),
    byPrefix: await measure(rounds, (round) => list({ kind: 'asset', namePrefix: `Show ${round % 50}` })),
    byRarePrefix: await measure(rounds, (round) =>
      list({ kind: 'asset', namePrefix: `Show 7 / part ${some(round, assets)}` }),
    ),
    byPrefixOfLocators: await measure(rounds, () => list({ kind: 'locator', namePrefix: 'none' })),
  }
  await store.stop()
  return { openMs, calls }
}

/** The figures as lines of text. */
export function describeScale({ openMs, calls }: ScaleFigures): string {
  const lines = Object.entries(calls).map(([name, { p50Ms, p99Ms, quietP99Ms, maxMs }]) => {
    return `${name.padEnd(20)} p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms (${quietP99Ms.toFixed(2)} ms)  max ${maxMs.toFixed(2)} ms`
  })
  return [`open ${openMs.toFixed(0)} ms`, ...lines, ''].join('\n')
}
