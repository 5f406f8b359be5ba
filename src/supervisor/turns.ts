type Waiter = { readonly go: () => void }

/** Lets a few tasks run at a time, each in its turn, the urgent ones before the others. Who waits costs a promise. */
export class Turns {
  readonly #limit: number
  readonly #urgent: Waiter[] = []
  readonly #others: Waiter[] = []
  #taken = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Runs the task in its turn. @throws the signal's reason, where it aborts before that, and what the task throws */
  async run<T>(task: () => Promise<T>, options: { readonly signal?: AbortSignal; readonly urgent?: boolean } = {}) {
    await this.#enter(options.urgent ? this.#urgent : this.#others, options.signal)
    try {
      return await task()
    } finally {
      this.#leave()
    }
  }

  #enter(queue: Waiter[], signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#taken < this.#limit) {
      this.#taken++
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        queue.splice(queue.indexOf(waiter), 1)
        reject(signal?.reason)
      }
      const go = () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      const waiter = { go }
      signal?.addEventListener('abort', onAbort, { once: true })
      queue.push(waiter)
    })
  }

  /** Who is next takes over the place: nobody comes in between. */
  #leave(): void {
    const next = this.#urgent.shift() ?? this.#others.shift()
    if (next) next.go()
    else this.#taken--
  }
}
