import { AppError } from '../../lib/errors.ts'
import { PRESENTATION_TIMESCALE } from '../../presentation/records.ts'
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
  const rows = rowsOf(view)
  const last = rows.at(-1)
  if (!rows[0] || !last) throw nothing('Nothing is recorded yet.')
  const fromTicks = ticksOf(rows, from)
  const toTicks = to ? ticksOf(rows, to) : endOf(last)
  if (!(toTicks > fromTicks)) throw nothing('The clip ends before it begins.')
  if (!view.ended && toTicks > endOf(last)) throw notYet(last)
  const touched = rows.filter((row) => !row.gap && endOf(row) > fromTicks && row.startTicks < toTicks)
  const [first, end] = [touched[0], touched.at(-1)]
  if (!first || !end) throw nothing('Nothing of this time was recorded, or it is no longer kept.')
  return { firstSequence: first.sequence, endSequence: end.sequence + 1, fromTicks, toTicks }
}

function rowsOf(view: PresentationView): SegmentRow[] {
  const rows: SegmentRow[] = []
  for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
    const row = view.segment(sequence)
    if (row) rows.push(row)
  }
  return rows
}

/** The two clocks drift apart, and are brought together with each segment: the one that the time falls into, or after, counts. */
function ticksOf(rows: readonly SegmentRow[], time: ClipTime): number {
  const first = rows[0] as SegmentRow
  if ('offsetMs' in time) return first.startTicks + time.offsetMs * TICKS_PER_MS
  const row = rows.findLast(({ wallMs }) => wallMs <= time.wallMs) ?? first
  return row.startTicks + (time.wallMs - row.wallMs) * TICKS_PER_MS
}

function endOf({ startTicks, durationTicks }: SegmentRow): number {
  return startTicks + durationTicks
}

function nothing(message: string): AppError {
  return new AppError('CLIP_EMPTY', message)
}

function notYet(last: SegmentRow): AppError {
  const until = new Date(last.wallMs + last.durationTicks / TICKS_PER_MS).toISOString()
  return new AppError('CLIP_NOT_YET', `The recording has come to ${until}: let the clip end there, or make it later.`)
}
