import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'

/** Whether the store couldn't be used now; repeating is what helps. */
export function isStoreDown(error: unknown): boolean {
  return error instanceof AppError && error.code === 'STORE_DOWN'
}

/** Tells the log once that something of the store doesn't work, and once that it works again, however many find out. */
export class Outage {
  readonly #what: string
  readonly #clock: Clock
  readonly #logger: Logger
  #sinceMs: number | undefined

  /** `what`: what doesn't work then, as in “the store can't be …”. */
  constructor(what: string, clock: Clock, logger: Logger) {
    this.#what = what
    this.#clock = clock
    this.#logger = logger
  }

  /** Carries out a call of the store and minds how it ends. */
  async watch<T>(call: () => Promise<T>): Promise<T> {
    try {
      const result = await call()
      this.#works()
      return result
    } catch (error) {
      if (isStoreDown(error)) this.#fails(error)
      throw error
    }
  }

  #fails(error: unknown): void {
    if (this.#sinceMs !== undefined) return
    this.#sinceMs = this.#clock.monotonicMs()
    this.#logger.warn({ err: error }, `the store can't be ${this.#what}: what runs goes on, and it is tried again`)
  }

  #works(): void {
    if (this.#sinceMs === undefined) return
    const downMs = Math.round(this.#clock.monotonicMs() - this.#sinceMs)
    this.#sinceMs = undefined
    this.#logger.info({ downMs }, `the store can be ${this.#what} again`)
  }
}
