import type { CallLimits } from '../domain/entity-store.ts'
import type { Batch, BatchResult } from './batch.ts'
import type { Dialect } from './migrations.ts'

/** A database that carries out batches: what both engines are to the store. */
export type Database = {
  readonly dialect: Dialect
  /** Rejects with `STORE_DOWN` by the deadline at the latest, `STOPPED` after `stop`, `INTERNAL` where a statement is wrong. */
  run(batch: Batch, limits: CallLimits): Promise<BatchResult>
  stop(): Promise<void>
}
