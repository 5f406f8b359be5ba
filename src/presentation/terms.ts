import type { PresentationHeader, PresentationTerms } from './records.ts'

/** What stands over a presentation that goes on under these terms. */
export function resumedHeader(header: PresentationHeader, terms: PresentationTerms): PresentationHeader {
  const {
    targetDurationMs,
    partDurationMs: _part,
    gridMs,
    rewindWindowMs: _rewind,
    archiveWindowMs: _archive,
    ...kept
  } = header
  const { gridMs: nextGridMs, ...others } = terms
  return {
    ...kept,
    ...others,
    // Numbers that were given by another grid, or by none, would be given twice.
    ...(gridMs !== undefined && gridMs === nextGridMs && { gridMs }),
    targetDurationMs: Math.max(targetDurationMs, terms.targetDurationMs),
    resumptions: (header.resumptions ?? 0) + 1,
  }
}
