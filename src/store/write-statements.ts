import { sql } from 'kysely'
import type { EntityContent, EntityKey, WriteOperation, WriteResult } from '../domain/entity-store.ts'
import type { Row, Statement } from './batch.ts'
import { type Builder, statementOf } from './builder.ts'
import { entityOf, readEtag } from './entity-row.ts'
import { checkAccount, checkContent, checkKey, checkRecord, checkRemembered, jsonText } from './input-check.ts'

/** One operation as statements, and how the rows of these statements become its result. */
export type CompiledWrite = {
  readonly statements: readonly Statement[]
  readonly resultOf: (rows: readonly (readonly Row[])[]) => WriteResult
}

/** `token` is unique to the operation. */
type WriteContext = { readonly builder: Builder; readonly nowMs: number; readonly token: string }

/** The change that this transaction has just written: nobody else writes meanwhile, so the newest is its own. */
const newestSequence = sql<number>`(select max(sequence) from change)`

const rowOf = (rows: readonly (readonly Row[])[], statement: number): Row => rows[statement]?.[0] ?? {}

/** Tags and references as index rows. `created` is read back from the entity: an update doesn't know it. */
function indexStatements({ builder }: WriteContext, entity: EntityContent): Statement[] {
  const { kind, id } = entity
  const column = (name: 'account_id' | 'created') =>
    builder.selectFrom('entity').select(name).where('kind', '=', kind).where('id', '=', id)
  const common = () => ({
    account_id: sql<string>`${column('account_id')}`,
    created: sql<number>`${column('created')}`,
  })
  const tags = Object.entries(entity.tags ?? {}).map(([key, value]) => ({ kind, id, key, value, ...common() }))
  const refs = (entity.refs ?? []).map((ref) => ({
    source_kind: kind,
    source_id: id,
    relation: ref.relation,
    target_kind: ref.kind,
    target_id: ref.id,
    on_delete: ref.onDelete,
    ...common(),
  }))
  const statements: Statement[] = []
  if (tags.length > 0) statements.push(statementOf(builder.insertInto('entity_tag').values(tags)))
  if (refs.length > 0) {
    const insert = builder.insertInto('entity_reference').values(refs)
    statements.push(statementOf(insert, { violation: { 'foreign-key': 'REFERENCE_MISSING' } }))
  }
  return statements
}

/** The columns that content decides. */
function contentColumns(entity: EntityContent) {
  const refs = (entity.refs ?? []).map(({ relation, kind, id, onDelete }) => ({ relation, kind, id, onDelete }))
  return {
    name: entity.name ?? null,
    tags: JSON.stringify(entity.tags ?? {}),
    refs: JSON.stringify(refs),
    body: jsonText('body', entity.body),
  }
}

function compileCreate(context: WriteContext, { op, entity }: WriteOperation & { op: 'create' }): CompiledWrite {
  checkContent(entity)
  checkAccount(entity.accountId)
  const { builder, nowMs } = context
  const { kind, id, accountId } = entity
  const change = builder.insertInto('change').values({ op, kind, id, account_id: accountId, at: nowMs })
  const key = { kind, id, account_id: accountId, revision: newestSequence, created: nowMs, last_modified: nowMs }
  const insert = builder
    .insertInto('entity')
    .values({ ...key, ...contentColumns(entity) })
    .returningAll()
  // Asked first: which of two broken constraints an engine names is its own affair.
  const namesake = builder.selectFrom('entity').select('id').where('kind', '=', kind).where('id', '=', id)
  const statements = [
    statementOf(namesake, { expect: { rows: 'none', otherwise: 'ENTITY_EXISTS' } }),
    statementOf(change),
    statementOf(insert, { violation: { 'primary-key': 'ENTITY_EXISTS', unique: 'NAME_TAKEN' } }),
    ...indexStatements(context, entity),
  ]
  return { statements, resultOf: (rows) => entityOf(rowOf(rows, 2)) }
}

const mustExist = (builder: Builder, { kind, id }: EntityKey): Statement =>
  statementOf(builder.selectFrom('entity').select('revision').where('kind', '=', kind).where('id', '=', id), {
    expect: { rows: 'some', otherwise: 'ENTITY_NOT_FOUND' },
  })

