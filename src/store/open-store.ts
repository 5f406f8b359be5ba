import type { Store } from '../domain/entity-store.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Scope } from '../lib/scope.ts'
import { createBuilder } from './builder.ts'
import type { Database } from './database.ts'
import { DatabaseStore } from './database-store.ts'
import { migrate } from './migrate.ts'
import { type Retention, RetentionSweep } from './retention.ts'
import { SqliteDatabase } from './sqlite-database.ts'
import type { StartThread } from './sqlite-link.ts'

const DAY_MS = 86_400_000
const MIGRATION_TIMEOUT_MS = 30_000

/** Which store to open, and its budgets. */
export type StoreOptions = {
  /** `sqlite:PATH`, or `postgres://…`, which may hold a password and is never written anywhere. */
  readonly url: string
  /** The deadline of a call that brings none (2 s); also PostgreSQL's `statement_timeout`. */
  readonly timeoutMs?: number
  /** Calls beyond this many that wait (256), or this many bytes (64 MiB), fail at once. */
  readonly maxWaitingCalls?: number
  readonly maxWaitingBytes?: number
  /** Connections to PostgreSQL (8). */
  readonly poolSize?: number
  /** How soon a watch sees another process's writes (250 ms; 1 s with SQLite, which is hardly ever shared). */
  readonly pollMs?: number
  /** Changes are kept for a day, events for a week, audit records for 400 days, where it says nothing else. */
  readonly retention?: Partial<Retention>
  /** Another way to make SQLite's thread, for tests that end it. */
  readonly startThread?: StartThread
}

/** What the store needs of its surroundings. */
export type StorePorts = { readonly clock: Clock; readonly logger: Logger }

async function startDatabase(options: StoreOptions, { clock, logger }: StorePorts): Promise<Database> {
  const {
    url,
    timeoutMs = 2_000,
    maxWaitingCalls = 256,
    maxWaitingBytes = 67_108_864,
    poolSize = 8,
    startThread,
  } = options
  const budgets = { timeoutMs, maxWaitingCalls, maxWaitingBytes }
  if (url.startsWith('sqlite:') && url.length > 'sqlite:'.length) {
    const path = url.slice('sqlite:'.length)
    const database = new SqliteDatabase({ path, ...budgets, ...(startThread && { startThread }) }, clock, logger)
    await database.start()
    return database
  }
  if (/^postgres(ql)?:\/\//.test(url)) {
    // Whoever has none needs not have its driver in memory.
    const { PostgresDatabase } = await import('./postgres-database.ts')
    return new PostgresDatabase({ url, poolSize, ...budgets }, clock, logger)
  }
  throw new AppError('STORE_INPUT_INVALID', "the store's URL begins neither with sqlite: nor with postgres://")
}

/**
 * Opens the store and brings its schema to this program's version.
 * @throws AppError `STORE_DOWN` where it can't be reached, `STORE_SCHEMA_NEWER`, `STORE_INPUT_INVALID` for another URL
 */
export async function openStore(options: StoreOptions, ports: StorePorts): Promise<Store> {
  const { clock, logger } = ports
  const scope = new Scope()
  const database = scope.own('the database', await startDatabase(options, ports))
  try {
    await migrate(database, clock, { timeoutMs: MIGRATION_TIMEOUT_MS })
  } catch (error) {
    await scope.stop()
    throw error
  }
  const store = new DatabaseStore(database, clock, options.pollMs ?? (database.dialect === 'sqlite' ? 1_000 : 250))
  const retention = { changeMs: DAY_MS, eventMs: 7 * DAY_MS, auditMs: 400 * DAY_MS, ...options.retention }
  const sweep = scope.own(
    'its retention',
    new RetentionSweep(database, createBuilder(database.dialect), clock, logger, retention),
  )
  sweep.start()
  scope.add('its watches', () => store.endWatches())
  return Object.assign(store, { stop: () => scope.stop() })
}
