import { AppError } from '../../lib/errors.ts'
import { PRESENTATION_TIMESCALE } from '../../presentation/records.ts'
import { endOf, firstAfter, wallTicks } from '../../presentation/segment-search.ts'
import type { PresentationView, SegmentRow } from '../../presentation/view.ts'

/** A time in a recording: by the wall clock that viewers see (ms since the epoch), or from the start of what is kept. */
export type ClipTime = { readonly wallMs: number } | { readonly offsetMs: number }

/** What is cut out; without an end, all that there is. */
export type ClipRange = { readonly from: ClipTime; readonly to?: ClipTime }

/** The segments of a clip, and the times (90 kHz) that were asked for. */
export type ClipRows = {
  readonly firstSequence: number
  readonly endSequence: number
  readonly fromTicks: number
  readonly toTicks: number
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/**
 * The segments that a range touches, without the gaps at its ends.
 *
 * @throws AppError `CLIP_EMPTY` where nothing was recorded in it, or it ends before it begins; `CLIP_NOT_YET` where it reaches
 * further than a running recording does
 */
export function clipRows(view: PresentationView, { from, to }: ClipRange): ClipRows {
  const first = view.segment(view.firstSequence)
  const last = view.segment(view.endSequence - 1)
  if (!first || !last) throw nothing('Nothing is recorded yet.')
  const fromTicks = ticksOf(view, first, from)
  const toTicks = to ? ticksOf(view, first, to) : endOf(last)
  if (!(toTicks > fromTicks)) throw nothing('The clip ends before it begins.')
  if (!view.ended && toTicks > endOf(last)) throw notYet(last)
  let firstSequence = firstAfter(view, (row) => endOf(row) > fromTicks)
  let endSequence = firstAfter(view, (row) => row.startTicks >= toTicks)
  while (firstSequence < endSequence && view.segment(firstSequence)?.gap) firstSequence++
  while (endSequence > firstSequence && view.segment(endSequence - 1)?.gap) endSequence--
  if (firstSequence >= endSequence) throw nothing('Nothing of this time was recorded, or it is no longer kept.')
  return { firstSequence, endSequence, fromTicks, toTicks }
}

function ticksOf(view: PresentationView, first: SegmentRow, time: ClipTime): number {
  if ('offsetMs' in time) return first.startTicks + time.offsetMs * TICKS_PER_MS
  return wallTicks(view, time.wallMs)
}

function nothing(message: string): AppError {
  return new AppError('CLIP_EMPTY', message)
}

function notYet(last: SegmentRow): AppError {
  const until = new Date(last.wallMs + last.durationTicks / TICKS_PER_MS).toISOString()
  return new AppError('CLIP_NOT_YET', `The recording has come to ${until}: let the clip end there, or make it later.`)
}
