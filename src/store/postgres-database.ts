import { Socket } from 'node:net'
import { Pool, type PoolClient, type PoolConfig } from 'pg'
import type { CallLimits } from '../domain/entity-store.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { type Batch, type BatchResult, batchSizeBytes, type Row, unexpected } from './batch.ts'
import { Admission, startDeadline, storeDown, storeStopped } from './call-limits.ts'
import type { Database } from './database.ts'
import { faultCodeOf, isConflict, isOurMistake } from './postgres-errors.ts'

/** ms */
const STOP_GRACE_MS = 2_000
const IDLE_IN_TRANSACTION_MS = 10_000
const MAX_TRIES = 6
/** OID of `bigint`: all of ours are below 2^53. */
const INT8 = 20

/**
 * One writer at a time in the whole database, as in SQLite: so the sequences of the outbox become visible in their order (a
 * reader of the feed misses none), checks and writes of a batch are one, and no transaction has to be repeated. The lock
 * is taken before the first snapshot, lasts for the transaction and goes with its connection.
 */
function beginWrite(timeoutMs: number): string {
  // 0 would switch the limit off.
  const limitMs = Math.max(1, Math.trunc(timeoutMs))
  return `begin isolation level read committed read write; set local statement_timeout = ${limitMs};
    select pg_advisory_xact_lock(1214603620, 1)`
}

/** `url` may hold a password: it is never written anywhere. */
export type PostgresOptions = {
  readonly url: string
  readonly poolSize: number
  readonly timeoutMs: number
  readonly maxWaitingCalls: number
  readonly maxWaitingBytes: number
}

/** What became of a call by the time its deadline passes. */
type Progress = {
  readonly timeoutMs: number
  client: PoolClient | undefined
  isAbandoned: boolean
  isCommitting: boolean
}

/** A PostgreSQL server behind a pool of connections. */
export class PostgresDatabase implements Database {
  readonly dialect = 'postgres'
  readonly #options: PostgresOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #admission: Admission
  readonly #sockets = new Set<Socket>()
  readonly #pool: Pool
  #stopped: Promise<void> | undefined

  constructor(options: PostgresOptions, clock: Clock, logger: Logger) {
    this.#options = options
    this.#clock = clock
    this.#logger = logger
    this.#admission = new Admission(options.maxWaitingCalls, options.maxWaitingBytes)
    this.#pool = new Pool(this.#poolConfig())
    // A connection that breaks while nobody uses it: the pool has let go of it already.
    this.#pool.on('error', (error) => this.#logger.warn({ err: error }, 'a connection to the store broke'))
  }

  async run(batch: Batch, limits: CallLimits): Promise<BatchResult> {
    if (this.#stopped) throw storeStopped()
    if (limits.signal?.aborted) throw storeDown('was not waited for', 'not-applied', limits.signal.reason)
    const leave = this.#admission.enter(batchSizeBytes(batch))
    const { timeoutMs = this.#options.timeoutMs } = limits
    const progress: Progress = { timeoutMs, client: undefined, isAbandoned: false, isCommitting: false }
    const expired = Promise.withResolvers<never>()
    const deadline = startDeadline(this.#clock, { ...limits, timeoutMs }, (problem, cause) => {
      progress.isAbandoned = true
      expired.reject(storeDown(problem, progress.isCommitting ? 'unknown' : 'not-applied', cause))
      // Without its connection the server undoes what was not committed.
      this.#giveBack(progress, true)
    })
    const work = this.#runWithRetries(batch, progress).finally(() => {
      deadline.cancel()
      leave()
    })
    return Promise.race([work, expired.promise])
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const grace = this.#clock.after(STOP_GRACE_MS, () => {
      for (const socket of this.#sockets) socket.destroy()
    })
    await this.#pool.end()
    grace.cancel()
    for (const socket of this.#sockets) socket.destroy()
  }

  #poolConfig(): PoolConfig {
    const { url, poolSize, timeoutMs } = this.#options
    return {
      connectionString: url,
      max: poolSize,
      connectionTimeoutMillis: timeoutMs,
      statement_timeout: timeoutMs,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      application_name: 'headend',
      keepAlive: true,
      types: { getTypeParser: (oid: number) => (oid === INT8 ? Number : String) },
      // Our own sockets, so that `stop` can end those that a suspended server leaves open.
      stream: () => {
        const socket = new Socket()
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
        return socket
      },
    }
  }

  async #runWithRetries(batch: Batch, progress: Progress): Promise<BatchResult> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#runOnce(batch, progress)
      } catch (error) {
        if (error instanceof AppError) throw error
        const isRepeatable = isConflict(error) && attempt < MAX_TRIES && !progress.isAbandoned
        if (!isRepeatable) throw this.#failureOf(error, progress)
        await this.#clock.sleep(5 * 2 ** attempt)
      }
    }
  }

  async #runOnce(batch: Batch, progress: Progress): Promise<BatchResult> {
    progress.isCommitting = false
    const client = await this.#pool.connect()
    if (progress.isAbandoned) {
      client.release()
      throw storeDown('was not waited for', 'not-applied')
    }
    progress.client = client
    try {
      const result =
        batch.mode === 'read' ? await runStatements(client, batch) : await this.#write(client, batch, progress)
      this.#giveBack(progress, false)
      return result
    } catch (error) {
      // The transaction may be open still, or the connection broken: nobody else gets it.
      this.#giveBack(progress, true)
      throw error
    }
  }

  async #write(client: PoolClient, batch: Batch, progress: Progress): Promise<BatchResult> {
    await client.query(beginWrite(progress.timeoutMs))
    const result = await runStatements(client, batch)
    if (result.kind === 'fault') {
      await client.query('rollback')
      return result
    }
    if (progress.isAbandoned) throw storeDown('was not waited for', 'not-applied')
    progress.isCommitting = true
    await client.query('commit')
    return result
  }

  #giveBack(progress: Progress, isBroken: boolean): void {
    const { client } = progress
    progress.client = undefined
    client?.release(isBroken)
  }

  #failureOf(error: unknown, { isCommitting }: Progress): AppError {
    if (isOurMistake(error))
      return new AppError('INTERNAL', `the store made a mistake: ${messageOf(error)}`, { cause: error })
    return storeDown(`failed: ${messageOf(error)}`, isCommitting ? 'unknown' : 'not-applied', error)
  }
}

async function runStatements(client: PoolClient, batch: Batch): Promise<BatchResult> {
  const all: (readonly Row[])[] = []
  for (const [index, statement] of batch.statements.entries()) {
    try {
      const { rows } = await client.query<Row>(statement.sql, [...statement.params])
      const fault = unexpected(statement, index, rows)
      if (fault) return fault
      all.push(rows)
    } catch (error) {
      const code = faultCodeOf(error, statement)
      if (!code) throw error
      return { kind: 'fault', code, statement: index, rows: [] }
    }
  }
  return { kind: 'done', rows: all }
}
