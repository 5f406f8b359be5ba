/** The engines that the store runs on. */
export type Dialect = 'sqlite' | 'postgres'

/** Where the two engines' DDL differs. */
type Ddl = { readonly text: string; readonly integer: string; readonly sequence: string; readonly tableEnd: string }

/** `collate "C"` orders by UTF-8 bytes, as SQLite does: pages have the same order in both. */
const ddlOf: Readonly<Record<Dialect, Ddl>> = {
  sqlite: { text: 'text', integer: 'integer', sequence: 'integer primary key autoincrement', tableEnd: 'strict' },
  postgres: { text: 'text collate "C"', integer: 'bigint', sequence: 'bigserial primary key', tableEnd: '' },
}

const recordTable = (name: string, { text, integer, sequence, tableEnd }: Ddl): string[] => [
  `create table ${name} (
    sequence ${sequence}, account_id ${text} not null, kind ${text} not null, subject ${text},
    at ${integer} not null, body ${text} not null) ${tableEnd}`,
  `create index ${name}_by_account on ${name} (account_id, sequence)`,
  `create index ${name}_by_subject on ${name} (subject, sequence) where subject is not null`,
]

const initial = (ddl: Ddl): string[] => {
  const { text, integer, sequence, tableEnd } = ddl
  return [
    `create table entity (
      kind ${text} not null, id ${text} not null, account_id ${text} not null, name ${text},
      revision ${integer} not null, created ${integer} not null, last_modified ${integer} not null,
      tags ${text} not null, refs ${text} not null, body ${text} not null,
      constraint entity_pkey primary key (kind, id),
      constraint entity_name unique (account_id, kind, name)) ${tableEnd}`,
    'create index entity_in_order on entity (account_id, kind, created, id, name)',
    `create table entity_tag (
      kind ${text} not null, id ${text} not null, account_id ${text} not null, created ${integer} not null,
      key ${text} not null, value ${text} not null,
      primary key (kind, id, key),
      foreign key (kind, id) references entity (kind, id) on delete cascade) ${tableEnd}`,
    'create index entity_tag_in_order on entity_tag (account_id, kind, key, value, created, id)',
    `create table entity_reference (
      source_kind ${text} not null, source_id ${text} not null, account_id ${text} not null,
      created ${integer} not null, relation ${text} not null, target_kind ${text} not null, target_id ${text} not null,
      on_delete ${text} not null check (on_delete in ('restrict', 'cascade')),
      primary key (source_kind, source_id, relation, target_id),
      foreign key (source_kind, source_id) references entity (kind, id) on delete cascade,
      foreign key (target_kind, target_id) references entity (kind, id)) ${tableEnd}`,
    `create index entity_reference_in_order
      on entity_reference (account_id, source_kind, relation, target_id, created, source_id)`,
    'create index entity_reference_to on entity_reference (target_kind, target_id)',
    `create table change (
      sequence ${sequence}, op ${text} not null, kind ${text} not null, id ${text} not null,
      account_id ${text} not null, at ${integer} not null, operation ${text}) ${tableEnd}`,
    'create index change_of_operation on change (operation) where operation is not null',
    ...recordTable('audit_record', ddl),
    ...recordTable('event_record', ddl),
    `create table idempotency_key (
      account_id ${text} not null, key ${text} not null, request_hash ${text} not null, answer ${text} not null,
      expires ${integer} not null, primary key (account_id, key)) ${tableEnd}`,
    'create index idempotency_key_by_expiry on idempotency_key (expires)',
    `create table prune_mark (log ${text} not null primary key, through ${integer} not null) ${tableEnd}`,
    "insert into prune_mark (log, through) values ('change', 0), ('audit', 0), ('event', 0)",
  ]
}

/** Forward only: version n is element n − 1, and one that was released is never edited. */
const migrations: readonly ((ddl: Ddl) => string[])[] = [initial]

/** The statements of every version, in order. */
export function migrationsFor(dialect: Dialect): readonly (readonly string[])[] {
  return migrations.map((migration) => migration(ddlOf[dialect]))
}

/** What `migrate` needs before it can look which versions are there. */
export function migrationTableFor(dialect: Dialect): string {
  const { integer, tableEnd } = ddlOf[dialect]
  return `create table if not exists schema_migration (
    version ${integer} not null primary key, applied ${integer} not null) ${tableEnd}`
}
