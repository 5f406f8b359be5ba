import type { CallLimits } from '../domain/entity-store.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { BatchResult, Statement } from './batch.ts'
import type { Database } from './database.ts'
import { migrationsFor, migrationTableFor } from './migrations.ts'

function rowsOf(result: BatchResult): readonly (readonly { readonly [column: string]: unknown }[])[] {
  if (result.kind === 'done') return result.rows
  throw new AppError('INTERNAL', `a migration met ${result.code}`)
}

/**
 * Brings the schema to the newest version, each version in a transaction of its own. Any number of nodes may do it at
 * once: a writing batch holds the database's write lock, and a version that another node was faster with is left alone.
 * @throws AppError `STORE_SCHEMA_NEWER` where a newer program has been here; nothing is changed then.
 */
export async function migrate(database: Database, clock: Clock, limits: CallLimits = {}): Promise<void> {
  const versions = migrationsFor(database.dialect)
  const plain = (sql: string): Statement => ({ sql, params: [] })
  const version = plain('select coalesce(max(version), 0) as version from schema_migration')
  const statements = [plain(migrationTableFor(database.dialect)), version]
  const found = Number(rowsOf(await database.run({ mode: 'write', statements }, limits))[1]?.[0]?.['version'])
  if (found > versions.length) {
    const message = `the store's schema has version ${found}, this program knows ${versions.length}: run a newer Headend`
    throw new AppError('STORE_SCHEMA_NEWER', message, { details: { found, known: versions.length } })
  }
  for (const [index, ddl] of versions.entries()) {
    if (index < found) continue
    const claim = `insert into schema_migration (version, applied) values (${index + 1}, ${Math.trunc(clock.now())})`
    const taken: Statement = { ...plain(claim), violation: { 'primary-key': 'ENTITY_EXISTS' } }
    const result = await database.run({ mode: 'write', statements: [taken, ...ddl.map(plain)] }, limits)
    if (result.kind === 'fault' && result.code !== 'ENTITY_EXISTS') rowsOf(result)
  }
}
