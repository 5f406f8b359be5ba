import type { EntityOf, StoredKind } from '../domain/entities.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'

/** What reading entities takes. */
export type ChangedEntitiesPorts = {
  readonly repository: Pick<Repository, 'findAnywhere'>
  readonly clock: Clock
  readonly logger: Logger
}

const RETRY_MS = 1_000

/**
 * Reads entities of one kind that were written, one after the other and each as it is then, and hands them on. What waits
 * is no more than ids; while the store is down it goes on waiting.
 */
export class ChangedEntities<K extends StoredKind> {
  readonly #kind: K
  readonly #ports: ChangedEntitiesPorts
  readonly #found: (entity: EntityOf<K>) => void
  /** With the ordinal of the wish: one that was forgotten, or renewed, while it was read doesn't count. */
  readonly #wanted = new Map<string, number>()
  #ordinal = 0
  #isReading = false
  #retry: Timer | undefined
  #stopped = false

  constructor(kind: K, ports: ChangedEntitiesPorts, found: (entity: EntityOf<K>) => void) {
    this.#kind = kind
    this.#ports = ports
    this.#found = found
  }

  read(id: string): void {
    this.#wanted.delete(id)
    this.#wanted.set(id, ++this.#ordinal)
    void this.#readAll()
  }

  /** It is not there any more, whatever is being read of it. */
  forget(id: string): void {
    this.#wanted.delete(id)
  }

  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
    this.#wanted.clear()
  }

  async #readAll(): Promise<void> {
    if (this.#isReading || this.#retry || this.#stopped) return
    this.#isReading = true
    try {
      for (let next = this.#first(); next; next = this.#first()) await this.#readOne(...next)
    } catch (error) {
      this.#ports.logger.warn(
        { kind: this.#kind, error: messageOf(error) },
        'what changed could not be read; it is tried again',
      )
      if (!this.#stopped) this.#retryLater()
    } finally {
      this.#isReading = false
    }
  }

  #first(): [string, number] | undefined {
    for (const wish of this.#wanted) return wish
    return undefined
  }

  async #readOne(id: string, ordinal: number): Promise<void> {
    const entity = await this.#ports.repository.findAnywhere(this.#kind, id)
    if (this.#wanted.get(id) !== ordinal) return
    this.#wanted.delete(id)
    if (entity) this.#found(entity)
  }

  #retryLater(): void {
    this.#retry = this.#ports.clock.after(RETRY_MS, () => {
      this.#retry = undefined
      void this.#readAll()
    })
  }
}
