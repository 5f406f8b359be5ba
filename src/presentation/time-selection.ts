import { PRESENTATION_TIMESCALE } from './records.ts'
import { endOf, firstAfter, wallTicks } from './segment-search.ts'
import type { PresentationView, SegmentRow } from './view.ts'
import type { Selection, TimeRange } from './view-filter.ts'

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** As long after the end as `archived` is after `ended`, for players that are in the middle of a window. */
const SETTLED_TARGETS = 3

/** The part of a presentation that a selection shows. */
export type TimeWindow = {
  /** The segments: `first` ≤ sequence < `end`. */
  readonly first: number
  readonly end: number
  /** The presentation has come to where the selection ends: nothing more is shown. */
  readonly isClosed: boolean
  /** It did so a while ago. */
  readonly isSettled: boolean
  /** The newest segments are held back, or come after the end. */
  readonly isEdgeHidden: boolean
}

/** Which segments a selection shows of the presentation as it is now. A segment that reaches over a bound is shown whole. */
export function timeWindow(view: PresentationView, selection: Selection): TimeWindow {
  const { firstSequence, endSequence } = view
  const bounds = boundsOf(view, selection)
  if (!bounds) {
    return { first: firstSequence, end: endSequence, isClosed: false, isSettled: false, isEdgeHidden: false }
  }
  const { startTicks, endTicks, edgeTicks } = bounds
  const first = firstAfter(view, (row) => endOf(row) > startTicks)
  const isClosed = edgeTicks >= endTicks
  const backoffMs = view.ended || isClosed ? 0 : liveBackoffMs(selection)
  const shownTicks = edgeTicks - backoffMs * TICKS_PER_MS
  const isPast = (row: SegmentRow) => row.startTicks >= endTicks || endOf(row) > shownTicks
  const end = isClosed || backoffMs > 0 ? firstAfter(view, isPast) : endSequence
  return {
    first: Math.min(first, end),
    end,
    isClosed,
    isSettled: isClosed && edgeTicks >= endTicks + SETTLED_TARGETS * view.header.targetDurationMs * TICKS_PER_MS,
    isEdgeHidden: isClosed || backoffMs > 0,
  }
}

/** How far behind the live edge a selection keeps: as far as any of its filters. */
export function liveBackoffMs(selection: Selection): number {
  return Math.max(0, ...ranges(selection).flatMap((range) => range.liveBackoffMs ?? []))
}

/** Why a selection shows nothing: it is no longer kept, it is yet to come, or there never was, or will be, anything. */
export function whyEmpty(view: PresentationView, selection: Selection): 'gone' | 'not-yet' | 'nothing' {
  const bounds = boundsOf(view, selection)
  const first = view.segment(view.firstSequence)
  if (!bounds || !first) return view.ended ? 'nothing' : 'not-yet'
  if (bounds.endTicks <= first.startTicks) return view.firstSequence > 0 ? 'gone' : 'nothing'
  return view.ended || bounds.endTicks <= bounds.startTicks || bounds.edgeTicks >= bounds.endTicks
    ? 'nothing'
    : 'not-yet'
}

/**
 * The times of a selection as they are where they fall into a segment that is there: a start as that one's own start, an end as
 * that of the first segment which is not shown; so that requests for the same segments are the same. ms since the epoch.
 */
export function settleTimes(
  view: PresentationView,
  { startMs, endMs }: Omit<Selection, 'filters'>,
): Omit<Selection, 'filters'> {
  const start = startMs === undefined ? undefined : rowFrom(view, startMs, (row, ticks) => endOf(row) > ticks)
  const end = endMs === undefined ? undefined : rowFrom(view, endMs, (row, ticks) => row.startTicks >= ticks)
  // Rounded so that the millisecond lies on the same side of the same segment's start.
  return {
    ...(startMs !== undefined && { startMs: start ? Math.ceil(wallOf(view, start)) : startMs }),
    ...(endMs !== undefined && { endMs: end ? Math.floor(wallOf(view, end)) : endMs }),
  }
}

type Bounds = { readonly startTicks: number; readonly endTicks: number; readonly edgeTicks: number }

/** Where the selection begins and ends, and the presentation's newest segment ends; 90 kHz. `undefined`: there is no segment. */
function boundsOf(view: PresentationView, selection: Selection): Bounds | undefined {
  const first = view.segment(view.firstSequence)
  const last = view.segment(view.endSequence - 1)
  if (!first || !last) return undefined
  const beginning = beginningOf(view, first)
  const starts: number[] = []
  const ends: number[] = []
  if (selection.startMs !== undefined) starts.push(ticksAt(view, selection.startMs))
  if (selection.endMs !== undefined) ends.push(ticksAt(view, selection.endMs))
  for (const { startMs, endMs, forceEnd } of ranges(selection)) {
    if (startMs !== undefined) starts.push(beginning + startMs * TICKS_PER_MS)
    if (endMs !== undefined && (forceEnd || view.ended)) ends.push(beginning + endMs * TICKS_PER_MS)
  }
  return {
    startTicks: Math.max(Number.NEGATIVE_INFINITY, ...starts),
    endTicks: Math.min(Number.POSITIVE_INFINITY, ...ends),
    edgeTicks: endOf(last),
  }
}

/** Where a filter's times count from: on-demand where a player's time does; live where the oldest kept stretch of timeline began. */
function beginningOf(view: PresentationView, first: SegmentRow): number {
  if (view.ended) return first.startTicks
  return view.discontinuityStartTicks(first.discontinuitySequence) ?? first.startTicks
}

function ranges({ filters }: Selection): readonly TimeRange[] {
  return filters.flatMap(({ timeRange }) => timeRange ?? [])
}

/** The segment that comes first of those for which `isBehind` holds, in a presentation whose segments go on past it. */
function rowFrom(
  view: PresentationView,
  wallMs: number,
  isBehind: (row: SegmentRow, ticks: number) => boolean,
): SegmentRow | undefined {
  const ticks = ticksAt(view, wallMs)
  return view.segment(firstAfter(view, (row) => isBehind(row, ticks)))
}

/** The presentation's time at an instant of the wall clock. What has none (a file) has its own time from 0 on instead. */
function ticksAt(view: PresentationView, wallMs: number): number {
  return view.header.hasWallClock === false ? wallMs * TICKS_PER_MS : wallTicks(view, wallMs)
}

function wallOf(view: PresentationView, row: SegmentRow): number {
  return view.header.hasWallClock === false ? row.startTicks / TICKS_PER_MS : row.wallMs
}
