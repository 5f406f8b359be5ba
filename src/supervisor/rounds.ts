import { Bell } from '../lib/bell.ts'
import type { Clock } from '../lib/clock.ts'

/** When to look again: at once, when woken, or after a time if not woken before. */
export type Next = 'again' | 'woken' | { readonly afterMs: number }

/** What is gone through in rounds, one at a time. */
export type RoundTask = {
  /** Looks at what is wanted and takes a step towards it. The signal aborts when the rounds are to end. */
  round(signal: AbortSignal): Promise<Next>
  /** Says how long to wait after a round that has failed; a quarter of a second of that whoever wakes it. */
  failed(error: unknown): number
}

/** So many steps without a rest are no progress but a fault: it must not take the processor. */
const MOST_STEPS = 1_000
const REST_MS = 1_000
/** What a failed round has written all the same wakes its own task: without a pause that would go round and round. */
const LEAST_PAUSE_MS = 250

/** The sooner of two. */
export function sooner(a: Next, b: Next): Next {
  if (a === 'again' || b === 'again') return 'again'
  if (a === 'woken') return b
  return b === 'woken' ? a : { afterMs: Math.min(a.afterMs, b.afterMs) }
}

/** Goes through a task's rounds, one after the other, whenever it is woken: what wakes it during a round has another one follow. */
export class Rounds {
  readonly #task: RoundTask
  readonly #clock: Clock
  readonly #bell = new Bell()
  readonly #ended = new AbortController()
  #running: Promise<void> | undefined

  constructor(task: RoundTask, clock: Clock) {
    this.#task = task
    this.#clock = clock
  }

  get bell(): Bell {
    return this.#bell
  }

  /** Has a round follow; the first call starts the rounds. */
  wake(): void {
    if (this.#ended.signal.aborted) return
    this.#bell.ring()
    this.#running ??= this.#run()
  }

  /** Resolves when the round that is under way has ended; none follows. */
  async stop(): Promise<void> {
    this.#ended.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended
    for (let steps = 0; !signal.aborted; ) {
      const heard = this.#bell.rings
      const next = await this.#once(signal)
      if (next === 'again' && ++steps < MOST_STEPS) continue
      steps = 0
      const limitMs = next === 'woken' ? undefined : next === 'again' ? REST_MS : next.afterMs
      await this.#bell.wait(heard, this.#clock, limitMs, signal)
    }
  }

  async #once(signal: AbortSignal): Promise<Next> {
    try {
      return await this.#task.round(signal)
    } catch (error) {
      const waitMs = this.#task.failed(error)
      const pauseMs = Math.min(waitMs, LEAST_PAUSE_MS)
      // An abort ends the pause, and then the rounds.
      await this.#clock.sleep(pauseMs, signal).catch(() => undefined)
      return { afterMs: waitMs - pauseMs }
    }
  }
}
