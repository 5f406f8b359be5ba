import type { PresentationView } from '../presentation/view.ts'
import { type CompactRuns, TimelineRuns } from './timeline-runs.ts'

/** What some rows have of one rendition under one discontinuity sequence and in one track, in order. */
export type MediaStretch = {
  readonly discontinuitySequence: number
  readonly track: number
  /** Every segment starts with a random access point. */
  readonly independent: boolean
  readonly runs: CompactRuns
}

/** What some rows have of one rendition. */
export type SurveyedMedia = {
  readonly stretches: readonly MediaStretch[]
  /** How many segments have media. */
  readonly count: number
}

/** Rows of one discontinuity sequence; 90 kHz. */
export type RowStretch = {
  readonly discontinuitySequence: number
  readonly startTicks: number
  /** Where the media begins and ends; `undefined`: every row is a gap. */
  readonly media: { readonly startTicks: number; readonly endTicks: number } | undefined
}

/** Reads what one rendition has in the rows from `first` to before `end`. */
export function surveyMedia(view: PresentationView, renditionIndex: number, first: number, end: number): SurveyedMedia {
  const stretches: { discontinuitySequence: number; track: number; independent: boolean; runs: TimelineRuns }[] = []
  let count = 0
  for (let sequence = first; sequence < end; sequence++) {
    const media = view.renditionSegment(renditionIndex, sequence)
    const row = media && view.segment(sequence)
    if (!media || !row) continue
    const { discontinuitySequence } = row
    const { track, startTicks, durationTicks } = media
    count++
    let stretch = stretches.at(-1)
    if (stretch?.track !== track || stretch.discontinuitySequence !== discontinuitySequence) {
      stretch = { discontinuitySequence, track, independent: true, runs: new TimelineRuns() }
      stretches.push(stretch)
    }
    stretch.independent &&= media.independent
    stretch.runs.add(startTicks, durationTicks)
  }
  return { count, stretches: stretches.map((stretch) => ({ ...stretch, runs: stretch.runs.compact() })) }
}

/** Reads the rows from `first` to before `end`. */
export function surveyRows(view: PresentationView, first: number, end: number): readonly RowStretch[] {
  const stretches: RowStretch[] = []
  for (let sequence = first; sequence < end; sequence++) {
    const row = view.segment(sequence)
    if (!row) continue
    const { discontinuitySequence, startTicks, durationTicks, gap } = row
    const media = gap ? undefined : { startTicks, endTicks: startTicks + durationTicks }
    appendRows(stretches, { discontinuitySequence, startTicks, media })
  }
  return stretches
}

/** Puts a stretch behind those there are, as a part of the last one where it goes on. */
export function appendRows(stretches: RowStretch[], stretch: RowStretch): void {
  const last = stretches.at(-1)
  if (last?.discontinuitySequence !== stretch.discontinuitySequence) {
    stretches.push(stretch)
    return
  }
  const { startTicks } = last.media ?? stretch.media ?? {}
  const { endTicks } = stretch.media ?? last.media ?? {}
  const media = startTicks === undefined || endTicks === undefined ? undefined : { startTicks, endTicks }
  stretches[stretches.length - 1] = { ...last, media }
}
