type Entry<T> = { readonly item: T; readonly sizeBytes: number }

/**
 * A queue with a budget in bytes between one producer that must not wait and one consumer that may.
 * `push` refuses what does not fit: the producer decides what that means (pause, drop to the next IDR).
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #budgetBytes: number
  #entries: Entry<T>[] = []
  #sizeBytes = 0
  #closed = false
  #wake: (() => void) | undefined

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get length(): number {
    return this.#entries.length
  }

  get closed(): boolean {
    return this.#closed
  }

  /** False, and nothing is kept, when the queue is closed or `sizeBytes` more would pass the budget. */
  push(item: T, sizeBytes: number): boolean {
    if (this.#closed || this.#sizeBytes + sizeBytes > this.#budgetBytes) return false
    this.#entries.push({ item, sizeBytes })
    this.#sizeBytes += sizeBytes
    this.#notify()
    return true
  }

  /** Forgets everything that waits and says how many items that were. */
  clear(): number {
    const dropped = this.#entries.length
    this.#entries = []
    this.#sizeBytes = 0
    return dropped
  }

  /** No more items; the consumer sees what is left and then the end. */
  close(): void {
    this.#closed = true
    this.#notify()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const entry = this.#entries.shift()
      if (entry) {
        this.#sizeBytes -= entry.sizeBytes
        yield entry.item
      } else if (this.#closed) {
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
