import type { ErrorCode } from '../lib/errors.ts'

/** What a statement takes and gives; integers are at most 2^53. */
export type SqlValue = string | number | null
export type Row = Readonly<Record<string, SqlValue>>

/** How a constraint of the schema was broken. */
export type Violation = 'primary-key' | 'unique' | 'foreign-key'

/** A statement and what its result means to the batch. Plain data: it crosses a thread. */
export type Statement = {
  readonly sql: string
  readonly params: readonly SqlValue[]
  /** Fails the batch when there are rows, or when there are none. */
  readonly expect?: { readonly rows: 'none' | 'some'; readonly otherwise: ErrorCode }
  readonly violation?: { readonly [kind in Violation]?: ErrorCode }
}

/** Statements that happen together or not at all when they write; a reading batch is no snapshot. */
export type Batch = { readonly mode: 'read' | 'write'; readonly statements: readonly Statement[] }

/** A batch that was carried out: the rows of each statement; or that was undone because of statement number `statement`. */
export type BatchResult =
  | { readonly kind: 'done'; readonly rows: readonly (readonly Row[])[] }
  | { readonly kind: 'fault'; readonly code: ErrorCode; readonly statement: number; readonly rows: readonly Row[] }

/** The fault in `rows`, if the statement expected something else. */
export function unexpected(statement: Statement, index: number, rows: readonly Row[]): BatchResult | undefined {
  const { expect } = statement
  if (!expect || (expect.rows === 'some') === rows.length > 0) return undefined
  return { kind: 'fault', code: expect.otherwise, statement: index, rows }
}

/** About how much memory the batch takes while it waits. */
export function batchSizeBytes(batch: Batch): number {
  let size = 0
  for (const { sql, params } of batch.statements) {
    size += sql.length
    for (const param of params) size += typeof param === 'string' ? param.length * 2 : 8
  }
  return size
}
