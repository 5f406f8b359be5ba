import type { PresentationHeader } from './records.ts'

/** What may be another when a presentation goes on after a pause. A target duration never becomes shorter. */
export type PresentationTerms = Pick<
  PresentationHeader,
  'targetDurationMs' | 'partDurationMs' | 'manifestName' | 'rewindWindowMs' | 'archiveWindowMs'
>

/** What stands over a presentation that goes on under these terms. */
export function resumedHeader(header: PresentationHeader, terms: PresentationTerms): PresentationHeader {
  const {
    targetDurationMs,
    partDurationMs: _part,
    rewindWindowMs: _rewind,
    archiveWindowMs: _archive,
    ...kept
  } = header
  return {
    ...kept,
    ...terms,
    targetDurationMs: Math.max(targetDurationMs, terms.targetDurationMs),
    resumptions: (header.resumptions ?? 0) + 1,
  }
}
