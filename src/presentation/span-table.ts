import { firstIndex } from '../lib/first-index.ts'

/** A run of whole segments that lies in storage as one file per track: `firstSequence` ≤ sequence < `endSequence`. */
export type Span = { readonly firstSequence: number; readonly endSequence: number }

/** The spans of a presentation, in order; between two of them there may be segments that never came to storage. */
export class SpanTable {
  readonly #spans: Span[] = []

  /** The end of the newest span; `undefined` before the first. */
  get endSequence(): number | undefined {
    return this.#spans.at(-1)?.endSequence
  }

  get all(): readonly Span[] {
    return this.#spans
  }

  add(span: Span): void {
    this.#spans.push(span)
  }

  find(sequence: number): Span | undefined {
    const at = firstIndex(0, this.#spans.length, (index) => (this.#spans[index]?.endSequence ?? 0) > sequence)
    const span = this.#spans[at]
    return span !== undefined && span.firstSequence <= sequence ? span : undefined
  }

  /** Forgets the spans that end at or before `sequence`. */
  trim(sequence: number): void {
    const keep = this.#spans.findIndex(({ endSequence }) => endSequence > sequence)
    this.#spans.splice(0, keep === -1 ? this.#spans.length : keep)
  }
}
