import { randomUUID } from 'node:crypto'
import type {
  CallLimits,
  Change,
  Entity,
  EntityContent,
  EntityStore,
  ListQuery,
  NewEntity,
  Page,
  RecordPage,
  RecordQuery,
  RememberedAnswer,
  WriteOperation,
  WriteResult,
} from '../domain/entity-store.ts'
import { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Row, Statement } from './batch.ts'
import { type Builder, createBuilder } from './builder.ts'
import { watchChanges } from './change-watch.ts'
import { writeCursor } from './cursor.ts'
import type { Database } from './database.ts'
import { changeOf, entityOf, recordOf, rememberedOf } from './entity-row.ts'
import { faultError } from './fault-error.ts'
import {
  checkAccount,
  checkIdempotencyKey,
  checkInteger,
  checkKey,
  checkListQuery,
  checkName,
  storeLimits,
} from './input-check.ts'
import {
  changesStatement,
  countStatement,
  getByNameStatement,
  getStatement,
  listStatement,
  pruneMarkStatement,
  recallStatement,
  recordsStatement,
  sequenceStatement,
} from './read-statements.ts'
import { compileWrite } from './write-statements.ts'

const WATCH_BATCH = 500

/** The entity store over a database that carries out batches; the two engines differ in nothing but that. */
export class DatabaseStore implements EntityStore {
  readonly #database: Database
  readonly #builder: Builder
  readonly #clock: Clock
  readonly #pollMs: number
  readonly #bell = new Bell()
  readonly #ended = new AbortController()

  /** `pollMs`: how soon a watch sees what another process wrote. */
  constructor(database: Database, clock: Clock, pollMs: number) {
    this.#database = database
    this.#builder = createBuilder(database.dialect)
    this.#clock = clock
    this.#pollMs = pollMs
  }

  async get(kind: string, id: string, limits?: CallLimits): Promise<Entity | undefined> {
    checkKey({ kind, id })
    const [row] = await this.#readOne(getStatement(this.#builder, kind, id), limits)
    return row && entityOf(row)
  }

  async getByName(accountId: string, kind: string, name: string, limits?: CallLimits): Promise<Entity | undefined> {
    checkKey({ kind, id: accountId })
    checkName(name)
    const [row] = await this.#readOne(getByNameStatement(this.#builder, accountId, kind, name), limits)
    return row && entityOf(row)
  }

  async create(entity: NewEntity, limits?: CallLimits): Promise<Entity> {
    const [created] = await this.transaction([{ op: 'create', entity }], limits)
    return created
  }

  async update(entity: EntityContent, ifEtag: string, limits?: CallLimits): Promise<Entity> {
    const [updated] = await this.transaction([{ op: 'update', entity, ifEtag }], limits)
    return updated
  }

  async delete(kind: string, id: string, ifEtag?: string, limits?: CallLimits): Promise<void> {
    await this.transaction([{ op: 'delete', kind, id, ...(ifEtag !== undefined && { ifEtag }) }], limits)
  }

  async list(query: ListQuery, limits?: CallLimits): Promise<Page> {
    checkListQuery(query)
    const rows = await this.#readOne(listStatement(this.#builder, query), limits)
    const items = rows.slice(0, query.limit).map(entityOf)
    const last = items.at(-1)
    return rows.length > items.length && last ? { items, cursor: writeCursor(query, last) } : { items }
  }

  async count(accountId: string, kind: string, limits?: CallLimits): Promise<number> {
    checkKey({ kind, id: accountId })
    const [row] = await this.#readOne(countStatement(this.#builder, accountId, kind), limits)
    return Number(row?.['count'] ?? 0)
  }

  async transaction<const Operations extends readonly WriteOperation[]>(
    operations: Operations,
    limits: CallLimits = {},
  ): Promise<{ -readonly [Index in keyof Operations]: WriteResult<Operations[Index]> }> {
    checkInteger('the number of operations', operations.length, 1, storeLimits.operations)
    const nowMs = Math.trunc(this.#clock.now())
    const compiled = operations.map((operation) =>
      compileWrite({ builder: this.#builder, nowMs, token: randomUUID() }, operation),
    )
    const statements = compiled.flatMap((write) => write.statements)
    const result = await this.#database.run({ mode: 'write', statements }, limits)
    let first = 0
    const results: WriteResult[] = []
    for (const [index, write] of compiled.entries()) {
      const end = first + write.statements.length
      const operation = operations[index]
      if (result.kind === 'done') results.push(write.resultOf(result.rows.slice(first, end)))
      else if (operation && result.statement < end) throw faultError(operation, index, result)
      first = end
    }
    this.#bell.ring()
    // Each result is what its operation gives; a map over a tuple is beyond what the compiler follows.
    return results as { -readonly [Index in keyof Operations]: WriteResult<Operations[Index]> }
  }

  async recall(accountId: string, key: string, limits?: CallLimits): Promise<RememberedAnswer | undefined> {
    checkAccount(accountId)
    checkIdempotencyKey(key)
    const statement = recallStatement(this.#builder, accountId, key, Math.trunc(this.#clock.now()))
    const [row] = await this.#readOne(statement, limits)
    return row && rememberedOf(row)
  }

  async readRecords(query: RecordQuery, limits?: CallLimits): Promise<RecordPage> {
    checkInteger('limit', query.limit, 1, storeLimits.pageItems)
    if (query.accountId !== undefined) checkAccount(query.accountId)
    if (query.subject !== undefined) checkKey({ kind: query.log, id: query.subject })
    checkInteger('afterSequence', query.afterSequence ?? 0, 0)
    checkInteger('beforeSequence', query.beforeSequence ?? 0, 0)
    const statements = [recordsStatement(this.#builder, query), pruneMarkStatement(this.#builder, query.log)]
    const [records = [], mark = []] = await this.#read(statements, limits)
    return { records: records.map(recordOf), prunedThrough: Number(mark[0]?.['through'] ?? 0) }
  }

  async sequence(limits?: CallLimits): Promise<number> {
    const [row] = await this.#readOne(sequenceStatement(this.#builder), limits)
    return Number(row?.['sequence'] ?? 0)
  }

  watch(sinceSequence: number, signal: AbortSignal): AsyncIterable<readonly Change[]> {
    checkInteger('sinceSequence', sinceSequence, 0)
    const read = (since: number, limit: AbortSignal) => this.#readChanges(since, limit)
    const ended = AbortSignal.any([signal, this.#ended.signal])
    const watch = { read, bell: this.#bell, clock: this.#clock, pollMs: this.#pollMs, signal: ended }
    return watchChanges(watch, sinceSequence)
  }

  /** Ends every watch. The database is its owner's to stop. */
  endWatches(): void {
    this.#ended.abort()
  }

  async #readChanges(since: number, signal: AbortSignal) {
    const statements = [
      changesStatement(this.#builder, since, WATCH_BATCH),
      pruneMarkStatement(this.#builder, 'change'),
    ]
    const [changes = [], mark = []] = await this.#read(statements, { signal })
    return { changes: changes.map(changeOf), prunedThrough: Number(mark[0]?.['through'] ?? 0) }
  }

  async #readOne(statement: Statement, limits?: CallLimits): Promise<readonly Row[]> {
    const [rows = []] = await this.#read([statement], limits)
    return rows
  }

  async #read(statements: readonly Statement[], limits: CallLimits = {}): Promise<readonly (readonly Row[])[]> {
    const result = await this.#database.run({ mode: 'read', statements }, limits)
    if (result.kind === 'done') return result.rows
    throw new AppError('INTERNAL', `a read met ${result.code}`)
  }
}
