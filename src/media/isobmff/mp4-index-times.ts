import type { SampleTables } from './mp4-index-tables.ts'

/** What the times of a stretch of samples come to, in ticks. */
export type TimeSums = {
  /** Earliest PTS, and the latest at which a sample ends. */
  startTicks: number
  endTicks: number
  /** Not all durations are the first one's. */
  durationDiffers: boolean
  /** There are composition offsets other than the neutral one. */
  composed: boolean
}

/** Words that a `TimeCursor` is saved in. */
export const TIME_WORDS = 6

/** Walks the times of a track's samples forwards, in ticks; runs of equal samples are skipped in one step. */
export class TimeCursor {
  /** Number of the sample that it stands on, from 0. */
  sample = 0
  dtsTicks = 0
  durationTicks = 0
  /** PTS - DTS. */
  compositionTicks = 0
  readonly #durations: SampleTables['durations']
  readonly #compositions: SampleTables['compositions']
  #durationEntry = -1
  #durationLeft = 0
  #compositionEntry = -1
  #compositionLeft = 0

  /** Stands on the first sample; the tables are checked ones and not empty. */
  constructor({ durations, compositions }: Pick<SampleTables, 'durations' | 'compositions'>) {
    this.#durations = durations
    this.#compositions = compositions
    this.#nextDuration()
    this.#skipCompositions(0)
  }

  /** Samples from this one on that have its duration in one entry of the table. */
  get runLeft(): number {
    return this.#durationLeft
  }

  /** Goes `count` samples on. Past the last one it stands at the end of the track's time. */
  advance(count: number): void {
    this.sample += count
    let left = count
    while (left >= this.#durationLeft) {
      this.dtsTicks += this.#durationLeft * this.durationTicks
      left -= this.#durationLeft
      this.#nextDuration()
    }
    this.dtsTicks += left * this.durationTicks
    this.#durationLeft -= left
    this.#skipCompositions(count)
  }

  /**
   * Goes `count` samples on, at least one, and says what those come to, the first being the one that it stood on. An offset of
   * `neutralTicks` counts for none.
   */
  sum(count: number, neutralTicks = 0): TimeSums {
    const first = this.durationTicks
    const sums = { startTicks: Number.POSITIVE_INFINITY, endTicks: 0, durationDiffers: false, composed: false }
    for (let left = count; left > 0; ) {
      const samples = Math.min(left, this.#durationLeft)
      if (this.durationTicks !== first) sums.durationDiffers = true
      this.#sumRun(samples, sums, neutralTicks)
      left -= samples
    }
    return sums
  }

  /** What `restore` takes. */
  save(into: Float64Array, at: number): void {
    into[at] = this.sample
    into[at + 1] = this.dtsTicks
    into[at + 2] = this.#durationEntry
    into[at + 3] = this.#durationLeft
    into[at + 4] = this.#compositionEntry
    into[at + 5] = this.#compositionLeft
  }

  restore(from: Float64Array, at: number): void {
    this.sample = from[at] ?? 0
    this.dtsTicks = from[at + 1] ?? 0
    this.#durationEntry = (from[at + 2] ?? 0) - 1
    this.#nextDuration()
    this.#durationLeft = from[at + 3] ?? 0
    this.#compositionEntry = from[at + 4] ?? 0
    this.#compositionLeft = from[at + 5] ?? 0
    this.#readComposition()
  }

  /** Samples of one duration: of each run of equal offsets among them, the first is the earliest and the last ends it. */
  #sumRun(samples: number, sums: TimeSums, neutralTicks: number): void {
    const { durationTicks } = this
    const table = this.#compositions
    const view = table?.view
    const entries = table?.entries ?? 0
    let entry = this.#compositionEntry
    let entryLeft = this.#compositionLeft
    let composition = this.compositionTicks
    let dtsTicks = this.dtsTicks
    let { startTicks, endTicks, composed } = sums
    let left = samples
    for (;;) {
      const run = left < entryLeft ? left : entryLeft
      const ptsTicks = dtsTicks + composition
      dtsTicks += run * durationTicks
      if (run > 0 && ptsTicks < startTicks) startTicks = ptsTicks
      if (run > 0 && dtsTicks + composition > endTicks) endTicks = dtsTicks + composition
      if (run > 0 && composition !== neutralTicks) composed = true
      left -= run
      entryLeft -= run
      if (entryLeft > 0) break
      entry++
      const isThere = view !== undefined && entry < entries
      entryLeft = isThere ? view.getUint32(entry * 8) : Number.POSITIVE_INFINITY
      composition = isThere ? view.getInt32(entry * 8 + 4) : 0
    }
    sums.startTicks = startTicks
    sums.endTicks = endTicks
    sums.composed = composed
    this.#compositionEntry = entry
    this.#compositionLeft = entryLeft
    this.compositionTicks = composition
    this.sample += samples
    this.dtsTicks = dtsTicks
    this.#durationLeft -= samples
    if (this.#durationLeft === 0) this.#nextDuration()
  }

  #nextDuration(): void {
    const { entries, view } = this.#durations
    do {
      const entry = ++this.#durationEntry
      const isThere = entry < entries
      this.#durationLeft = isThere ? view.getUint32(entry * 8) : Number.POSITIVE_INFINITY
      this.durationTicks = isThere ? view.getUint32(entry * 8 + 4) : 0
    } while (this.#durationLeft === 0)
  }

  /** Samples that the table says nothing of are presented when they are decoded. */
  #skipCompositions(count: number): void {
    const table = this.#compositions
    const view = table?.view
    const entries = table?.entries ?? 0
    let entry = this.#compositionEntry
    let entryLeft = this.#compositionLeft
    let left = count
    while (left >= entryLeft) {
      left -= entryLeft
      entry++
      entryLeft = view !== undefined && entry < entries ? view.getUint32(entry * 8) : Number.POSITIVE_INFINITY
    }
    this.#compositionLeft = entryLeft - left
    if (entry === this.#compositionEntry) return
    this.#compositionEntry = entry
    this.#readComposition()
  }

  #readComposition(): void {
    const table = this.#compositions
    const entry = this.#compositionEntry
    this.compositionTicks = table && entry < table.entries ? table.view.getInt32(entry * 8 + 4) : 0
  }
}
