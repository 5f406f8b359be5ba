import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { FragmentMemory } from '../log/fragment-memory.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import { PresentationLog } from '../log/presentation-log.ts'
import type { PresentationHeader } from '../presentation/records.ts'

/** How much is kept. Bytes are of media in memory. */
export type ShelfBudgets = {
  /** Of each presentation that grows. */
  readonly logBytes: number
  /** Of all that have ended, together. */
  readonly endedBytes: number
}

/** Whose presentation it is, and under which name its locators publish it. */
export type PresentationOwner = {
  readonly accountId: string
  readonly channelId: string
  readonly manifestName: string
}

/** A presentation on this node. */
export type ShelvedPresentation = PresentationOwner & {
  readonly log: PresentationLog
  /** `growing`: a running channel writes it. `left`: its channel went away before it ended. */
  readonly state: 'growing' | 'left' | 'ended'
}

/** Hears which presentations there are; called in the turn in which it happens, and must not throw. */
export type ShelfListener = {
  opened(presentationId: string, presentation: ShelvedPresentation): void
  closed(presentationId: string): void
}

/** Presentations of few bytes are bounded by their number. */
const MAX_ENDED = 1_000

/**
 * The presentations of this node, beyond the channels that make them: what has ended stays to be watched until its asset is
 * deleted, or until memory is needed for what ended later.
 */
export class PresentationShelf implements Stoppable {
  readonly #budgets: ShelfBudgets
  readonly #directory: LogDirectory
  readonly #memory: FragmentMemory
  readonly #logger: Logger
  readonly #listeners = new Set<ShelfListener>()
  /** In the order in which they began, or ended. */
  readonly #presentations = new Map<string, ShelvedPresentation>()

  constructor(
    budgets: ShelfBudgets,
    ports: { readonly directory: LogDirectory; readonly memory: FragmentMemory; readonly logger: Logger },
  ) {
    this.#budgets = budgets
    this.#directory = ports.directory
    this.#memory = ports.memory
    this.#logger = ports.logger
  }

  /** Tells the listener of everything that is there, and of every change from now on; the result ends that. */
  subscribe(listener: ShelfListener): () => void {
    this.#listeners.add(listener)
    for (const [id, presentation] of this.#presentations) listener.opened(id, presentation)
    return () => void this.#listeners.delete(listener)
  }

  find(presentationId: string): ShelvedPresentation | undefined {
    return this.#presentations.get(presentationId)
  }

  get all(): Iterable<ShelvedPresentation> {
    return this.#presentations.values()
  }

  /** Media bytes of what no channel writes any more. */
  get endedBytes(): number {
    let sum = 0
    for (const { state, log } of this.#presentations.values()) if (state !== 'growing') sum += log.sizeBytes
    return sum
  }

  /** @throws AppError `IN_USE` where a channel is writing a presentation of that id already. */
  assertFree(presentationId: string): void {
    if (this.#presentations.get(presentationId)?.state !== 'growing') return
    throw new AppError('IN_USE', `Another program is recording into the asset ${presentationId}.`)
  }

  /** A new presentation, in the place of one of the same id that may have been there. @throws AppError `IN_USE` */
  open(header: PresentationHeader, owner: PresentationOwner): PresentationLog {
    this.assertFree(header.id)
    this.discard(header.id)
    // How long a segment is kept follows from the rewind window.
    const log = new PresentationLog(header, { memory: this.#memory, budgetBytes: this.#budgets.logBytes, retainMs: 0 })
    this.#directory.open(log)
    this.#put(header.id, { ...owner, log, state: 'growing' })
    return log
  }

  /** A presentation that was left goes on. */
  resume(presentationId: string, owner: PresentationOwner): void {
    const found = this.#presentations.get(presentationId)
    if (found) this.#put(presentationId, { ...found, ...owner, state: 'growing' })
  }

  /** Its channel went away; it may come back and go on. */
  leave(presentationId: string): void {
    this.#move(presentationId, 'left')
  }

  /** It ends, where it has not yet. One that nothing came into is not kept. */
  end(presentationId: string): void {
    const log = this.#presentations.get(presentationId)?.log
    if (!log) return
    try {
      if (!log.view.ended) log.append({ type: 'ended' })
      this.#move(presentationId, 'ended')
    } catch (error) {
      this.#logger.error({ presentation: presentationId, error: messageOf(error) }, 'a presentation could not be ended')
      this.discard(presentationId)
    }
  }

  /** Ends what a channel has left, because it is meant to be stopped. */
  endLeft(channelId: string): void {
    for (const [id, presentation] of [...this.#presentations]) {
      if (presentation.channelId === channelId && presentation.state === 'left') this.end(id)
    }
  }

  /** Nothing of it is kept. Ids that are not known are ignored. */
  discard(presentationId: string): void {
    const found = this.#presentations.get(presentationId)
    if (!found) return
    this.#presentations.delete(presentationId)
    found.log.stop()
    for (const listener of this.#listeners) listener.closed(presentationId)
  }

  async stop(): Promise<void> {
    this.#listeners.clear()
    for (const id of [...this.#presentations.keys()]) this.discard(id)
  }

  #put(presentationId: string, presentation: ShelvedPresentation): void {
    this.#presentations.set(presentationId, presentation)
    for (const listener of this.#listeners) listener.opened(presentationId, presentation)
  }

  #move(presentationId: string, state: 'left' | 'ended'): void {
    const found = this.#presentations.get(presentationId)
    if (!found) return
    if (state === 'ended' && found.log.sizeBytes === 0) {
      this.discard(presentationId)
      return
    }
    // To the end of the map: the first one there is the one that ended first.
    this.#presentations.delete(presentationId)
    this.#presentations.set(presentationId, { ...found, state })
    this.#makeRoom()
  }

  #makeRoom(): void {
    const idle = [...this.#presentations].filter(([, { state }]) => state !== 'growing')
    let excessBytes = this.endedBytes - this.#budgets.endedBytes
    let excessCount = idle.length - MAX_ENDED
    for (const [presentation, { log, state }] of idle) {
      if (excessBytes <= 0 && excessCount <= 0) return
      excessBytes -= log.sizeBytes
      excessCount--
      this.#logger.warn(
        { presentation, state, bytes: log.sizeBytes, budget: this.#budgets.endedBytes },
        'an ended presentation can no longer be watched: there is no more room for it (log.endedBudget)',
      )
      this.discard(presentation)
    }
  }
}
