import type { Clock, Timer } from '../lib/clock.ts'

/** The promise that a writer is given while the child doesn't take its input: one at a time, kept for `patienceMs` at most. */
export class Congestion {
  readonly #clock: Clock
  readonly #patienceMs: number
  #current: { readonly promise: Promise<void>; readonly resolve: () => void; readonly timer: Timer } | undefined

  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock
    this.#patienceMs = patienceMs
  }

  /** The promise to wait for. `onTimeout` is called before it resolves, where nothing else has ended it in time. */
  wait(onTimeout: () => void): Promise<void> {
    if (this.#current) return this.#current.promise
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#clock.after(this.#patienceMs, () => {
      onTimeout()
      this.end()
    })
    this.#current = { promise, resolve, timer }
    return promise
  }

  /** Lets the writer go on. */
  end(): void {
    const current = this.#current
    this.#current = undefined
    current?.timer.cancel()
    current?.resolve()
  }
}
