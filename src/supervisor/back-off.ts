/** How long to wait before each further try: twice as long as before, up to a limit. */
export class BackOff {
  readonly #firstMs: number
  readonly #longestMs: number
  #tries = 0

  constructor(firstMs: number, longestMs: number) {
    this.#firstMs = firstMs
    this.#longestMs = longestMs
  }

  /** How many tries have failed in a row. */
  get tries(): number {
    return this.#tries
  }

  /** Another try has failed. */
  next(): number {
    // Far past the limit already; the power must not overflow.
    const doublings = Math.min(this.#tries++, 30)
    return Math.min(this.#longestMs, this.#firstMs * 2 ** doublings)
  }

  /** It went well. */
  reset(): void {
    this.#tries = 0
  }
}
