import type { LogRecord, PresentationHeader, PresentationTerms, Track } from '../presentation/records.ts'
import { resumedHeader } from '../presentation/terms.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { JournalHead } from './spool/journal-head.ts'

/** What stands over a presentation behind this record. */
export function headerAfter(header: PresentationHeader, record: LogRecord): PresentationHeader {
  if (record.type === 'resumed') return resumedHeader(header, record.terms)
  if (record.type === 'marker') return { ...header, markerChanges: (header.markerChanges ?? 0) + 1 }
  if (record.type !== 'rewind-changed') return header
  return { ...header, rewindWindowMs: record.rewindWindowMs, rewindChanges: (header.rewindChanges ?? 0) + 1 }
}

/** Whether a presentation under this header goes on as it was. */
export function isUnder(header: PresentationHeader, terms: PresentationTerms): boolean {
  const keys = ['targetDurationMs', 'partDurationMs', 'manifestName', 'rewindWindowMs', 'archiveWindowMs'] as const
  // A grid that it had goes on or ends; one that it hadn't never comes.
  const isOnGrid = header.gridMs === undefined || header.gridMs === terms.gridMs
  return isOnGrid && keys.every((key) => header[key] === terms[key])
}

/** What a journal file begins with. `header`: as appended; `view`: as shown, which may be a row behind. */
export function journalHead(
  header: PresentationHeader,
  tracks: Iterable<Track>,
  view: PresentationView,
  nextSequence: number,
): JournalHead {
  const { losses, recentLosses } = view.header
  const discontinuitySequence = view.segment(view.endSequence - 1)?.discontinuitySequence
  const startTicks =
    discontinuitySequence === undefined ? undefined : view.discontinuityStartTicks(discontinuitySequence)
  const isInStretch = discontinuitySequence !== undefined && startTicks !== undefined
  return {
    type: 'journal',
    version: 1,
    header: { ...header, ...(losses !== undefined && { losses }), ...(recentLosses && { recentLosses }) },
    tracks: [...tracks],
    nextSequence,
    ...(isInStretch && { stretch: { discontinuitySequence, startTicks } }),
  }
}
