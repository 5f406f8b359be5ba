import { Worker } from 'node:worker_threads'
import type { CallLimits } from '../domain/entity-store.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Batch, BatchResult } from './batch.ts'
import { storeDown, storeStopped } from './call-limits.ts'
import type { Database } from './database.ts'
import { SqliteLink, type StartThread } from './sqlite-link.ts'

const FIRST_RESTART_MS = 50
const LAST_RESTART_MS = 5_000
const STOP_GRACE_MS = 5_000

/** `path` is the database file; WAL and its index lie beside it. */
export type SqliteOptions = {
  readonly path: string
  readonly timeoutMs: number
  readonly maxWaitingCalls: number
  readonly maxWaitingBytes: number
  /** Another way to make the thread, for tests that end it. */
  readonly startThread?: StartThread
}

const startSqliteThread: StartThread = (workerData) =>
  new Worker(new URL('./sqlite-thread.ts', import.meta.url), { workerData, name: 'sqlite' })

/** A SQLite file behind a thread, which is started again, later and later, when it dies. */
export class SqliteDatabase implements Database {
  readonly dialect = 'sqlite'
  readonly #options: SqliteOptions
  readonly #clock: Clock
  readonly #logger: Logger
  #link: SqliteLink | undefined
  #opening: SqliteLink | undefined
  #starting: Promise<void> | undefined
  #restart: Timer | undefined
  #restartMs = FIRST_RESTART_MS
  #stopped: Promise<void> | undefined

  constructor(options: SqliteOptions, clock: Clock, logger: Logger) {
    this.#options = options
    this.#clock = clock
    this.#logger = logger
  }

  /** Resolves when the file is open. @throws AppError `STORE_DOWN` */
  start(): Promise<void> {
    this.#starting = this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const link = new SqliteLink(this.#options.startThread ?? startSqliteThread, this.#clock, this.#options)
    this.#opening = link
    try {
      await link.ready
    } catch (error) {
      link.terminate()
      await link.gone
      throw error
    } finally {
      this.#opening = undefined
    }
    this.#link = link
    this.#restartMs = FIRST_RESTART_MS
    void link.gone.then(() => this.#onGone())
  }

  async run(batch: Batch, limits: CallLimits): Promise<BatchResult> {
    if (this.#stopped) throw storeStopped()
    if (limits.signal?.aborted) throw storeDown('was not waited for', 'not-applied', limits.signal.reason)
    if (!this.#link) throw storeDown('has lost its thread and starts another', 'not-applied')
    return this.#link.run(batch, { timeoutMs: this.#options.timeoutMs, ...limits })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#restart?.cancel()
    this.#opening?.terminate()
    await this.#starting?.catch(() => undefined)
    const link = this.#link
    if (!link) return
    const cutOff = this.#clock.after(STOP_GRACE_MS, () => {
      this.#logger.warn('the store did not close in time; it is cut off')
      link.terminate()
    })
    // Every call ends by its deadline, so this does not wait for a lock for ever.
    await Promise.race([link.idle(), link.gone])
    link.close()
    await link.gone
    cutOff.cancel()
  }

  #onGone(): void {
    this.#link = undefined
    if (this.#stopped) return
    this.#logger.error({ restartMs: this.#restartMs }, 'the store lost its thread; it is started again')
    this.#restartLater()
  }

  #restartLater(): void {
    this.#restart = this.#clock.after(this.#restartMs, () => {
      this.#restartMs = Math.min(this.#restartMs * 2, LAST_RESTART_MS)
      this.start().then(
        () => this.#logger.warn('the store is back'),
        (error: unknown) => {
          this.#logger.error({ err: error }, 'the store could not be started again')
          if (!this.#stopped) this.#restartLater()
        },
      )
    })
  }
}
