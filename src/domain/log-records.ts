import type { AuditRecord, NewAuditRecord } from './audit-record.ts'
import type { StoredRecord } from './entity-store.ts'
import type { HeadendEvent, NewEvent } from './events.ts'
import { sequenceId } from './sequence-id.ts'

/** An event as it is told, from its record in the log, which holds what `ChangeSet.event` or the recorder wrote. */
export function eventOf(record: StoredRecord): HeadendEvent {
  const body = record.body as unknown as NewEvent
  return { id: sequenceId('ev', record.sequence), ...body } as HeadendEvent
}

/** An audit record as it is shown, from its record in the log, which holds what `ChangeSet.audit` wrote. */
export function auditRecordOf(record: StoredRecord): AuditRecord {
  const body = record.body as unknown as NewAuditRecord
  return { id: sequenceId('au', record.sequence), ...body }
}
