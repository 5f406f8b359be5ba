import { firstIndex } from '../lib/first-index.ts'
import { PRESENTATION_TIMESCALE } from './records.ts'
import type { PresentationView, SegmentRow } from './view.ts'

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/** The first kept segment for which `isBehind` holds, as it does for all behind that one; the end where it holds for none. */
export function firstAfter(view: PresentationView, isBehind: (row: SegmentRow) => boolean): number {
  return firstIndex(view.firstSequence, view.endSequence, (sequence) => {
    const row = view.segment(sequence)
    return row === undefined || isBehind(row)
  })
}

/** The newest segment that starts at or before `ticks` (90 kHz), or the first one there is. */
export function sequenceAt(view: PresentationView, ticks: number): number {
  return Math.max(view.firstSequence, firstAfter(view, ({ startTicks }) => startTicks > ticks) - 1)
}

/**
 * The presentation's time (90 kHz) at an instant of the wall clock (ms since the epoch). The two drift apart and are brought together with
 * each segment: the one that the instant falls into, or after, counts. 0 where nothing is kept.
 */
export function wallTicks(view: PresentationView, wallMs: number): number {
  const at = Math.max(view.firstSequence, firstAfter(view, (candidate) => candidate.wallMs > wallMs) - 1)
  const row = view.segment(at)
  return row ? row.startTicks + (wallMs - row.wallMs) * TICKS_PER_MS : 0
}

/** Where a segment ends, 90 kHz. */
export function endOf({ startTicks, durationTicks }: SegmentRow): number {
  return startTicks + durationTicks
}
