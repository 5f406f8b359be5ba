type Waiter = { readonly go: () => void }

/** How one of many wants its turn. */
export type TurnOptions = { readonly signal?: AbortSignal | undefined; readonly urgent?: boolean }

/** What becomes of those that come when so many wait already; without it all may wait. */
export type TurnLimits = { readonly maxWaiting: number; readonly refusal: () => Error }

/** Lets so many do a thing at a time, each in its turn, the urgent ones before the others. Who waits costs a promise. */
export class Turns {
  readonly #limit: number
  readonly #limits: TurnLimits | undefined
  readonly #urgent = new Set<Waiter>()
  readonly #others = new Set<Waiter>()
  #taken = 0

  constructor(limit: number, limits?: TurnLimits) {
    this.#limit = limit
    this.#limits = limits
  }

  /** Runs the task in its turn. @throws what `take` throws, and what the task throws */
  async run<T>(task: () => Promise<T>, options: TurnOptions = {}): Promise<T> {
    const giveBack = await this.take(options)
    try {
      return await task()
    } finally {
      giveBack()
    }
  }

  /** Resolves, in its turn, with what ends it, which counts once. @throws the signal's reason, or the refusal where too many wait */
  async take({ signal, urgent = false }: TurnOptions = {}): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#taken < this.#limit) this.#taken += 1
    else await this.#wait(urgent ? this.#urgent : this.#others, signal)
    let isHeld = true
    return () => {
      if (isHeld) this.#leave()
      isHeld = false
    }
  }

  #wait(queue: Set<Waiter>, signal: AbortSignal | undefined): Promise<void> {
    const limits = this.#limits
    if (limits && this.#urgent.size + this.#others.size >= limits.maxWaiting) throw limits.refusal()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      queue.delete(waiter)
      reject(signal?.reason)
    }
    const waiter: Waiter = {
      go: () => {
        queue.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
        resolve()
      },
    }
    queue.add(waiter)
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  }

  /** Who is next takes over the place: nobody comes in between. */
  #leave(): void {
    const next = first(this.#urgent) ?? first(this.#others)
    if (next) next.go()
    else this.#taken -= 1
  }
}

function first(queue: ReadonlySet<Waiter>): Waiter | undefined {
  const [waiter] = queue
  return waiter
}
