import { type LogRecord, PRESENTATION_TIMESCALE, type RecordOf } from '../presentation/records.ts'

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** A longer absence is not made up for row by row. */
const MAX_GAPS = 32
/** A shorter hole is no row. */
const MIN_GAP_TICKS = PRESENTATION_TIMESCALE / 4

/** Where the rows of a log end: the number of the next one, where it may start at the earliest (90 kHz), and its stretch. */
export type RowsEnd = {
  readonly nextSequence: number
  readonly endTicks: number
  readonly discontinuitySequence: number
}

/** Gaps for the numbers from where the rows end to before `untilSequence`, side by side up to `untilTicks`. */
export function* gapRows(end: RowsEnd, untilSequence: number, untilTicks: number): Iterable<RecordOf<'gap'>> {
  const count = untilSequence - end.nextSequence
  // A row starts later than the one before it, whatever happens.
  const stepTicks = Math.max(1, Math.floor((untilTicks - end.endTicks) / count))
  for (let index = 0; index < count; index++) {
    const startTicks = end.endTicks + index * stepTicks
    yield {
      type: 'gap',
      sequence: end.nextSequence + index,
      discontinuitySequence: end.discontinuitySequence,
      startTicks,
      durationTicks: stepTicks,
      wallMs: startTicks / TICKS_PER_MS,
    }
  }
}

/** What is known of the numbers behind where the rows end. */
export type UsedNumbers = {
  /** A segment was being written, so that one number at least is used up. */
  readonly hasOpen: boolean
  /** Another process wrote before: while its disk did not keep up, numbers were seen that are not set down. */
  readonly isRecovered: boolean
  /** Numbers up to before this one may have been seen while the disk took nothing; 0: no more than the journal knows. */
  readonly usedUntil: number
}

/**
 * Gaps for what is missing between where the rows end and now, on the epoch grid of `segmentMs`; after another process up to now,
 * as no more numbers can have been used unseen than fit into that time.
 */
export function missingRows(
  end: RowsEnd,
  nowMs: number,
  segmentMs: number,
  { hasOpen, isRecovered, usedUntil }: UsedNumbers,
): Iterable<RecordOf<'gap'>> {
  const segmentTicks = segmentMs * TICKS_PER_MS
  const nowTicks = Math.floor(nowMs * TICKS_PER_MS)
  const gridTicks = isRecovered ? nowTicks : Math.floor(nowTicks / segmentTicks) * segmentTicks
  const missingTicks = gridTicks - end.endTicks
  const needed = missingTicks < MIN_GAP_TICKS ? 0 : Math.ceil(missingTicks / segmentTicks)
  const count = Math.max(hasOpen ? 1 : 0, Math.min(MAX_GAPS, needed), usedUntil - end.nextSequence)
  if (count <= 0) return []
  // What is missing from the start of a long absence is no row.
  const from = needed > count ? { ...end, endTicks: gridTicks - count * segmentTicks } : end
  return gapRows(from, end.nextSequence + count, Math.max(gridTicks, from.endTicks + count))
}

/** The rows without the segment that is being written. */
export function beforeOpen(end: RowsEnd, open: RecordOf<'segment-opened'>): RowsEnd {
  return { ...end, nextSequence: open.sequence, endTicks: open.startTicks }
}

/** The gap that a segment becomes which was being written when its process, or its channel, went away. */
export function lostOpen(end: RowsEnd, nowMs: number, targetDurationMs: number): RecordOf<'gap'> {
  const untilTicks = Math.min(Math.floor(nowMs * TICKS_PER_MS), end.endTicks + targetDurationMs * TICKS_PER_MS)
  const durationTicks = Math.max(1, untilTicks - end.endTicks)
  const { nextSequence: sequence, endTicks: startTicks, discontinuitySequence } = end
  const wallMs = startTicks / TICKS_PER_MS
  return { type: 'gap', sequence, discontinuitySequence, startTicks, durationTicks, wallMs }
}

/** Where the rows end behind this record. */
export function rowsEndAfter(end: RowsEnd | undefined, record: LogRecord): RowsEnd | undefined {
  switch (record.type) {
    case 'segment-opened': {
      const { sequence, startTicks, discontinuitySequence } = record
      return { nextSequence: sequence + 1, endTicks: startTicks, discontinuitySequence }
    }
    case 'gap': {
      const { sequence, startTicks, durationTicks, discontinuitySequence } = record
      return { nextSequence: sequence + 1, endTicks: afterRow(startTicks, durationTicks), discontinuitySequence }
    }
    case 'segment-closed':
      return end && { ...end, endTicks: afterRow(end.endTicks, record.durationTicks) }
    case 'discontinuity':
      return end && { ...end, discontinuitySequence: record.discontinuitySequence }
    default:
      return end
  }
}

/** The next row starts later, even behind one that lasts no time. */
export function afterRow(startTicks: number, durationTicks: number): number {
  return startTicks + Math.max(1, Math.round(durationTicks))
}
