import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, SegmentRow } from '../presentation/view.ts'
import { TimelineBuilder } from './dash-timeline.ts'
import { type ListedWindow, rowsOf } from './listed-window.ts'
import type { Xml } from './xml.ts'

/** One track of one rendition in one period. */
export type PeriodRepresentation = {
  readonly id: string
  readonly rendition: Rendition
  readonly track: Track
  /** `SegmentTimeline`. */
  readonly timeline: Xml
  readonly independent: boolean
}

/** The listed segments between two discontinuities. */
export type ListedPeriod = {
  readonly discontinuitySequence: number
  /** Where the stretch of timeline began, whether or not that is still listed; 90 kHz. */
  readonly startTicks: number
  /** Where its first and its last listed media begin and end; 90 kHz. */
  readonly firstMediaTicks: number
  readonly endMediaTicks: number
  /** Empty where every segment is a gap. */
  readonly representations: readonly PeriodRepresentation[]
}

/** The periods of a window, in order, those without media too. */
export function listedPeriods(
  view: PresentationView,
  window: ListedWindow,
  renditions: readonly Rendition[],
): readonly ListedPeriod[] {
  const stretches: SegmentRow[][] = []
  for (const row of rowsOf(view, window)) {
    const stretch = stretches.at(-1)
    if (stretch?.[0]?.discontinuitySequence === row.discontinuitySequence) stretch.push(row)
    else stretches.push([row])
  }
  return stretches.map((rows) => listPeriod(view, rows, renditions))
}

function listPeriod(view: PresentationView, rows: SegmentRow[], renditions: readonly Rendition[]): ListedPeriod {
  const { discontinuitySequence, startTicks } = rows[0] as SegmentRow
  const withMedia = rows.filter(({ gap }) => !gap)
  const newest = withMedia.at(-1)
  return {
    discontinuitySequence,
    startTicks: view.discontinuityStartTicks(discontinuitySequence) ?? startTicks,
    firstMediaTicks: withMedia[0]?.startTicks ?? startTicks,
    endMediaTicks: newest ? newest.startTicks + newest.durationTicks : startTicks,
    representations: renditions.flatMap((rendition) => listRepresentations(view, rendition, withMedia)),
  }
}

function listRepresentations(
  view: PresentationView,
  rendition: Rendition,
  rows: readonly SegmentRow[],
): readonly PeriodRepresentation[] {
  const timelines = new Map<number, TimelineBuilder>()
  for (const { sequence } of rows) {
    const media = view.renditionSegment(rendition.index, sequence)
    if (media === undefined) continue
    const timeline = timelines.get(media.track) ?? new TimelineBuilder()
    timelines.set(media.track, timeline)
    timeline.add(media)
  }
  return [...timelines].flatMap(([number, timeline]) => {
    const track = view.track(number)
    if (track === undefined) return []
    const id = timelines.size === 1 ? rendition.name : `${rendition.name}-${number}`
    return [{ id, rendition, track, timeline: timeline.finish(), independent: timeline.independent }]
  })
}

/** Where the MPD's time 0 lies on the presentation's timeline, 90 kHz. */
export type MpdOrigin = { readonly originTicks: number }

/** A listed period's `@start` (90 kHz from the MPD's origin) and the media time (90 kHz) that plays there. */
export type PeriodPlacement = { readonly startTicks: number; readonly mediaTicks: number }

/** A period that began before the origin starts with it. */
export function placePeriod(period: ListedPeriod, { originTicks }: MpdOrigin): PeriodPlacement {
  const mediaTicks = Math.max(period.startTicks, originTicks)
  return { startTicks: mediaTicks - originTicks, mediaTicks }
}

/** The timescale of `ListedPeriod`'s times. */
export const PERIOD_TIMESCALE = PRESENTATION_TIMESCALE
