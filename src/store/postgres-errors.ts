import { DatabaseError } from 'pg'
import type { ErrorCode } from '../lib/errors.ts'
import type { Statement, Violation } from './batch.ts'

/** SQLSTATE codes (PostgreSQL documentation, appendix A). */
const UNIQUE_VIOLATION = '23505'
const FOREIGN_KEY_VIOLATION = '23503'
const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'
/** Classes of what a statement of ours did wrong: features, cardinality, data, constraints, syntax or access. */
const MISTAKE_CLASSES = ['0A', '21', '22', '23', '42']

function violationOf(error: DatabaseError): Violation | undefined {
  if (error.code === FOREIGN_KEY_VIOLATION) return 'foreign-key'
  if (error.code !== UNIQUE_VIOLATION) return undefined
  // PostgreSQL names a primary key's constraint so unless it is told otherwise.
  return error.constraint?.endsWith('_pkey') ? 'primary-key' : 'unique'
}

/** What the statement said that breaking this constraint means. */
export function faultCodeOf(error: unknown, { violation }: Statement): ErrorCode | undefined {
  const kind = error instanceof DatabaseError ? violationOf(error) : undefined
  return kind && violation?.[kind]
}

/** The server undid the transaction because of another one: the same again may do. */
export function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === SERIALIZATION_FAILURE || error.code === DEADLOCK_DETECTED)
}

/** A statement is wrong; anything else is the server's or the way's. */
export function isOurMistake(error: unknown): boolean {
  // `42501` is a missing privilege: the operator's to grant.
  if (!(error instanceof DatabaseError) || error.code === '42501') return false
  return MISTAKE_CLASSES.includes(error.code?.slice(0, 2) ?? '')
}
