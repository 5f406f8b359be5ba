import type { PresentationView } from '../presentation/view.ts'
import type { PresentationLog } from './ports.ts'
import type { JournalFile } from './spool/journal-file.ts'

/** The newest segments stay in memory whatever the budget says: they are what everybody asks for. */
const NEWEST_HOT = 3

/**
 * Lets go of the oldest media in memory until the rest fits into `hotBytes`, as far as it can be read from elsewhere: from
 * storage, or from these files of the journal, the newest last. An archived presentation needs none.
 */
export function coolTail(log: PresentationLog, hotBytes: number, files: readonly Pick<JournalFile, 'span'>[]): void {
  const { view } = log
  const end = view.archived ? view.endSequence : view.endSequence - NEWEST_HOT
  const until = Math.min(end, endOnDisk(view, files))
  let excessBytes = view.archived ? Number.POSITIVE_INFINITY : log.sizeBytes - hotBytes
  let first = log.hotSequence
  while (excessBytes > 0 && first < until) excessBytes -= log.segmentBytes(first++)
  log.cool(first)
}

/** All segments before this one can be read from the disk or from storage. */
function endOnDisk(view: PresentationView, files: readonly Pick<JournalFile, 'span'>[]): number {
  const newest = files.findLast(({ span }) => span !== undefined)
  return newest?.span?.endSequence ?? view.span(view.endSequence - 1)?.endSequence ?? view.firstSequence
}
