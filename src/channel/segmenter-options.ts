import type { CaptionService } from '../media/codecs/captions.ts'
import type { CutRuleOptions } from './cut-rule.ts'
import type { LogEntry } from './segment-assembly.ts'

/** How the renditions are cut, and where their records go. */
export type SegmenterOptions = {
  readonly cut: CutRuleOptions
  readonly partSeconds: number | undefined
  /** What captions the pictures are said to carry; absent: what is found in them. */
  readonly captions?: readonly CaptionService[] | undefined
  /** A rendition that brings nothing while the others move on by this is not waited for. */
  readonly patienceSeconds: number
  readonly allocate: (sizeBytes: number) => Uint8Array
  /** The sample's data has been copied into its fragment, or dropped: nobody reads it any more. */
  readonly done: (data: Uint8Array) => void
  readonly wallMs: () => number
  /** Takes the log's entries in order. */
  readonly emit: (entry: LogEntry) => void
  readonly observer: SegmenterObserver
}

/** Hears of what a viewer will notice. */
export type SegmenterObserver = {
  /** A segment that does not start with a random access point, because none came in time. */
  cutForced(startTicks: number): void
  /** A sample that came after its segment had to be closed, or before the first key frame. */
  sampleDropped(rendition: string, reason: 'late' | 'no-key-frame'): void
}
