import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { SqlValue, Statement } from './batch.ts'
import type { Dialect } from './migrations.ts'
import type { Schema } from './schema.ts'

/** Builds statements of the schema and carries none out. */
export type Builder = Kysely<Schema>

/**
 * A builder without a connection. Statements are compiled here and handed to the database as a batch: a transaction of
 * kysely's own is a conversation, a round trip to the thread for every statement with the database locked in between.
 */
export function createBuilder(dialect: Dialect): Builder {
  const isSqlite = dialect === 'sqlite'
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => (isSqlite ? new SqliteAdapter() : new PostgresAdapter()),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => (isSqlite ? new SqliteIntrospector(db) : new PostgresIntrospector(db)),
      createQueryCompiler: () => (isSqlite ? new SqliteQueryCompiler() : new PostgresQueryCompiler()),
    },
  })
}

type Compilable = { compile(): { readonly sql: string; readonly parameters: readonly unknown[] } }

/** The query as a statement of a batch. */
export function statementOf(query: Compilable, meaning: Pick<Statement, 'expect' | 'violation'> = {}): Statement {
  const { sql, parameters } = query.compile()
  return { sql, params: parameters as readonly SqlValue[], ...meaning }
}
