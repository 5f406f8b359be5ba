/** What closes children: one after the other, in the order in which they were to end. */
export class Closings {
  #last: Promise<void> = Promise.resolve()
  #count = 0

  /** Resolves when all that was to close up to now has closed. */
  get settled(): Promise<void> {
    return this.#last
  }

  /** Runs `work` after everything that closes already, and `over` where nothing else is to close then. `work` must not reject. */
  run(work: () => Promise<void>, over: () => void): Promise<void> {
    this.#count++
    this.#last = this.#last.then(work).then(() => {
      if (--this.#count === 0) over()
    })
    return this.#last
  }
}
