import type { LogRecord } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'

/** What the archive needs of a presentation's log: what it writes to it, and what it holds in memory. */
export type PresentationLog = {
  readonly view: PresentationView
  /** Media bytes in memory. */
  readonly sizeBytes: number
  /** The oldest closed segment whose bytes may be in memory. */
  readonly hotSequence: number
  append(record: LogRecord, bytes?: Uint8Array): number
  /** Lets go of the bytes of closed segments before this one. */
  cool(firstSequence: number): void
  segmentBytes(sequence: number): number
  /** The fragments of a closed segment that are in memory; they stay what they are until `signal` is aborted. */
  read(renditionIndex: number, sequence: number, signal: AbortSignal): readonly Uint8Array[] | undefined
  spanRecords(firstSequence: number, endSequence: number): Iterable<LogRecord>
}

/** What happens to a recording; every call is cheap and must not throw. */
export type RecordingObserver = {
  /** The disk does not keep up, and why; live goes on from memory. */
  degraded(problem: string): void
  recovered(): void
  /** Segments that could not be written, or were damaged. */
  lost(count: number): void
  /** Storage does not take what is recorded, and why. */
  storageFailed(problem: string): void
  committed(sizeBytes: number, durationMs: number): void
  /** Whole spans were discarded because they are older than the archive window. */
  discarded(spans: number): void
}
