import type { ArchivePlace } from '../domain/archive-place.ts'
import type { FeedEntry, SentFragment } from './feed-messages.ts'
import type { PresentationLog } from './presentation-log.ts'

/** What makes a copy of a log, as it is now, in a replica: its presentation, and then what is in memory. `send` holds the bytes. */
export function snapshotEntries(
  log: PresentationLog,
  place: ArchivePlace | undefined,
  send: (bytes: Uint8Array) => SentFragment,
): FeedEntry[] {
  const presentationId = log.id
  const entries: FeedEntry[] = [{ kind: 'begin', presentationId, snapshot: log.snapshot(), place }]
  for (const { sequence, track, fragments } of log.held()) {
    entries.push({ kind: 'bytes', presentationId, sequence, track, fragments: fragments.map(send) })
  }
  entries.push({ kind: 'ready', presentationId })
  return entries
}
