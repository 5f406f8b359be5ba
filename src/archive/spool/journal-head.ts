import type { LogRecord, PresentationHeader, Track } from '../../presentation/records.ts'

/**
 * The first record of a journal file: what must be known to read on from here. `stretch`: the stretch of timeline that goes on
 * in this file, and where it began (90 kHz).
 */
export type JournalHead = {
  readonly type: 'journal'
  readonly version: 1
  readonly header: PresentationHeader
  readonly tracks: readonly Track[]
  readonly nextSequence: number
  readonly stretch?: { readonly discontinuitySequence: number; readonly startTicks: number } | undefined
}

/** What stands in a journal. */
export type JournalRecord = LogRecord | JournalHead
