import type { Change, Entity, RememberedAnswer, StoredRecord } from '../domain/entity-store.ts'
import type { Row } from './batch.ts'

/** The revision as others see it. */
export function writeEtag(revision: number): string {
  return revision.toString(36)
}

/** The revision of an etag; one that no entity has where the store didn't write it. */
export function readEtag(etag: string): number {
  const revision = /^[0-9a-z]{1,11}$/.test(etag) ? Number.parseInt(etag, 36) : -1
  return Number.isSafeInteger(revision) && writeEtag(revision) === etag ? revision : -1
}

const text = (row: Row, column: string): string => String(row[column])
const integer = (row: Row, column: string): number => Number(row[column])
const json = (row: Row, column: string) => JSON.parse(text(row, column))

/** An entity from its whole row. */
export function entityOf(row: Row): Entity {
  return {
    kind: text(row, 'kind'),
    id: text(row, 'id'),
    accountId: text(row, 'account_id'),
    ...(row['name'] !== null && { name: text(row, 'name') }),
    etag: writeEtag(integer(row, 'revision')),
    created: integer(row, 'created'),
    lastModified: integer(row, 'last_modified'),
    tags: json(row, 'tags'),
    refs: json(row, 'refs'),
    body: json(row, 'body'),
  }
}

/** A change from its row in the outbox. */
export function changeOf(row: Row): Change {
  return {
    sequence: integer(row, 'sequence'),
    op: text(row, 'op') as Change['op'],
    kind: text(row, 'kind'),
    id: text(row, 'id'),
    accountId: text(row, 'account_id'),
  }
}

/** A record of either log from its row. */
export function recordOf(row: Row): StoredRecord {
  return {
    sequence: integer(row, 'sequence'),
    accountId: text(row, 'account_id'),
    kind: text(row, 'kind'),
    ...(row['subject'] !== null && { subject: text(row, 'subject') }),
    at: integer(row, 'at'),
    body: json(row, 'body'),
  }
}

/** A remembered answer from its row. */
export function rememberedOf(row: Row): RememberedAnswer {
  return {
    accountId: text(row, 'account_id'),
    key: text(row, 'key'),
    requestHash: text(row, 'request_hash'),
    answer: json(row, 'answer'),
    expires: integer(row, 'expires'),
  }
}