function compileUpdate(
  context: WriteContext,
  { op, entity, ifEtag }: WriteOperation & { op: 'update' },
): CompiledWrite {
  checkContent(entity)
  const { builder, nowMs } = context
  const { kind, id } = entity
  const change = builder
    .insertInto('change')
    .columns(['op', 'kind', 'id', 'account_id', 'at'])
    .expression((from) =>
      from
        .selectFrom('entity')
        .select([sql.lit(op).as('op'), 'kind', 'id', 'account_id', sql<number>`cast(${nowMs} as bigint)`.as('at')])
        .where('kind', '=', kind)
        .where('id', '=', id),
    )
  const update = builder
    .updateTable('entity')
    .set({ ...contentColumns(entity), revision: newestSequence, last_modified: nowMs })
    .where('kind', '=', kind)
    .where('id', '=', id)
    .where('revision', '=', readEtag(ifEtag))
    .returningAll()
  const statements = [
    mustExist(builder, entity),
    statementOf(change),
    statementOf(update, {
      expect: { rows: 'some', otherwise: 'ETAG_MISMATCH' },
      violation: { unique: 'NAME_TAKEN' },
    }),
    statementOf(builder.deleteFrom('entity_tag').where('kind', '=', kind).where('id', '=', id)),
    statementOf(builder.deleteFrom('entity_reference').where('source_kind', '=', kind).where('source_id', '=', id)),
    ...indexStatements(context, entity),
  ]
  return { statements, resultOf: (rows) => entityOf(rowOf(rows, 2)) }
}

/**
 * What goes with the entity by `cascade` is found once and written to the outbox first, under the operation's token: the
 * statements after it delete what stands there. What still needs one of them stops it all.
 */
function compileDelete({ builder, nowMs, token }: WriteContext, operation: WriteOperation & { op: 'delete' }) {
  checkKey(operation)
  const { kind, id, ifEtag } = operation
  const doomed = sql`(select kind, id from change where operation = ${token})`
  const closure = sql`
    insert into change (op, kind, id, account_id, at, operation)
    with recursive doomed (kind, id) as (
      select kind, id from entity where kind = ${kind} and id = ${id}
      union
      select r.source_kind, r.source_id from entity_reference r
      join doomed d on r.target_kind = d.kind and r.target_id = d.id where r.on_delete = 'cascade')
    select 'delete', e.kind, e.id, e.account_id, cast(${nowMs} as bigint), cast(${token} as text)
    from entity e join doomed d on e.kind = d.kind and e.id = d.id order by e.kind, e.id`
  const needed = sql`
    select source_kind as kind, source_id as id, relation from entity_reference
    where (target_kind, target_id) in ${doomed} and (source_kind, source_id) not in ${doomed}
    order by source_kind, source_id limit 10`
  const statements = [mustExist(builder, operation)]
  if (ifEtag !== undefined) {
    const same = builder.selectFrom('entity').select('revision').where('kind', '=', kind).where('id', '=', id)
    const meaning = { expect: { rows: 'some', otherwise: 'ETAG_MISMATCH' } } as const
    statements.push(statementOf(same.where('revision', '=', readEtag(ifEtag)), meaning))
  }
  const compiled = (query: typeof closure) => ({ compile: () => query.compile(builder) })
  statements.push(
    statementOf(compiled(closure)),
    statementOf(compiled(needed), { expect: { rows: 'none', otherwise: 'IN_USE' } }),
    statementOf(compiled(sql`delete from entity_reference where (source_kind, source_id) in ${doomed}`)),
    statementOf(compiled(sql`delete from entity where (kind, id) in ${doomed}`), {
      violation: { 'foreign-key': 'IN_USE' },
    }),
  )
  return { statements, resultOf: () => undefined }
}

function compileAppend({ builder, nowMs }: WriteContext, { log, record }: WriteOperation & { op: 'append' }) {
  checkRecord(record)
  const { accountId, kind, subject } = record
  const insert = builder
    .insertInto(log === 'audit' ? 'audit_record' : 'event_record')
    .values({ account_id: accountId, kind, subject: subject ?? null, at: nowMs, body: jsonText('body', record.body) })
    .returning('sequence')
  return {
    statements: [statementOf(insert)],
    resultOf: (rows: readonly (readonly Row[])[]) => Number(rowOf(rows, 0)['sequence']),
  }
}

function compileRemember({ builder, nowMs }: WriteContext, operation: WriteOperation & { op: 'remember' }) {
  checkRemembered(operation)
  const { accountId, key, requestHash, answer, expires } = operation
  const expired = builder
    .deleteFrom('idempotency_key')
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .where('expires', '<=', nowMs)
  const values = { account_id: accountId, key, request_hash: requestHash, answer: jsonText('answer', answer), expires }
  const insert = builder.insertInto('idempotency_key').values(values)
  const statements = [
    statementOf(expired),
    statementOf(insert, { violation: { 'primary-key': 'IDEMPOTENCY_KEY_USED' } }),
  ]
  return { statements, resultOf: () => undefined }
}

/** @throws AppError `STORE_INPUT_INVALID` */
export function compileWrite(context: WriteContext, operation: WriteOperation): CompiledWrite {
  switch (operation.op) {
    case 'create':
      return compileCreate(context, operation)
    case 'update':
      return compileUpdate(context, operation)
    case 'delete':
      return compileDelete(context, operation)
    case 'append':
      return compileAppend(context, operation)
    case 'remember':
      return compileRemember(context, operation)
  }
}
