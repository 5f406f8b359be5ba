import type { Generated } from 'kysely'

/** One row per entity; `tags`, `refs` and `body` are JSON texts (text in PostgreSQL too: `jsonb` takes no U+0000). */
export type EntityTable = {
  kind: string
  id: string
  account_id: string
  name: string | null
  revision: number
  created: number
  last_modified: number
  tags: string
  refs: string
  body: string
}

/** An index over the entities' tags, with what a listing is ordered by. */
type TagTable = { kind: string; id: string; account_id: string; created: number; key: string; value: string }

/** An index over the entities' references, whose foreign keys are what enforces them. */
type ReferenceTable = {
  source_kind: string
  source_id: string
  account_id: string
  created: number
  relation: string
  target_kind: string
  target_id: string
  on_delete: 'restrict' | 'cascade'
}

/** The outbox; `operation` marks what one deletion takes with it. */
type ChangeTable = {
  sequence: Generated<number>
  op: 'create' | 'update' | 'delete'
  kind: string
  id: string
  account_id: string
  at: number
  operation: string | null
}

type RecordTable = {
  sequence: Generated<number>
  account_id: string
  kind: string
  subject: string | null
  at: number
  body: string
}

type IdempotencyTable = { account_id: string; key: string; request_hash: string; answer: string; expires: number }

/** The tables of both databases, as `migrations.ts` makes them. */
export type Schema = {
  entity: EntityTable
  entity_tag: TagTable
  entity_reference: ReferenceTable
  change: ChangeTable
  audit_record: RecordTable
  event_record: RecordTable
  idempotency_key: IdempotencyTable
  /** Per append-only table, up to where its rows have been deleted by age. */
  prune_mark: { log: string; through: number }
  schema_migration: { version: number; applied: number }
}
