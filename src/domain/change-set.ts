import type { NewAuditRecord } from './audit-record.ts'
import { type EntityOf, type StoredKind, toStored } from './entities.ts'
import type { JsonValue, NewEntity, RememberedAnswer, WriteOperation } from './entity-store.ts'
import type { Draft } from './envelope.ts'
import type { NewEvent } from './events.ts'
import { formatTimestamp } from './scalars.ts'
import type { Subject } from './subject.ts'

/** Where the outcome of a write is found once its change set is committed; see `Committed.get`. */
export type Handle<K extends StoredKind> = { readonly kind: K; readonly index: number }

/**
 * Writes that happen together or not at all: entities, what is told of them and who did it. Nothing happens before
 * `Repository.commit`; a set is committed once.
 */
export class ChangeSet {
  readonly #operations: WriteOperation[] = []

  get operations(): readonly WriteOperation[] {
    return this.#operations
  }

  create<K extends StoredKind>(kind: K, draft: Draft<EntityOf<K>>): Handle<K> {
    // `toStored` gives JSON: what it is made of came through schemas of JSON values.
    return this.#add(kind, { op: 'create', entity: toStored(kind, draft) as NewEntity })
  }

  /** Writes the entity as it was read and altered; fails at commit where somebody else wrote it in between. */
  update<K extends StoredKind>(kind: K, entity: EntityOf<K>): Handle<K> {
    const { accountId: _owner, ...content } = toStored(kind, entity) as NewEntity
    return this.#add(kind, { op: 'update', entity: content, ifEtag: entity.etag })
  }

  /** Deletes the entity as it was read. */
  delete<K extends StoredKind>(kind: K, entity: Pick<EntityOf<K>, 'id' | 'etag'>): void {
    this.#operations.push({ op: 'delete', kind, id: entity.id, ifEtag: entity.etag })
  }

  event(event: NewEvent): void {
    const { accountId, type, subject } = event
    const record = { accountId, kind: type, subject: subject.id, body: event as unknown as JsonValue }
    this.#operations.push({ op: 'append', log: 'event', record })
  }

  audit(record: NewAuditRecord): void {
    const { accountId, action, subject } = record
    const about = subject === undefined ? {} : { subject: subject.id }
    const body = record as unknown as JsonValue
    this.#operations.push({ op: 'append', log: 'audit', record: { accountId, kind: action, ...about, body } })
  }

  /** Keeps what a request with an idempotency key was answered. */
  remember(answer: RememberedAnswer): void {
    this.#operations.push({ op: 'remember', ...answer })
  }

  #add<K extends StoredKind>(kind: K, operation: WriteOperation): Handle<K> {
    this.#operations.push(operation)
    return { kind, index: this.#operations.length - 1 }
  }
}

/** Changes that the server makes by itself, as the audit log is told. */
export function serverChanges(
  accountId: NewAuditRecord['accountId'],
  action: string,
  subject: Subject,
  nowMs: number,
): ChangeSet {
  const changes = new ChangeSet()
  changes.audit({
    accountId,
    time: formatTimestamp(nowMs),
    actor: { role: 'server' },
    action,
    subject,
    outcome: 'done',
  })
  return changes
}
