import { createHash } from 'node:crypto'
import type { ListQuery } from '../domain/entity-store.ts'
import { AppError } from '../lib/errors.ts'

/** The last entity of a page; the next page begins behind it, whatever was added or deleted meanwhile. */
export type Position = { readonly created: number; readonly id: string }

/** What a cursor is good for: the query without its paging. */
function queryDigest({ accountId, kind, tag, namePrefix, reference }: ListQuery): string {
  const filter = [accountId, kind, tag?.key, tag?.value, namePrefix, reference?.relation, reference?.id]
  return createHash('sha256').update(JSON.stringify(filter)).digest('base64url').slice(0, 12)
}

/** An opaque, URL-safe text that names a position in the listing of this query. */
export function writeCursor(query: ListQuery, { created, id }: Position): string {
  return Buffer.from(JSON.stringify([queryDigest(query), created, id])).toString('base64url')
}

/** @throws AppError `CURSOR_INVALID` where it isn't one, or is one of another query */
export function readCursor(query: ListQuery, cursor: string): Position {
  const invalid = (problem: string, cause?: unknown) =>
    new AppError('CURSOR_INVALID', `the cursor ${problem}; leave it out to begin with the first page`, { cause })
  if (typeof cursor !== 'string' || cursor.length > 1_024) throw invalid('is none of ours')
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch (cause) {
    throw invalid('is none of ours', cause)
  }
  if (!Array.isArray(parts) || parts.length !== 3) throw invalid('is none of ours')
  const [digest, created, id]: unknown[] = parts
  if (!Number.isSafeInteger(created) || typeof id !== 'string' || id.includes('\0')) throw invalid('is none of ours')
  if (digest !== queryDigest(query)) throw invalid('belongs to another query')
  return { created: Number(created), id }
}
