import { AppError } from '../lib/errors.ts'

type Waiter = { readonly take: () => void; readonly leave: (reason: unknown) => void }

/** How many things may be under way at once; so many more wait in order, and past them all are turned away. */
export class CallSlots {
  readonly #maxActive: number
  readonly #maxWaiting: number
  #active = 0
  readonly #waiting = new Set<Waiter>()

  constructor(maxActive: number, maxWaiting: number) {
    this.#maxActive = maxActive
    this.#maxWaiting = maxWaiting
  }

  /** Resolves with what gives the slot back, which counts once. @throws AppError `STORAGE_BUSY`, or the signal's reason */
  async take(signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#active < this.#maxActive) this.#active += 1
    else await this.#wait(signal)
    let isHeld = true
    return () => {
      if (isHeld) this.#release()
      isHeld = false
    }
  }

  /** Runs `work` in a slot. */
  async run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const release = await this.take(signal)
    try {
      return await work()
    } finally {
      release()
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= this.#maxWaiting) {
      throw new AppError('STORAGE_BUSY', 'Too much is being read from and written to storage: try again.')
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      this.#waiting.delete(waiter)
      reject(signal?.reason)
    }
    const waiter: Waiter = {
      take: () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      },
      leave: reject,
    }
    this.#waiting.add(waiter)
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  }

  /** The slot goes to whoever has waited longest. */
  #release(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#active -= 1
      return
    }
    this.#waiting.delete(next)
    next.take()
  }
}
