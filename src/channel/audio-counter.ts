/** Timestamps of contribution are whole milliseconds; past this an audio frame is truly elsewhere (architecture.md). */
const REANCHOR_MS = 40

/**
 * Places audio frames by counting samples from an anchor, because RTMP's milliseconds jitter by a sample's worth at every
 * frame and decoders hear it. Ticks are samples since the epoch.
 */
export class AudioCounter {
  readonly #sampleRate: number
  #nextTicks: number | undefined

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate
  }

  /**
   * Where a frame of `frameTicks` samples that claims `epochMs` stands. `undefined`: it would overlap what is already
   * placed by more than 40 ms and has to be dropped.
   */
  place(epochMs: number, frameTicks: number): number | undefined {
    const claimedTicks = Math.round((epochMs * this.#sampleRate) / 1_000)
    const expectedTicks = this.#nextTicks ?? claimedTicks
    const toleranceTicks = (REANCHOR_MS * this.#sampleRate) / 1_000
    if (claimedTicks < expectedTicks - toleranceTicks) return undefined
    const placedTicks = claimedTicks > expectedTicks + toleranceTicks ? claimedTicks : expectedTicks
    this.#nextTicks = placedTicks + frameTicks
    return placedTicks
  }
}
