import type { RenditionSegment } from '../presentation/view.ts'
import { element, type Xml } from './xml.ts'

type Run = {
  readonly startTicks: number
  readonly durationTicks: number
  repeats: number
  readonly showsStart: boolean
}

/** The run-length coded `SegmentTimeline` of one track in one period (ISO/IEC 23009-1 §5.3.9.6), a segment at a time. */
export class TimelineBuilder {
  readonly #runs: Run[] = []
  #pending: { startTicks: number; durationTicks: number } | undefined
  #endTicks = Number.NaN
  #independent = true

  /** Every segment starts with a random access point. */
  get independent(): boolean {
    return this.#independent
  }

  add({ startTicks, durationTicks, independent }: RenditionSegment): void {
    this.#independent &&= independent
    const pending = this.#pending
    // Segments may not overlap on a timeline; the later one says where the earlier one ends.
    if (pending) this.#commit(pending.startTicks, Math.min(pending.durationTicks, startTicks - pending.startTicks))
    this.#pending = { startTicks, durationTicks }
  }

  /** `SegmentTimeline`; call it once, after the last segment. */
  finish(): Xml {
    if (this.#pending) this.#commit(this.#pending.startTicks, this.#pending.durationTicks)
    return element('SegmentTimeline', {}, this.#runs.map(runElement))
  }

  #commit(startTicks: number, durationTicks: number): void {
    const run = this.#runs.at(-1)
    const isNext = startTicks === this.#endTicks
    this.#endTicks = startTicks + durationTicks
    if (run && isNext && run.durationTicks === durationTicks) run.repeats++
    else this.#runs.push({ startTicks, durationTicks, repeats: 0, showsStart: !isNext })
  }
}

function runElement({ startTicks, durationTicks, repeats, showsStart }: Run): Xml {
  return element('S', {
    t: showsStart ? startTicks : undefined,
    d: durationTicks,
    r: repeats > 0 ? repeats : undefined,
  })
}
