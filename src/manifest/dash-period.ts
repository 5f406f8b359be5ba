import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import type { ListedWindow } from './listed-window.ts'
import type { ListingSurvey } from './listing-survey.ts'
import type { MediaStretch, RowStretch } from './surveyed-rows.ts'
import { TimelineRuns } from './timeline-runs.ts'
import type { Xml } from './xml.ts'

/** `SegmentTemplate` attributes of segments that are counted, without their addresses (§5.3.9.5.3). */
export type NumberedTemplate = Readonly<
  Record<'timescale' | 'duration' | 'startNumber' | 'presentationTimeOffset', number> &
    Record<'availabilityTimeOffset' | 'availabilityTimeComplete', string>
>

/** What the adaptation sets of a period say where its segments are counted. */
export type NumberedPeriod = {
  readonly discontinuitySequence: number
  readonly template: NumberedTemplate
  elements(kind: 'video' | 'audio'): readonly Xml[]
}

/** One track of one rendition in one period. */
export type PeriodRepresentation = {
  readonly id: string
  readonly rendition: Rendition
  readonly track: Track
  /** `SegmentTimeline`; absent where segments are counted. */
  readonly timeline: Xml | undefined
  readonly numbered?: NumberedPeriod
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
  survey: ListingSurvey,
): ListedPeriod[] {
  const media = renditions.map((rendition) => ({
    rendition,
    stretches: Map.groupBy(survey.stretches(rendition.index, window), (stretch) => stretch.discontinuitySequence),
  }))
  return survey.rows(window).map((rows) => {
    const { discontinuitySequence } = rows
    return {
      ...placeRows(view, rows),
      representations: media.flatMap(({ rendition, stretches }) =>
        listRepresentations(view, rendition, stretches.get(discontinuitySequence) ?? []),
      ),
    }
  })
}

function placeRows(
  view: PresentationView,
  { discontinuitySequence, startTicks, media }: RowStretch,
): Omit<ListedPeriod, 'representations'> {
  return {
    discontinuitySequence,
    startTicks: view.discontinuityStartTicks(discontinuitySequence) ?? startTicks,
    firstMediaTicks: media?.startTicks ?? startTicks,
    endMediaTicks: media?.endTicks ?? startTicks,
  }
}

function listRepresentations(
  view: PresentationView,
  rendition: Rendition,
  stretches: readonly MediaStretch[],
): readonly PeriodRepresentation[] {
  const tracks = Map.groupBy(stretches, ({ track }) => track)
  return [...tracks].flatMap(([number, pieces]) => {
    const track = view.track(number)
    if (track === undefined) return []
    const id = tracks.size === 1 ? rendition.name : `${rendition.name}-${number}`
    const timeline = new TimelineRuns()
    for (const { runs } of pieces) runs.addTo(timeline)
    const independent = pieces.every((piece) => piece.independent)
    return [{ id, rendition, track, timeline: timeline.toXml(), independent }]
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
