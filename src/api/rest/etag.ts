import { AppError } from '../../lib/errors.ts'

/** The etag of an entity as a header (RFC 9110 §8.8.3). */
export function etagHeader(etag: string): string {
  return `"${etag}"`
}

/** Whether an `If-Match` names this etag; weak ones never do (RFC 9110 §13.1.1). */
export function matchesEtag(ifMatch: string, etag: string): boolean {
  return ifMatch.trim() === '*' || ifMatch.split(',').some((entry) => entry.trim() === etagHeader(etag))
}

/**
 * That the client has seen the entity as it is now, where it says what it has seen.
 *
 * @throws AppError `ETAG_MISMATCH`
 */
export function assertSeen(ifMatch: string | undefined, entity: { readonly etag: string }): void {
  if (ifMatch === undefined || matchesEtag(ifMatch, entity.etag)) return
  throw new AppError('ETAG_MISMATCH', 'It has changed since: read it again.', { details: { etag: entity.etag } })
}
