import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { messageOf } from '../lib/errors.ts'
import { type Batch, type BatchResult, type Row, type Statement, unexpected, type Violation } from './batch.ts'
import type { SqliteAnswer } from './sqlite-messages.ts'

/** How long SQLite itself waits for a lock, blocking the thread; the thread tries again after that as long as somebody waits. */
const BUSY_TIMEOUT_MS = 25
/** The same while the file is opened: nobody waits yet, and two processes may be making it at once. */
const OPEN_TIMEOUT_MS = 1_000
const MAX_PREPARED = 256

/** Primary result codes (https://www.sqlite.org/rescode.html). */
const resultCode = { error: 1, busy: 5, locked: 6, tooBig: 18, constraint: 19, mismatch: 20, misuse: 21, range: 25 }
const OUR_MISTAKES: readonly number[] = [
  resultCode.error,
  resultCode.tooBig,
  resultCode.constraint,
  resultCode.mismatch,
  resultCode.misuse,
  resultCode.range,
]
/** Extended result codes of a broken constraint. */
const violations: Readonly<Record<number, Violation>> = { 787: 'foreign-key', 1555: 'primary-key', 2067: 'unique' }

/** A batch that waits; `take` is false when its caller has given up. */
export type WaitingBatch = { readonly batch: Batch; take(): boolean }

function extendedCodeOf(thrown: unknown): number {
  return thrown instanceof Error && 'errcode' in thrown ? Number(thrown.errcode) : 0
}

function isBusy(thrown: unknown): boolean {
  const code = extendedCodeOf(thrown) & 0xff
  return code === resultCode.busy || code === resultCode.locked
}

function failureOf(thrown: unknown): SqliteAnswer {
  // What isn't SQLite's (a parameter that can't be bound) is a mistake of ours, too.
  const code = extendedCodeOf(thrown) & 0xff
  if (code === 0 || OUR_MISTAKES.includes(code)) return { kind: 'broken', problem: messageOf(thrown) }
  return { kind: 'down', problem: `failed: ${messageOf(thrown)}`, outcome: 'not-applied' }
}

/** The database file, and the batches on it. Everything here blocks its thread. */
export class SqliteConnection {
  readonly #db: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  /** Opens or creates the file. @throws Error as `node:sqlite` does */
  constructor(path: string) {
    this.#db = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS, enableForeignKeyConstraints: true })
    // FULL: what was acknowledged survives a power cut. It costs one sync per commit, which a group of writes shares.
    this.#db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma journal_size_limit = 67108864')
    this.#db.exec('pragma trusted_schema = off; pragma temp_store = memory')
    this.#db.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`)
  }

  close(): void {
    this.#prepared.clear()
    this.#db.close()
  }

  /** Carries out a reading batch; undefined while another process has locked the file. */
  read(waiting: WaitingBatch): SqliteAnswer | undefined {
    try {
      return this.#runStatements(waiting.batch)
    } catch (error) {
      return isBusy(error) ? undefined : failureOf(error)
    }
  }

  /**
   * Carries out writing batches in one transaction, with one sync for all; each succeeds or fails for itself. An answer is
   * final: the commit is behind it. Undefined while another process has locked the file; nothing was taken then.
   */
  write(group: readonly WaitingBatch[]): readonly SqliteAnswer[] | undefined {
    try {
      this.#exec('begin immediate')
    } catch (error) {
      return isBusy(error) ? undefined : group.map(() => failureOf(error))
    }
    const answers = group.map((waiting) =>
      waiting.take() ? this.#savepoint(waiting.batch) : ({ kind: 'dropped' } as const),
    )
    try {
      this.#exec('commit')
      return answers
    } catch (error) {
      if (this.#db.isTransaction) this.#exec('rollback')
      const problem = `failed to commit: ${messageOf(error)}`
      return answers.map((answer) => (answer.kind === 'done' ? { kind: 'down', problem, outcome: 'unknown' } : answer))
    }
  }

  #savepoint(batch: Batch): SqliteAnswer {
    try {
      this.#exec('savepoint batch')
      const answer = this.#runStatements(batch)
      if (answer.kind === 'fault') this.#exec('rollback to batch')
      this.#exec('release batch')
      return answer
    } catch (error) {
      // A full disk may have ended the whole transaction; the commit then fails, which tells the others of the group.
      if (this.#db.isTransaction) {
        this.#exec('rollback to batch')
        this.#exec('release batch')
      }
      return failureOf(error)
    }
  }

  #runStatements(batch: Batch): BatchResult {
    const all: Row[][] = []
    for (const [index, statement] of batch.statements.entries()) {
      const rows = this.#rowsOf(statement)
      if (!Array.isArray(rows)) return { kind: 'fault', code: rows.code, statement: index, rows: [] }
      const fault = unexpected(statement, index, rows)
      if (fault) return fault
      all.push(rows)
    }
    return { kind: 'done', rows: all }
  }

  #rowsOf({ sql, params, violation }: Statement) {
    try {
      return this.#prepare(sql).all(...params) as Row[]
    } catch (error) {
      const kind = violations[extendedCodeOf(error)]
      const code = kind && violation?.[kind]
      if (!code) throw error
      return { code }
    }
  }

  #exec(sql: string): void {
    this.#prepare(sql).run()
  }

  #prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql)
    if (known) return known
    const statement = this.#db.prepare(sql)
    const [oldest] = this.#prepared.keys()
    if (this.#prepared.size >= MAX_PREPARED && oldest !== undefined) this.#prepared.delete(oldest)
    this.#prepared.set(sql, statement)
    return statement
  }
}
