import { PRESENTATION_TIMESCALE } from './records.ts'
import type { PresentationView, SegmentRow } from './view.ts'

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** Key frames land on the first frame at or after the instant they were asked for; a frame earlier is rounding. */
const ROUNDING_TICKS = 900
/** So far ahead of the newest segment a number may be that is waited for: clocks differ, and so do copies of the log. */
const NUMBERS_AHEAD = 2

/** The cell of the epoch grid that a segment from `startTicks` (90 kHz) on belongs to: its number in DASH. */
export function gridNumber(startTicks: number, gridMs: number): number {
  return Math.floor((startTicks + ROUNDING_TICKS) / (gridMs * TICKS_PER_MS))
}

/** Where a cell begins, 90 kHz. */
export function gridTicks(number: number, gridMs: number): number {
  return number * gridMs * TICKS_PER_MS
}

/**
 * The first number of a stretch of timeline that began at `startTicks`, as players of `$Number$` are to take it: media may lie off its number's
 * time by half a segment (ISO/IEC 23009-1 §5.3.9.5.3), so a first segment that is shorter than half of one is left out.
 */
export function firstNumber(startTicks: number, gridMs: number): number {
  return Math.round(startTicks / (gridMs * TICKS_PER_MS))
}

/** A segment by its number on the epoch grid, within one stretch of timeline, of one track. */
export type NumberedSegment = {
  readonly track: number
  readonly discontinuitySequence: number
  readonly number: number
}

/** What there is under a number. `ahead`: it may come soon; `far`: later, or never; `none`: it has no media, and never will. */
export type NumberedPlace =
  | { readonly kind: 'closed' | 'open'; readonly sequence: number }
  | { readonly kind: 'ahead' | 'far' | 'gone' | 'none' }

/** Finds a segment by its number; of one that is open only when something of the rendition is there. */
export function findNumbered(view: PresentationView, renditionIndex: number, wanted: NumberedSegment): NumberedPlace {
  const { gridMs } = view.header
  if (gridMs === undefined) return { kind: 'none' }
  const sequence = closedSequence(view, renditionIndex, wanted, gridMs)
  if (sequence !== undefined) return { kind: 'closed', sequence }
  const { track, discontinuitySequence, number } = wanted
  const open = view.live?.openSegment
  const isOpen = open?.discontinuitySequence === discontinuitySequence && gridNumber(open.startTicks, gridMs) === number
  if (open && isOpen) {
    const parts = view.live?.parts(renditionIndex, open.sequence) ?? []
    if (parts.some((part) => part.track === track)) return { kind: 'open', sequence: open.sequence }
    return { kind: parts.length > 0 ? 'none' : 'ahead' }
  }
  return { kind: absence(view, wanted, gridMs) }
}

function closedSequence(
  view: PresentationView,
  renditionIndex: number,
  { track, discontinuitySequence, number }: NumberedSegment,
  gridMs: number,
): number | undefined {
  const fromTicks = gridTicks(number, gridMs) - ROUNDING_TICKS
  for (let sequence = firstFrom(view, fromTicks); sequence < view.endSequence; sequence++) {
    const row = view.segment(sequence)
    if (!row || gridNumber(row.startTicks, gridMs) !== number) return undefined
    if (row.discontinuitySequence !== discontinuitySequence) continue
    if (view.renditionSegment(renditionIndex, sequence)?.track === track) return sequence
  }
  return undefined
}

/** The first segment that starts at `ticks` or later. */
function firstFrom(view: PresentationView, ticks: number): number {
  let low = view.firstSequence
  let high = view.endSequence
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if ((view.segment(middle)?.startTicks ?? Number.POSITIVE_INFINITY) < ticks) low = middle + 1
    else high = middle
  }
  return low
}

function absence(
  view: PresentationView,
  { discontinuitySequence, number }: NumberedSegment,
  gridMs: number,
): 'ahead' | 'far' | 'gone' | 'none' {
  const first = view.segment(view.firstSequence)
  const isBefore = first !== undefined && gridTicks(number + 1, gridMs) <= first.startTicks + ROUNDING_TICKS
  if (isBefore && view.firstSequence > 0) return 'gone'
  const newest: Pick<SegmentRow, 'startTicks' | 'discontinuitySequence'> | undefined =
    view.live?.openSegment ?? view.segment(view.endSequence - 1)
  if (view.ended || !newest) return 'none'
  const newestNumber = gridNumber(newest.startTicks, gridMs)
  const stretches = discontinuitySequence - newest.discontinuitySequence
  // The next stretch may begin in the very cell in which this one ends, and is perhaps known elsewhere already.
  const isBehind = stretches === 0 ? number <= newestNumber : number < newestNumber
  if (stretches < 0 || stretches > 1 || isBehind) return 'none'
  return number <= newestNumber + NUMBERS_AHEAD ? 'ahead' : 'far'
}
