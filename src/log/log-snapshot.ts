import type { ArchivePlace } from '../domain/archive-place.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { FeedEntry, SentFragment } from './feed-messages.ts'
import type { PresentationLog } from './presentation-log.ts'

/**
 * What makes a copy of a log, as it is now, in a replica. A record may stand for several fragments (parts fold into their
 * segment), so each takes as many of the segment's fragments, in order, as its size says. `send` holds the bytes.
 */
export function snapshotEntries(
  log: PresentationLog,
  place: ArchivePlace | undefined,
  send: (bytes: Uint8Array) => SentFragment,
): FeedEntry[] {
  const presentationId = log.id
  const entries: FeedEntry[] = [{ kind: 'begin', presentationId, header: log.view.header, place }]
  const taken = new Map<number, number>()
  for (const record of log.records()) {
    if (record.type === 'segment-opened') taken.clear()
    const fragments = record.type === 'fragment' ? takeFragments(log, record, taken).map(send) : []
    entries.push({ kind: 'record', presentationId, record, fragments })
  }
  entries.push({ kind: 'ready', presentationId })
  return entries
}

function takeFragments(
  log: PresentationLog,
  record: LogRecord & { readonly type: 'fragment' },
  taken: Map<number, number>,
): Uint8Array[] {
  const all = log.fragments(record.sequence, record.track) ?? []
  const found: Uint8Array[] = []
  let next = taken.get(record.track) ?? 0
  for (let missing = record.sizeBytes; missing > 0; next++) {
    const fragment = all[next]
    if (!fragment) break
    found.push(fragment)
    missing -= fragment.byteLength
  }
  taken.set(record.track, next)
  return found
}
