import { abortable } from './abortable.ts'

/** What is kept, and what it takes in memory; `undefined`: it is given to those who wait for it, and not kept. */
export type Weighed = { readonly memoryBytes: number | undefined }

type Entry<T> = {
  readonly promise: Promise<T>
  readonly abort: AbortController
  /** Who waits for it, or has it on lease. */
  users: number
  made?: T
  /** It is not kept any more: who has it is the last. */
  isDropped: boolean
}

/**
 * Keeps what is costly to make within a budget of bytes; what was used longest ago goes first, and one thing larger than the
 * whole budget is kept alone. Who asks for what is being made waits for it; when nobody waits any more, its making is aborted.
 */
export class SharedCache<T extends Weighed> {
  readonly #budgetBytes: number
  readonly #release: (value: T) => void
  readonly #entries = new Map<string, Entry<T>>()
  #sizeBytes = 0

  /** `release` is handed what is neither kept nor on lease any more; where it is given, values are only taken by `lease`. */
  constructor(budgetBytes: number, release: (value: T) => void = () => undefined) {
    this.#budgetBytes = budgetBytes
    this.#release = release
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Whether `key` is kept, or being made. */
  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** What is kept under `key`, else what `make` makes. Rejects with the signal's reason, or with what `make` throws. */
  async get(key: string, make: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const entry = this.#join(key, make, signal)
    try {
      return await abortable(entry.promise, signal)
    } finally {
      this.#leave(key, entry)
    }
  }

  /** As `get`; what it gives is not released before `signal` is aborted, which the caller does when it is done. */
  async lease(key: string, make: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const entry = this.#join(key, make, signal)
    signal.addEventListener('abort', () => this.#leave(key, entry), { once: true })
    // What is there is not waited for: this is the way of most answers.
    return entry.made ?? abortable(entry.promise, signal)
  }

  #join(key: string, make: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Entry<T> {
    signal.throwIfAborted()
    const entry = this.#entries.get(key) ?? this.#begin(key, make)
    // Used last: it goes to the end.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    entry.users++
    return entry
  }

  #leave(key: string, entry: Entry<T>): void {
    entry.users--
    if (entry.users > 0) return
    if (entry.made === undefined) this.#giveUp(key, entry)
    else if (entry.isDropped) this.#release(entry.made)
  }

  #begin(key: string, make: (signal: AbortSignal) => Promise<T>): Entry<T> {
    const abort = new AbortController()
    const entry: Entry<T> = { promise: make(abort.signal), abort, users: 0, isDropped: false }
    entry.promise.then(
      (value) => this.#made(key, entry, value),
      () => this.#giveUp(key, entry),
    )
    return entry
  }

  #made(key: string, entry: Entry<T>, value: T): void {
    entry.made = value
    const isKept = this.#entries.get(key) === entry && value.memoryBytes !== undefined
    if (!isKept) {
      this.#drop(key, entry)
      return
    }
    this.#sizeBytes += value.memoryBytes
    for (const [oldest, other] of this.#entries) {
      if (this.#sizeBytes <= this.#budgetBytes) return
      if (oldest === key || other.made === undefined) continue
      this.#sizeBytes -= other.made.memoryBytes ?? 0
      this.#drop(oldest, other)
    }
  }

  /** It was made, and is kept no longer. */
  #drop(key: string, entry: Entry<T>): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key)
    entry.isDropped = true
    if (entry.users === 0 && entry.made !== undefined) this.#release(entry.made)
  }

  /** Nobody wants it any more before it is made, or it can't be made. */
  #giveUp(key: string, entry: Entry<T>): void {
    entry.abort.abort()
    if (this.#entries.get(key) === entry && entry.made === undefined) this.#entries.delete(key)
  }
}
