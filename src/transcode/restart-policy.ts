/** How patient the restarting is. */
export type RestartPolicyOptions = {
  /** Deaths in a row that are answered at once; the next one is the first to wait. */
  readonly promptRestarts: number
  /** First wait; each further death doubles it. */
  readonly backoffMs: number
  readonly maxBackoffMs: number
  /** A death longer ago than this no longer counts. */
  readonly windowMs: number
}

/** How long to wait before the next child. A child that gave media for a while had no part in a row of failures. */
export class RestartPolicy {
  readonly #options: RestartPolicyOptions
  #deathsMs: number[] = []

  constructor(options: RestartPolicyOptions) {
    this.#options = options
  }

  /** Deaths in the current row. */
  get deaths(): number {
    return this.#deathsMs.length
  }

  /** A child is gone; `productive`: it had given enough media to be called working. Gives the wait before the next one. */
  died(nowMs: number, productive: boolean): number {
    const { promptRestarts, backoffMs, maxBackoffMs, windowMs } = this.#options
    const latest = this.#deathsMs.at(-1)
    if (productive || (latest !== undefined && nowMs - latest > windowMs + this.#waitMs())) this.#deathsMs = []
    this.#deathsMs = [...this.#deathsMs, nowMs].slice(-64)
    return this.#deathsMs.length <= promptRestarts ? 0 : Math.min(maxBackoffMs, backoffMs * 2 ** this.#doublings())
  }

  #doublings(): number {
    return this.#deathsMs.length - this.#options.promptRestarts - 1
  }

  #waitMs(): number {
    const { backoffMs, maxBackoffMs } = this.#options
    return this.#doublings() < 0 ? 0 : Math.min(maxBackoffMs, backoffMs * 2 ** this.#doublings())
  }
}
