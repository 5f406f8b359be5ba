import type { Change, EntityStore } from '../domain/entity-store.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'

const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 10_000

type ChangePorts = {
  readonly store: Pick<EntityStore, 'sequence' | 'watch'>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The store's changes for every part of this process that follows them, over one watch. Who keeps a copy of something
 * listens first and reads it then: whatever is written after the reading is told. Listeners are called in the order in
 * which they came, must not block, and one that throws is logged and hinders nobody.
 */
export class ChangeFeed {
  readonly #ports: ChangePorts
  readonly #changeListeners = new Set<(changes: readonly Change[]) => void>()
  readonly #resetListeners = new Set<() => void>()
  readonly #ended = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(ports: ChangePorts) {
    this.#ports = ports
  }

  /** Batches of changes, in order, never empty. Gives a function that ends it. */
  onChange(listener: (changes: readonly Change[]) => void): () => void {
    this.#changeListeners.add(listener)
    return () => void this.#changeListeners.delete(listener)
  }

  /** Called where changes were missed: read again what you keep; what follows comes by `onChange`. Gives a function that ends it. */
  onReset(listener: () => void): () => void {
    this.#resetListeners.add(listener)
    return () => void this.#resetListeners.delete(listener)
  }

  /** Resolves when everything that is written from now on will be told. @throws AppError `STORE_DOWN`, `STOPPED` */
  async start(): Promise<void> {
    const position = await this.#ports.store.sequence()
    this.#running = this.#follow(position)
  }

  /** Resolves when no listener is called any more. */
  async stop(): Promise<void> {
    this.#ended.abort()
    await this.#running
  }

  async #follow(start: number): Promise<void> {
    const { signal } = this.#ended
    let position: number | undefined = start
    let failures = 0
    while (!signal.aborted) {
      try {
        position ??= await this.#startOver()
        for await (const changes of this.#ports.store.watch(position, signal)) {
          position = changes.at(-1)?.sequence ?? position
          failures = 0
          this.#tell(this.#changeListeners, (listener) => listener(changes))
          if (signal.aborted) return
        }
        // The store has stopped: nothing is written any more.
        return
      } catch (error) {
        if (signal.aborted || (error instanceof AppError && error.code === 'STOPPED')) return
        if (error instanceof AppError && error.code === 'CHANGES_GONE') position = undefined
        if (failures === 0) this.#complain(error)
        await this.#pause(failures++)
      }
    }
  }

  /** Where to go on after a gap. What is read by who is told now is no older than that. */
  async #startOver(): Promise<number> {
    const position = await this.#ports.store.sequence({ signal: this.#ended.signal })
    this.#tell(this.#resetListeners, (listener) => listener())
    return position
  }

  #complain(error: unknown): void {
    const isGap = error instanceof AppError && error.code === 'CHANGES_GONE'
    const message = isGap
      ? 'changes were missed: everything is read again'
      : `changes can't be read: ${messageOf(error)}`
    this.#ports.logger.warn({ err: error }, message)
  }

  async #pause(failures: number): Promise<void> {
    const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))
    // An abort ends the wait and then the loop.
    await this.#ports.clock.sleep(delayMs, this.#ended.signal).catch(() => undefined)
  }

  #tell<L>(listeners: ReadonlySet<L>, call: (listener: L) => void): void {
    for (const listener of [...listeners]) {
      try {
        call(listener)
      } catch (error) {
        this.#ports.logger.error({ err: error }, `a listener to changes failed: ${messageOf(error)}`)
      }
    }
  }
}
