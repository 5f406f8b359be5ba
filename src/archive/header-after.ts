import type { LogRecord, PresentationHeader } from '../presentation/records.ts'
import { resumedHeader } from '../presentation/terms.ts'

/** What stands over a presentation behind this record. */
export function headerAfter(header: PresentationHeader, record: LogRecord): PresentationHeader {
  if (record.type === 'resumed') return resumedHeader(header, record.terms)
  if (record.type !== 'rewind-changed') return header
  return { ...header, rewindWindowMs: record.rewindWindowMs, rewindChanges: (header.rewindChanges ?? 0) + 1 }
}
