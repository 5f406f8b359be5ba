import { sql } from 'kysely'
import type { ListQuery, RecordLog, RecordQuery } from '../domain/entity-store.ts'
import type { Statement } from './batch.ts'
import { type Builder, statementOf } from './builder.ts'
import { readCursor } from './cursor.ts'

/** The first text, by UTF-8 bytes, that doesn't begin with `prefix` and comes after all that do; undefined where none does. */
export function endOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (point) => point.codePointAt(0) ?? 0)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue
    const next = last === 0xd7ff ? 0xe000 : last + 1
    return String.fromCodePoint(...points, next)
  }
  return undefined
}

/** The entity with this id. */
export function getStatement(builder: Builder, kind: string, id: string): Statement {
  return statementOf(builder.selectFrom('entity').selectAll().where('kind', '=', kind).where('id', '=', id))
}

/** The entity with this name. */
export function getByNameStatement(builder: Builder, accountId: string, kind: string, name: string): Statement {
  const query = builder.selectFrom('entity').selectAll().where('account_id', '=', accountId).where('kind', '=', kind)
  return statementOf(query.where('name', '=', name))
}

/**
 * One page and one entity more, which says whether there is a next. It is read along the index of the narrowest filter:
 * each of them is kept in the listing's order, so that a page costs what it holds.
 */
export function listStatement(builder: Builder, query: ListQuery): Statement {
  const { accountId, kind, tag, namePrefix, reference, limit, cursor } = query
  const after = cursor === undefined ? undefined : readCursor(query, cursor)
  const lead = reference ? 'r' : tag ? 't' : 'e'
  const idColumn = reference ? 'r.source_id' : `${lead}.id`
  const conditions = [sql`e.account_id = ${accountId}`, sql`e.kind = ${kind}`]
  const from = [sql`entity as e`]
  if (tag) {
    from.unshift(sql`entity_tag as t`)
    conditions.push(
      sql`t.account_id = ${accountId} and t.kind = ${kind} and t.key = ${tag.key} and t.value = ${tag.value}`,
      sql`e.id = t.id`,
    )
  }
  if (reference) {
    from.unshift(sql`entity_reference as r`)
    conditions.push(
      sql`r.account_id = ${accountId} and r.source_kind = ${kind} and r.relation = ${reference.relation}`,
      sql`r.target_id = ${reference.id} and e.id = r.source_id`,
    )
    if (tag) conditions.push(sql`t.id = r.source_id`)
  }
  if (namePrefix !== undefined && namePrefix !== '') {
    const end = endOfPrefix(namePrefix)
    conditions.push(sql`e.name >= ${namePrefix}`)
    if (end !== undefined) conditions.push(sql`e.name < ${end}`)
  } else if (namePrefix === '') conditions.push(sql`e.name is not null`)
  const order = sql`${sql.ref(`${lead}.created`)}, ${sql.ref(idColumn)}`
  if (after) conditions.push(sql`(${order}) > (cast(${after.created} as bigint), cast(${after.id} as text))`)
  const select = sql`select e.* from ${sql.join(from)} where ${sql.join(conditions, sql` and `)}
    order by ${order} limit ${limit + 1}`
  return statementOf({ compile: () => select.compile(builder) })
}

/** How many entities of a kind an account has. */
export function countStatement(builder: Builder, accountId: string, kind: string): Statement {
  const query = builder.selectFrom('entity').select(({ fn }) => fn.countAll().as('count'))
  return statementOf(query.where('account_id', '=', accountId).where('kind', '=', kind))
}

/** Changes after `since`. The mark is to be read after them: what is pruned in between then shows. */
export function changesStatement(builder: Builder, since: number, limit: number): Statement {
  const query = builder.selectFrom('change').select(['sequence', 'op', 'kind', 'id', 'account_id'])
  return statementOf(query.where('sequence', '>', since).orderBy('sequence').limit(limit))
}

/** The newest change's sequence, or where pruning has left nothing, the newest that was pruned. */
export function sequenceStatement(builder: Builder): Statement {
  const query = sql`select coalesce((select max(sequence) from change),
    (select through from prune_mark where log = 'change')) as sequence`
  return statementOf({ compile: () => query.compile(builder) })
}

/** Up to where a log has been pruned. */
export function pruneMarkStatement(builder: Builder, log: RecordLog | 'change'): Statement {
  return statementOf(builder.selectFrom('prune_mark').select('through').where('log', '=', log))
}

/** Records of a log. */
export function recordsStatement(builder: Builder, query: RecordQuery): Statement {
  const { accountId, subject, afterSequence, beforeSequence, order, limit } = query
  let select = builder.selectFrom(query.log === 'audit' ? 'audit_record' : 'event_record').selectAll()
  if (accountId !== undefined) select = select.where('account_id', '=', accountId)
  if (subject !== undefined) select = select.where('subject', '=', subject)
  if (afterSequence !== undefined) select = select.where('sequence', '>', afterSequence)
  if (beforeSequence !== undefined) select = select.where('sequence', '<', beforeSequence)
  return statementOf(select.orderBy('sequence', order === 'oldest-first' ? 'asc' : 'desc').limit(limit))
}

/** The answer under an idempotency key that has not expired. */
export function recallStatement(builder: Builder, accountId: string, key: string, nowMs: number): Statement {
  const query = builder.selectFrom('idempotency_key').selectAll().where('account_id', '=', accountId)
  return statementOf(query.where('key', '=', key).where('expires', '>', nowMs))
}
