import type { PresentationLog } from './ports.ts'

/** The newest segments stay in memory whatever the budget says: they are what everybody asks for. */
const NEWEST_HOT = 3

/**
 * Lets go of the oldest media in memory until the rest fits into `hotBytes`, as far as it can be read from elsewhere: that of
 * segments before `onDisk`. An archived presentation needs none.
 */
export function coolTail(log: PresentationLog, hotBytes: number, onDisk: number): void {
  const { view } = log
  const end = view.archived ? view.endSequence : view.endSequence - NEWEST_HOT
  let excessBytes = view.archived ? Number.POSITIVE_INFINITY : log.sizeBytes - hotBytes
  let first = log.hotSequence
  while (excessBytes > 0 && first < Math.min(end, onDisk)) excessBytes -= log.segmentBytes(first++)
  log.cool(first)
}
