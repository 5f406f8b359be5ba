import type { Store } from '../../src/domain/entity-store.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { openStore, type StoreOptions } from '../../src/store/open-store.ts'

/** What the contract needs of an engine under test. */
export type StoreEngine = {
  readonly name: string
  /** Whether a store that is held up answers reads still (SQLite's WAL) or nothing. */
  readonly readsGoOn: boolean
  start(): Promise<void>
  stop(): Promise<void>
  /** An empty database. */
  freshUrl(): Promise<string>
  /** Somebody else's statement on the database. */
  execute(url: string, sql: string): Promise<readonly Record<string, unknown>[]>
  /** Holds the store up from outside until the function that it gives is called. */
  holdUp(url: string): Promise<() => Promise<void>>
}

/** A store on the machine's clock that says nothing. */
export function open(url: string, options: Omit<StoreOptions, 'url'> = {}): Promise<Store> {
  // Far beyond what a busy machine takes: only the tests of deadlines are about deadlines.
  return openStore({ timeoutMs: 30_000, ...options, url }, { clock: systemClock, logger: silentLogger })
}

let count = 0

/** A name that no other test of the file uses. */
export function unique(prefix: string): string {
  return `${prefix}-${++count}`
}

/** The code and details of what a call failed with; fails itself where the call succeeds. */
export async function failureOf(call: Promise<unknown>): Promise<{ code: string; details: Record<string, unknown> }> {
  const outcome = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('value' in outcome) throw new Error(`it succeeded: ${JSON.stringify(outcome.value)}`)
  const { code, details } = outcome.error as { code?: string; details?: Record<string, unknown> }
  if (code === undefined) throw outcome.error
  return { code, details: details ?? {} }
}
