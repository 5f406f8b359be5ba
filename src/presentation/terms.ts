import type { PresentationHeader, PresentationTerms } from './records.ts'

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
