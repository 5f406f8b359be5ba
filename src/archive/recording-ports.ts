import type { BlobStorage } from '../domain/blob-storage.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Turns } from '../lib/turns.ts'
import type { Track } from '../presentation/records.ts'
import type { NumberMark } from './number-mark.ts'
import type { PresentationLog, RecordingObserver } from './ports.ts'
import type { RowsEnd } from './rows-end.ts'
import type { JournalFile } from './spool/journal-file.ts'
import type { SpoolFolder } from './spool/spool-folder.ts'
import type { FragmentHolds } from './spool/spool-queue.ts'
import type { SpoolOptions } from './spool/spool-writer.ts'

/** How a recording is kept. */
export type RecordingOptions = SpoolOptions & {
  /** Media in memory of what is also on disk; the newest three segments are never let go of. */
  readonly hotBytes: number
}

/** What a recording is made with. */
export type RecordingPorts = {
  readonly log: PresentationLog
  readonly folder: SpoolFolder
  readonly storage: () => Promise<BlobStorage>
  readonly assetFolder: string
  readonly assetKey: Uint8Array | undefined
  /** Absent: numbers that are used while the disk takes nothing are not set aside. */
  readonly mark?: NumberMark
  readonly holds: FragmentHolds
  readonly turns: Turns
  readonly random: (sizeBytes: number) => Uint8Array
  readonly observer: RecordingObserver
  readonly clock: Clock
  readonly logger: Logger
}

/** What an earlier run of this recording has left. */
export type EarlierRun = {
  /** What is not in storage, in order. */
  readonly files: readonly JournalFile[]
  readonly tracks: Iterable<Track>
  readonly end: RowsEnd | undefined
  /** The number of the segment that was being written is used up. */
  readonly hasOpen: boolean
  /** As `UsedNumbers.usedUntil`. */
  readonly usedUntil?: number
  /** As `RecoveredRecording.discardedBefore`. */
  readonly discardedBefore?: number
}
