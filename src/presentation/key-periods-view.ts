import type { LiveEdge } from './live-edge.ts'
import { PRESENTATION_TIMESCALE } from './records.ts'
import { TextedView } from './texted-view.ts'
import type { PresentationView, SegmentRow } from './view.ts'

/** Periods that one stretch of timeline can have: of ten seconds each, until the year 2310. */
const MAX_PERIODS = 2 ** 30
const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/**
 * The begin, in ms, of the period of `lengthMs` in which a segment is that starts at `startTicks`. Periods count from the epoch, alike on every node. It is the
 * one place where ticks become periods: manifests and media have to agree on the key of a segment.
 */
export function keyPeriodMs(startTicks: number, lengthMs: number): number {
  return Math.floor(Math.round(startTicks / TICKS_PER_MS) / lengthMs) * lengthMs
}

/** The stretch of timeline with this discontinuity sequence in which this period of keys is. */
export function keyStretch(discontinuitySequence: number, periodMs: number, lengthMs: number): number {
  return discontinuitySequence * MAX_PERIODS + periodMs / lengthMs
}

/** What such a number was made of. */
export function readKeyStretch(
  stretch: number,
  lengthMs: number,
): { readonly discontinuitySequence: number; readonly periodMs: number } {
  const discontinuitySequence = Math.floor(stretch / MAX_PERIODS)
  return { discontinuitySequence, periodMs: (stretch - discontinuitySequence * MAX_PERIODS) * lengthMs }
}

/**
 * A presentation in which a new stretch of timeline begins with each period of keys, as a DASH manifest has one: discontinuity sequences are those
 * of `keyStretch`. Everything else is as it is there.
 */
export class KeyPeriodsView extends TextedView {
  readonly #lengthMs: number

  constructor(whole: PresentationView, lengthMs: number) {
    super(whole, whole.texts ?? [])
    this.#lengthMs = lengthMs
  }

  override get live(): LiveEdge | undefined {
    const { live } = this.whole
    const open = live?.openSegment
    if (!live || !open) return live
    const openSegment = { ...open, discontinuitySequence: this.#stretchOf(open) }
    return {
      partVersion: live.partVersion,
      openSegment,
      parts: (index, sequence) => live.parts(index, sequence),
    } as LiveEdge
  }

  override segment(sequence: number): SegmentRow | undefined {
    const row = this.whole.segment(sequence)
    return row && { ...row, discontinuitySequence: this.#stretchOf(row) }
  }

  /** Where the first segment under the keys starts; where that is evicted, where their period did, which is before anything that is kept. */
  override discontinuityStartTicks(stretch: number): number | undefined {
    const { discontinuitySequence, periodMs } = readKeyStretch(stretch, this.#lengthMs)
    const beganTicks = this.whole.discontinuityStartTicks(discontinuitySequence)
    const periodTicks = periodMs * TICKS_PER_MS
    if (beganTicks === undefined || beganTicks >= periodTicks) return beganTicks
    const first = this.#firstFrom(periodTicks)
    const isKept = first > this.whole.firstSequence && first < this.whole.endSequence
    return isKept ? (this.whole.segment(first)?.startTicks ?? periodTicks) : this.#startOfFirst(first, periodTicks)
  }

  #startOfFirst(first: number, periodTicks: number): number {
    // Nothing was evicted: what is first is the first.
    if (this.whole.firstSequence === 0) return this.whole.segment(first)?.startTicks ?? periodTicks
    return periodTicks
  }

  #stretchOf({ discontinuitySequence, startTicks }: Pick<SegmentRow, 'discontinuitySequence' | 'startTicks'>): number {
    return keyStretch(discontinuitySequence, keyPeriodMs(startTicks, this.#lengthMs), this.#lengthMs)
  }

  /** The first segment that starts at `ticks` or later. */
  #firstFrom(ticks: number): number {
    let low = this.whole.firstSequence
    let high = this.whole.endSequence
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      if ((this.whole.segment(middle)?.startTicks ?? Number.POSITIVE_INFINITY) < ticks) low = middle + 1
      else high = middle
    }
    return low
  }
}
