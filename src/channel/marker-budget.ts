import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'

/** What may be said at once after a quiet while, and what comes back of it in a second. */
const MARKERS = { most: 20, perSecond: 10 } as const
const BYTES = { most: 65_536, perSecond: 8_192 } as const
/** Cues and texts leave so many for breaks. */
const KEPT_FOR_BREAKS = 10

/** How much an encoder may say of markers: each of them is written down, and is news to every viewer. */
export class MarkerBudget {
  #markers: number = MARKERS.most
  #bytes: number = BYTES.most
  #atTicks = 0

  /** Takes a marker of this size from what is left, where there is enough. `nowTicks`: 90 kHz. */
  spend(nowTicks: number, sizeBytes: number, isMinor: boolean): boolean {
    // A clock that was set back has no time behind it.
    const seconds = Math.max(0, nowTicks - this.#atTicks) / PRESENTATION_TIMESCALE
    this.#atTicks = nowTicks
    this.#markers = Math.min(MARKERS.most, this.#markers + seconds * MARKERS.perSecond)
    this.#bytes = Math.min(BYTES.most, this.#bytes + seconds * BYTES.perSecond)
    const leftMarkers = this.#markers - (isMinor ? KEPT_FOR_BREAKS : 0)
    if (leftMarkers < 1 || this.#bytes < sizeBytes) return false
    this.#markers -= 1
    this.#bytes -= sizeBytes
    return true
  }
}
