import type { FragmentRecord } from './open-segment.ts'
import { PRESENTATION_TIMESCALE } from './records.ts'

/**
 * HLS2 §B: parts are listed in the last three target durations of a playlist, and can be fetched for three more after that. Two more,
 * because a playlist may be as old when it is read.
 */
const PARTS_KEPT_TARGETS = 8

/** A closed segment whose parts may still be fetched. */
export type RecentSegment = {
  readonly sequence: number
  /** 90 kHz. */
  readonly endTicks: number
  readonly fragments: readonly FragmentRecord[]
}

/** The fragments of closed segments whose parts may still be fetched. */
export class RecentSegments {
  readonly #keptTicks: number
  #segments: RecentSegment[] = []

  constructor(targetDurationMs: number) {
    this.#keptTicks = (targetDurationMs / 1_000) * PRESENTATION_TIMESCALE * PARTS_KEPT_TARGETS
  }

  /** The oldest first. */
  get all(): readonly RecentSegment[] {
    return this.#segments
  }

  add(segment: RecentSegment): void {
    this.#segments.push(segment)
  }

  /** The newest row ends here, 90 kHz. */
  movedTo(endTicks: number): void {
    while (this.#segments[0] && this.#segments[0].endTicks <= endTicks - this.#keptTicks) this.#segments.shift()
  }

  /** Forgets the segments for which `isGone`. */
  forget(isGone: (sequence: number) => boolean): void {
    this.#segments = this.#segments.filter(({ sequence }) => !isGone(sequence))
  }

  fragments(sequence: number): readonly FragmentRecord[] | undefined {
    return this.#segments.find((segment) => segment.sequence === sequence)?.fragments
  }
}
