import type { Clock, Timer } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { partVersionOf } from '../presentation/live-version.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { PublicationReader } from './ports.ts'
import type { ResponseWatch } from './response-watch.ts'
import { overloaded } from './shed-reason.ts'

/** How many requests may wait: in all, and for one presentation. */
export type WaitLimits = { readonly total: number; readonly perPresentation: number }

/** What waiting needs of the log; without it nothing comes that was waited for. */
export type PartWaiter = Pick<PublicationReader, 'waitForPart'>

/** What some requests wait for: those with equal keys wait for the same, and are looked at together. */
export type Goal = { readonly key: string; isMet(view: PresentationView): boolean }

type Waiter = { readonly resolve: () => void; readonly reject: (error: AppError) => void }
type Waiting = { readonly goal: Goal; readonly waiters: Set<Waiter> }
/** All who wait for one presentation. */
type Crowd = { readonly goals: Map<string, Waiting>; readonly leaving: AbortController; size: number }

/**
 * Requests that wait for parts of live presentations. Each part is looked at once for all who wait for the same, and they are let go in one
 * turn. A wait ends with its request, after its time, or when the server stops.
 */
export class LiveWaits {
  readonly #parts: PartWaiter
  readonly #clock: Clock
  readonly #limits: WaitLimits
  readonly #crowds = new Map<string, Crowd>()
  #size = 0
  #isStopped = false

  constructor(parts: PartWaiter, clock: Clock, limits: WaitLimits) {
    this.#parts = parts
    this.#clock = clock
    this.#limits = limits
  }

  /** Requests that wait now. */
  get size(): number {
    return this.#size
  }

  /**
   * Resolves when the goal is met, or the presentation went away: the caller looks again.
   * @throws AppError `LIVE_EDGE_LATE` after `limitMs`, `ORIGIN_BUSY` where too many wait, `STOPPED`
   */
  async wait(view: PresentationView, goal: Goal, limitMs: number, watch: ResponseWatch): Promise<void> {
    if (goal.isMet(view)) return
    if (this.#isStopped) throw stopped()
    const crowd = this.#crowdOf(view)
    if (this.#size >= this.#limits.total || crowd.size >= this.#limits.perPresentation) {
      this.#leaveIfEmpty(view.header.id, crowd)
      throw overloaded('waiting', 'Too many requests wait for what comes next.')
    }
    const waiting = crowd.goals.get(goal.key) ?? { goal, waiters: new Set<Waiter>() }
    crowd.goals.set(goal.key, waiting)
    this.#size++
    crowd.size++
    let timer: Timer | undefined
    let waiter: Waiter | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { resolve, reject }
        waiting.waiters.add(waiter)
        timer = this.#clock.after(limitMs, () => reject(late()))
        watch.onClose(resolve)
      })
    } finally {
      timer?.cancel()
      if (waiter) waiting.waiters.delete(waiter)
      if (waiting.waiters.size === 0 && crowd.goals.get(goal.key) === waiting) crowd.goals.delete(goal.key)
      this.#size--
      crowd.size--
      this.#leaveIfEmpty(view.header.id, crowd)
    }
  }

  /** Ends every wait at once; from now on nobody waits. */
  stop(): void {
    this.#isStopped = true
    for (const { goals, leaving } of this.#crowds.values()) {
      for (const { waiters } of goals.values()) for (const waiter of waiters) waiter.reject(stopped())
      leaving.abort()
    }
  }

  #crowdOf(view: PresentationView): Crowd {
    const { id } = view.header
    const known = this.#crowds.get(id)
    if (known) return known
    const crowd: Crowd = { goals: new Map(), leaving: new AbortController(), size: 0 }
    this.#crowds.set(id, crowd)
    void this.#follow(view, crowd)
    return crowd
  }

  /** Looks at each new part until nobody waits any more; never rejects. */
  async #follow(view: PresentationView, crowd: Crowd): Promise<void> {
    const { id } = view.header
    const { signal } = crowd.leaving
    let seen = partVersionOf(view)
    while (!signal.aborted) {
      // That it rejects means that everybody has left.
      const found = await this.#parts.waitForPart?.(id, seen + 1, signal).catch(() => undefined)
      if (signal.aborted) return
      for (const { goal, waiters } of crowd.goals.values()) {
        if (!found || isOver(found) || goal.isMet(found)) for (const { resolve } of waiters) resolve()
      }
      if (!found || isOver(found)) {
        this.#leave(id, crowd)
        return
      }
      seen = partVersionOf(found)
    }
  }

  #leaveIfEmpty(presentationId: string, crowd: Crowd): void {
    if (crowd.size === 0) this.#leave(presentationId, crowd)
  }

  #leave(presentationId: string, crowd: Crowd): void {
    crowd.leaving.abort()
    if (this.#crowds.get(presentationId) === crowd) this.#crowds.delete(presentationId)
  }
}

/** Nothing comes any more that could be waited for. */
function isOver(view: PresentationView): boolean {
  return partVersionOf(view) === Number.POSITIVE_INFINITY
}

function late(): AppError {
  return new AppError('LIVE_EDGE_LATE', 'What was waited for has not come in time; ask again.')
}

function stopped(): AppError {
  return new AppError('STOPPED', 'This server stops; another one, or this one in a moment, will answer.')
}
