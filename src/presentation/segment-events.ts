/**
 * What was announced when a segment began: `emsg` boxes that stand before the first fragment of every rendition of this kind, for as long as
 * there is the segment. What is announced later is in a later one, so that a segment's bytes never change.
 */
export type SegmentEvents = { readonly kind: 'video' | 'audio'; readonly boxes: Uint8Array }

/** A segment and its events. */
export type NumberedEvents = SegmentEvents & { readonly sequence: number }

const OVERHEAD_BYTES = 64

/** The events of a presentation's segments: of few of them, so that the rest cost nothing. */
export class EventTable {
  readonly #events = new Map<number, NumberedEvents>()
  #sizeBytes = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** By sequence. */
  get all(): readonly NumberedEvents[] {
    return [...this.#events.values()]
  }

  put(sequence: number, { kind, boxes }: SegmentEvents): void {
    this.remove(sequence)
    this.#events.set(sequence, { sequence, kind, boxes })
    this.#sizeBytes += boxes.byteLength + OVERHEAD_BYTES
  }

  find(sequence: number): SegmentEvents | undefined {
    return this.#events.size === 0 ? undefined : this.#events.get(sequence)
  }

  remove(sequence: number): void {
    const known = this.#events.get(sequence)
    if (!known) return
    this.#events.delete(sequence)
    this.#sizeBytes -= known.boxes.byteLength + OVERHEAD_BYTES
  }

  /** Forgets what is before `firstSequence`. */
  trim(firstSequence: number): void {
    for (const sequence of this.#events.keys()) {
      if (sequence >= firstSequence) return
      this.remove(sequence)
    }
  }
}
