import { element, type Xml } from './xml.ts'

/**
 * The run-length coded timeline of one track (ISO/IEC 23009-1 §5.3.9.6). It is the same whether segments come one by one or
 * in runs. Columns, because 25 hours of AAC are 20,000 runs.
 */
export class TimelineRuns {
  readonly #starts: number[] = []
  readonly #durations: number[] = []
  readonly #counts: number[] = []

  /**
   * A segment, or `count` of them that follow each other without a hole. They come in order of their start; where two overlap, the
   * later one says where the earlier one ends.
   */
  add(startTicks: number, durationTicks: number, count = 1): void {
    const last = this.#starts.length - 1
    if (last >= 0 && startTicks < this.#endOf(last)) this.#shortenLast(startTicks)
    this.#append(startTicks, durationTicks, count)
  }

  /** The runs as columns that take no more room than they need. */
  compact(): CompactRuns {
    return new CompactRuns(
      Float64Array.from(this.#starts),
      Float64Array.from(this.#durations),
      Uint16Array.from(this.#counts),
    )
  }

  /** Visits the runs in order. */
  forEachRun(visit: (startTicks: number, durationTicks: number, count: number) => void): void {
    for (let at = 0; at < this.#starts.length; at++) {
      visit(this.#starts[at] ?? 0, this.#durations[at] ?? 0, this.#counts[at] ?? 0)
    }
  }

  /** `SegmentTimeline`. */
  toXml(): Xml {
    const runs: string[] = []
    let endTicks = Number.NaN
    for (let at = 0; at < this.#starts.length; at++) {
      const startTicks = this.#starts[at]
      const repeats = (this.#counts[at] ?? 1) - 1
      const start = startTicks === endTicks ? '' : ` t="${startTicks}"`
      const repeated = repeats > 0 ? ` r="${repeats}"` : ''
      runs.push(`<S${start} d="${this.#durations[at]}"${repeated}/>`)
      endTicks = this.#endOf(at)
    }
    return element('SegmentTimeline', {}, runs.length === 0 ? [] : [runs.join('\n') as Xml])
  }

  #append(startTicks: number, durationTicks: number, count: number): void {
    const last = this.#starts.length - 1
    if (last >= 0 && this.#endOf(last) === startTicks && this.#durations[last] === durationTicks) {
      this.#counts[last] = (this.#counts[last] ?? 0) + count
      return
    }
    this.#starts.push(startTicks)
    this.#durations.push(durationTicks)
    this.#counts.push(count)
  }

  #shortenLast(endTicks: number): void {
    const last = this.#starts.length - 1
    const startTicks = this.#endOf(last) - (this.#durations[last] ?? 0)
    const count = (this.#counts[last] ?? 1) - 1
    this.#counts[last] = count
    if (count === 0) for (const column of [this.#starts, this.#durations, this.#counts]) column.pop()
    this.#append(startTicks, endTicks - startTicks, 1)
  }

  #endOf(at: number): number {
    return (this.#starts[at] ?? 0) + (this.#durations[at] ?? 0) * (this.#counts[at] ?? 0)
  }
}

/** Runs of at most 65,535 segments each that change no more. */
export class CompactRuns {
  readonly #starts: Float64Array
  readonly #durations: Float64Array
  readonly #counts: Uint16Array

  constructor(starts: Float64Array, durations: Float64Array, counts: Uint16Array) {
    this.#starts = starts
    this.#durations = durations
    this.#counts = counts
  }

  /** What all segments last together. */
  get totalTicks(): number {
    return this.#durations.reduce((sum, durationTicks, at) => sum + durationTicks * (this.#counts[at] ?? 0), 0)
  }

  addTo(timeline: TimelineRuns): void {
    for (let at = 0; at < this.#starts.length; at++) {
      timeline.add(this.#starts[at] ?? 0, this.#durations[at] ?? 0, this.#counts[at])
    }
  }
}
