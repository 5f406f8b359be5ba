import type { Clock } from '../lib/clock.ts'
import type { Sample } from '../media/media.ts'
import { Congestion } from './congestion.ts'
import type { DropCounter } from './drop-counter.ts'
import type { DropReason } from './transcode-sink.ts'

/** What may wait for a child, and for how long. */
export type InputValveOptions = { readonly maxQueuedBytes: number; readonly lagBudgetMs: number }

/** What the valve needs to know of the child it stands before. */
export type ValveLoad = { readonly queuedBytes: number; readonly lagMs: number; readonly producedMs: number }

/**
 * Decides which input reaches the child. From half the byte budget on the writer is asked to wait; after the lag budget,
 * or at the whole byte budget, the valve shuts, and opens again once the queue is empty: for sound at once, for pictures at
 * the next IDR.
 */
export class InputValve {
  readonly #options: InputValveOptions
  readonly #drops: DropCounter
  readonly #congestion: Congestion
  #shut: DropReason | undefined
  #awaitsIdr: DropReason | undefined

  constructor(options: InputValveOptions, clock: Clock, drops: DropCounter) {
    this.#options = options
    this.#drops = drops
    this.#congestion = new Congestion(clock, options.lagBudgetMs)
  }

  /** Whether the sample may go on; one that may not is counted. */
  admits(kind: 'video' | 'audio', sample: Sample): boolean {
    const reason = this.#shut ?? (kind === 'video' && !sample.independent ? this.#awaitsIdr : undefined)
    if (reason !== undefined) {
      this.#drops.add(1, reason)
      return false
    }
    if (kind === 'video') this.#awaitsIdr = undefined
    return true
  }

  /** No more pictures before the next independent one. */
  awaitIdr(reason: DropReason): void {
    this.#awaitsIdr ??= reason
  }

  /** Nothing more until the child has caught up. */
  shut(reason: DropReason): void {
    this.#shut ??= reason
    this.#awaitsIdr ??= reason
  }

  /** After each write: a promise where the writer is to wait. `onTooSlow`: the child worked all the while and was not fast enough. */
  afterWrite(load: ValveLoad, onTooSlow: () => void): Promise<void> | undefined {
    if (load.queuedBytes >= this.#options.maxQueuedBytes) this.shut('congested')
    if (load.queuedBytes < this.#options.maxQueuedBytes / 2) return undefined
    const producedMs = load.producedMs
    return this.#congestion.wait(() => {
      this.shut('congested')
      if (load.producedMs > producedMs) onTooSlow()
    })
  }

  /** To be called when the child has taken what waited, and now and then: opens the valve where there is room again. */
  review(load: ValveLoad): void {
    if (load.queuedBytes > 0) return
    this.#congestion.end()
    if (load.lagMs <= this.#options.lagBudgetMs) this.#shut = undefined
  }

  /** For another child, or none: the writer goes on, nothing is shut. */
  reset(): void {
    this.#congestion.end()
    this.#shut = undefined
    this.#awaitsIdr = undefined
  }
}
