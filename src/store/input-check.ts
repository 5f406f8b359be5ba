import type {
  EntityContent,
  EntityKey,
  JsonValue,
  ListQuery,
  NewRecord,
  RememberedAnswer,
} from '../domain/entity-store.ts'
import { AppError } from '../lib/errors.ts'

/** What is stored is bounded, and fits an index row of either engine (PostgreSQL: 2,704 bytes). */
export const storeLimits = {
  kindBytes: 64,
  idBytes: 128,
  nameBytes: 1_040,
  tagKeyBytes: 128,
  tagValueBytes: 512,
  tags: 64,
  refs: 128,
  bodyBytes: 1_048_576,
  hashBytes: 256,
  operations: 100,
  pageItems: 1_000,
} as const

function refuse(where: string, problem: string): never {
  throw new AppError('STORE_INPUT_INVALID', `${where} ${problem}`, { details: { where } })
}

function checkText(where: string, value: unknown, maxBytes: number, minBytes = 1): void {
  if (typeof value !== 'string') refuse(where, 'is not a string')
  const sizeBytes = Buffer.byteLength(value)
  if (sizeBytes < minBytes) refuse(where, 'is empty')
  if (sizeBytes > maxBytes) refuse(where, `is longer than ${maxBytes} bytes of UTF-8`)
  // PostgreSQL's text holds no U+0000, and neither engine a lone surrogate: both would come back as something else.
  if (value.includes('\0') || !value.isWellFormed()) refuse(where, 'holds U+0000 or half a surrogate pair')
}

/** A whole number from `min` on that a double holds exactly. */
export function checkInteger(where: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) refuse(where, `is not a whole number from ${min} on`)
}

/** @throws AppError `STORE_INPUT_INVALID`, as all of these */
export function checkKey({ kind, id }: EntityKey, where = ''): void {
  checkText(`${where}kind`, kind, storeLimits.kindBytes)
  checkText(`${where}id`, id, storeLimits.idBytes)
}

/** The id of the account that something belongs to. */
export function checkAccount(accountId: string): void {
  checkText('accountId', accountId, storeLimits.idBytes)
}

/** A name of an entity, or the beginning of one. */
export function checkName(name: string): void {
  checkText('name', name, storeLimits.nameBytes)
}

/** An idempotency key. */
export function checkIdempotencyKey(key: string): void {
  checkText('key', key, storeLimits.hashBytes)
}

/** The value as JSON text of at most `storeLimits.bodyBytes`. */
export function jsonText(where: string, value: JsonValue): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new AppError('STORE_INPUT_INVALID', `${where} is not JSON`, { cause, details: { where } })
  }
  if (text === undefined) refuse(where, 'is not JSON')
  if (Buffer.byteLength(text) > storeLimits.bodyBytes) refuse(where, `is larger than ${storeLimits.bodyBytes} bytes`)
  return text
}

/** Everything about an entity but its body, which `jsonText` checks. */
export function checkContent(entity: EntityContent): void {
  checkKey(entity)
  if (entity.name !== undefined) checkName(entity.name)
  const tags = Object.entries(entity.tags ?? {})
  if (tags.length > storeLimits.tags) refuse('tags', `are more than ${storeLimits.tags}`)
  for (const [key, value] of tags) {
    checkText('tags: a key', key, storeLimits.tagKeyBytes)
    checkText(`tags/${key}`, value, storeLimits.tagValueBytes, 0)
  }
  const refs = entity.refs ?? []
  if (refs.length > storeLimits.refs) refuse('refs', `are more than ${storeLimits.refs}`)
  const seen = new Set<string>()
  for (const [index, ref] of refs.entries()) {
    checkKey(ref, `refs/${index}/`)
    checkText(`refs/${index}/relation`, ref.relation, storeLimits.kindBytes)
    if (ref.onDelete !== 'restrict' && ref.onDelete !== 'cascade') refuse(`refs/${index}/onDelete`, 'is unknown')
    const identity = JSON.stringify([ref.relation, ref.id])
    if (seen.has(identity)) refuse(`refs/${index}`, 'repeats a relation to the same id')
    seen.add(identity)
  }
}

/** Everything about a record but its body. */
export function checkRecord({ accountId, kind, subject }: NewRecord): void {
  checkAccount(accountId)
  checkText('kind', kind, storeLimits.kindBytes)
  if (subject !== undefined) checkText('subject', subject, storeLimits.idBytes)
}

/** Everything about a remembered answer but the answer. */
export function checkRemembered({ accountId, key, requestHash, expires }: RememberedAnswer): void {
  checkAccount(accountId)
  checkIdempotencyKey(key)
  checkText('requestHash', requestHash, storeLimits.hashBytes)
  checkInteger('expires', expires, 0)
}

/** Everything about a query but its cursor. */
export function checkListQuery({ accountId, kind, tag, namePrefix, reference, limit }: ListQuery): void {
  checkAccount(accountId)
  checkText('kind', kind, storeLimits.kindBytes)
  if (tag) {
    checkText('tag/key', tag.key, storeLimits.tagKeyBytes)
    checkText('tag/value', tag.value, storeLimits.tagValueBytes, 0)
  }
  if (namePrefix !== undefined) checkText('namePrefix', namePrefix, storeLimits.nameBytes, 0)
  if (reference) {
    checkText('reference/relation', reference.relation, storeLimits.kindBytes)
    checkText('reference/id', reference.id, storeLimits.idBytes)
  }
  checkInteger('limit', limit, 1, storeLimits.pageItems)
}
