import { abortable } from './abortable.ts'

/** What is kept, and what it takes in memory; `undefined`: it is given to those who wait for it, and not kept. */
export type Weighed = { readonly memoryBytes: number | undefined }

type Entry<T> = { readonly promise: Promise<T>; readonly abort: AbortController; waiting: number; sizeBytes?: number }

/**
 * Keeps what is costly to make within a budget of bytes; what was used longest ago goes first, and one thing larger than the
 * whole budget is kept alone. Who asks for what is being made waits for it; when nobody waits any more, its making is aborted.
 */
export class SharedCache<T extends Weighed> {
  readonly #budgetBytes: number
  readonly #entries = new Map<string, Entry<T>>()
  #sizeBytes = 0

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** What is kept under `key`, else what `make` makes. Rejects with the signal's reason, or with what `make` throws. */
  async get(key: string, make: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const entry = this.#entries.get(key) ?? this.#begin(key, make)
    // Used last: it goes to the end.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    entry.waiting++
    try {
      return await abortable(entry.promise, signal)
    } finally {
      entry.waiting--
      if (entry.waiting === 0 && entry.sizeBytes === undefined) this.#giveUp(key, entry)
    }
  }

  #begin(key: string, make: (signal: AbortSignal) => Promise<T>): Entry<T> {
    const abort = new AbortController()
    const entry: Entry<T> = { promise: make(abort.signal), abort, waiting: 0 }
    entry.promise.then(
      ({ memoryBytes }) => this.#made(key, entry, memoryBytes),
      () => this.#giveUp(key, entry),
    )
    return entry
  }

  #made(key: string, entry: Entry<T>, memoryBytes: number | undefined): void {
    if (this.#entries.get(key) !== entry) return
    if (memoryBytes === undefined) {
      this.#entries.delete(key)
      return
    }
    entry.sizeBytes = memoryBytes
    this.#sizeBytes += memoryBytes
    for (const [oldest, { sizeBytes }] of this.#entries) {
      if (this.#sizeBytes <= this.#budgetBytes) return
      if (oldest === key || sizeBytes === undefined) continue
      this.#entries.delete(oldest)
      this.#sizeBytes -= sizeBytes
    }
  }

  #giveUp(key: string, entry: Entry<T>): void {
    entry.abort.abort()
    if (this.#entries.get(key) === entry && entry.sizeBytes === undefined) this.#entries.delete(key)
  }
}
