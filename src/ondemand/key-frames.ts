import { firstIndex } from '../lib/first-index.ts'
import type { SampleTables } from '../media/isobmff/mp4-index-tables.ts'
import { TimeCursor } from '../media/isobmff/mp4-index-times.ts'

/** Walks the key frames of a track in the order of their presentation; what lies between is skipped. */
export class KeyFrames {
  /** Number of the sample; `undefined` behind the last one. */
  sample: number | undefined
  /** PTS, in the tables' own time. */
  ptsTicks = Number.NEGATIVE_INFINITY
  readonly #time: TimeCursor
  readonly #tables: SampleTables
  readonly #endSample: number
  #entry = 0

  /** Stands on the first key frame from `firstSample` on and before `endSample`. */
  constructor(tables: SampleTables, firstSample: number, endSample: number = tables.sizes.entries) {
    this.#tables = tables
    this.#time = new TimeCursor(tables)
    this.#endSample = endSample
    this.#entry = tables.syncSamples ? entryOf(tables.syncSamples, firstSample) : firstSample
    this.next()
  }

  /** What its PTS is more than its DTS, in the tables' own time. */
  get compositionTicks(): number {
    return this.#time.compositionTicks
  }

  /** Goes to the next one; one that is presented before its predecessor is left out. */
  next(): void {
    const before = this.ptsTicks
    do {
      const sample = this.#sampleAt(this.#entry++)
      if (sample >= this.#endSample) {
        this.sample = undefined
        this.ptsTicks = Number.POSITIVE_INFINITY
        return
      }
      this.#time.advance(sample - this.#time.sample)
      this.sample = sample
      this.ptsTicks = this.#time.dtsTicks + this.#time.compositionTicks
    } while (this.ptsTicks <= before)
  }

  #sampleAt(entry: number): number {
    const table = this.#tables.syncSamples
    if (table === undefined) return entry
    return entry < table.entries ? table.view.getUint32(entry * 4) - 1 : Number.POSITIVE_INFINITY
  }
}

/** The first entry of `stss` that is of the sample or of a later one. */
function entryOf({ entries, view }: NonNullable<SampleTables['syncSamples']>, sample: number): number {
  return firstIndex(0, entries, (entry) => view.getUint32(entry * 4) - 1 >= sample)
}
