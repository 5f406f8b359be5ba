import type { DiscontinuityReason, RecordOf } from './records.ts'

/** A run of segments with one discontinuity sequence; `startTicks` (90 kHz) is where its first one began. */
type Stretch = { readonly discontinuitySequence: number; readonly startTicks: number }

/** A history as plain data. */
export type HistorySnapshot = {
  readonly stretches: readonly Stretch[]
  readonly reasons: readonly (readonly [number, DiscontinuityReason])[]
  readonly current: number | undefined
}

/** The stretches of timeline that the kept segments lie in, and why each began. */
export class DiscontinuityHistory {
  readonly #stretches: Stretch[] = []
  readonly #reasons = new Map<number, DiscontinuityReason>()
  #current: number | undefined

  /** The discontinuity sequence that the next segment has; `undefined` until the log has said one. */
  get current(): number | undefined {
    return this.#current
  }

  /** The oldest stretch: that of the first segment, or of the last one if all are evicted. */
  get oldest(): Stretch | undefined {
    return this.#stretches[0]
  }

  snapshot(): HistorySnapshot {
    return { stretches: [...this.#stretches], reasons: [...this.#reasons], current: this.#current }
  }

  /** Takes a snapshot over; the history must be fresh. */
  restore({ stretches, reasons, current }: HistorySnapshot): void {
    this.#stretches.push(...stretches)
    for (const [number, reason] of reasons) this.#reasons.set(number, reason)
    this.#current = current
  }

  startTicks(discontinuitySequence: number): number | undefined {
    return this.#stretches.findLast((stretch) => stretch.discontinuitySequence === discontinuitySequence)?.startTicks
  }

  /** Players count one up per discontinuity, so the log may not skip a number. */
  isNext(discontinuitySequence: number): boolean {
    return this.#current === undefined || discontinuitySequence === this.#current + 1
  }

  announce({ discontinuitySequence, reason }: RecordOf<'discontinuity'>): void {
    this.#current = discontinuitySequence
    this.#reasons.set(discontinuitySequence, reason)
  }

  /** A segment begins: in an empty log it says where the numbers start. */
  begin(discontinuitySequence: number): void {
    this.#current = discontinuitySequence
  }

  /** A segment or gap is listed; `isOnly`: all before it are evicted. */
  extend(discontinuitySequence: number, startTicks: number, isOnly: boolean): void {
    if (this.#stretches.at(-1)?.discontinuitySequence === discontinuitySequence) return
    this.#stretches.push({ discontinuitySequence, startTicks })
    if (isOnly) this.trim(discontinuitySequence)
  }

  /** Forgets what lies before the stretch with this number, but never the last one. */
  trim(discontinuitySequence: number): void {
    const keep = this.#stretches.findIndex((stretch) => stretch.discontinuitySequence >= discontinuitySequence)
    this.#stretches.splice(0, keep === -1 ? this.#stretches.length - 1 : keep)
    const oldest = this.#stretches[0]?.discontinuitySequence ?? 0
    for (const number of this.#reasons.keys()) if (number < oldest) this.#reasons.delete(number)
  }

  /** The records that lead from one discontinuity sequence to another; from nothing, those that are still known. */
  *records(after: number | undefined, until: number | undefined): Iterable<RecordOf<'discontinuity'>> {
    for (const [discontinuitySequence, reason] of this.#reasons) {
      const isWithin = discontinuitySequence > (after ?? -1) && discontinuitySequence <= (until ?? -1)
      if (isWithin) yield { type: 'discontinuity', discontinuitySequence, reason }
    }
  }
}
