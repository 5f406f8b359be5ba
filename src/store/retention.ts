import { sql } from 'kysely'
import type { RecordLog } from '../domain/entity-store.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Statement } from './batch.ts'
import { type Builder, statementOf } from './builder.ts'
import type { Database } from './database.ts'

/** How long, in milliseconds, each of the append-only tables keeps a row. */
export type Retention = { readonly changeMs: number; readonly auditMs: number; readonly eventMs: number }

/** How many rows one transaction deletes at most: nobody waits long for it. */
const CHUNK_ROWS = 500
const SWEEP_MS = 60_000

const logs: readonly (readonly [RecordLog | 'change', string, keyof Retention])[] = [
  ['change', 'change', 'changeMs'],
  ['audit', 'audit_record', 'auditMs'],
  ['event', 'event_record', 'eventMs'],
]

/** Moves the mark over the old ones among the first rows, then deletes up to the mark: who reads behind it is told. */
function pruneStatements(builder: Builder, log: string, table: string, beforeMs: number): Statement[] {
  const compiled = (query: ReturnType<typeof sql>) => statementOf({ compile: () => query.compile(builder) })
  const first = sql`select sequence, at from ${sql.table(table)} order by sequence limit ${sql.lit(CHUNK_ROWS)}`
  return [
    compiled(sql`update prune_mark set through = coalesce(
      (select max(sequence) from (${first}) as oldest where at < ${beforeMs}), through) where log = ${log}`),
    compiled(sql`delete from ${sql.table(table)}
      where sequence <= (select through from prune_mark where log = ${log}) returning sequence`),
  ]
}

function expiryStatements(builder: Builder, nowMs: number): Statement[] {
  const expired = builder.selectFrom('idempotency_key').select(['account_id', 'key']).where('expires', '<=', nowMs)
  const query = sql`delete from idempotency_key where (account_id, key) in (${expired.limit(CHUNK_ROWS)}) returning key`
  return [statementOf({ compile: () => query.compile(builder) })]
}

/** Deletes by age what the append-only tables hold for too long, a little at a time, every minute. */
export class RetentionSweep {
  readonly #database: Database
  readonly #builder: Builder
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #retention: Retention
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(database: Database, builder: Builder, clock: Clock, logger: Logger, retention: Retention) {
    this.#database = database
    this.#builder = builder
    this.#clock = clock
    this.#logger = logger
    this.#retention = retention
  }

  start(): void {
    this.#running = this.#sweepUntilStopped()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #sweepUntilStopped(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#clock.sleep(SWEEP_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      try {
        await this.#sweep()
      } catch (error) {
        if (!signal.aborted)
          this.#logger.warn({ problem: messageOf(error) }, 'old records could not be deleted; tried again')
      }
    }
  }

  async #sweep(): Promise<void> {
    const nowMs = Math.trunc(this.#clock.now())
    for (const [log, table, age] of logs) {
      const beforeMs = nowMs - this.#retention[age]
      await this.#repeat(() => pruneStatements(this.#builder, log, table, beforeMs))
    }
    await this.#repeat(() => expiryStatements(this.#builder, nowMs))
  }

  /** Until the last statement of a round finds less than a whole chunk. */
  async #repeat(statements: () => Statement[]): Promise<void> {
    for (let deleted = CHUNK_ROWS; deleted >= CHUNK_ROWS && !this.#stop.signal.aborted; ) {
      const batch = { mode: 'write', statements: statements() } as const
      const result = await this.#database.run(batch, { signal: this.#stop.signal })
      deleted = result.kind === 'done' ? (result.rows.at(-1)?.length ?? 0) : 0
    }
  }
}
