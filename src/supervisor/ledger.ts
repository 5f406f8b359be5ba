import { ChangeSet } from '../domain/change-set.ts'
import type { EntityOf, StoredKind } from '../domain/entities.ts'
import { isOperationDone, type Operation } from '../domain/operation.ts'
import type { Committed, EntityQuery, PageOf, Repository } from '../domain/repository.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Turns } from '../lib/turns.ts'
import { Outage } from './outage.ts'

/** Far fewer than the store lets wait, so that a thousand channels leave room for the API. */
const CALLS_AT_ONCE = 16

const lostRaces: ReadonlySet<ErrorCode> = new Set([
  'ETAG_MISMATCH',
  'ENTITY_NOT_FOUND',
  'ENTITY_EXISTS',
  'IN_USE',
  'REFERENCE_MISSING',
])

/** Whether somebody else has written in between: read again, and decide again. */
export function isLostRace(error: unknown): boolean {
  return error instanceof AppError && lostRaces.has(error.code)
}

/** The supervisor's way to the store: a few calls at a time, whoever makes them, and one line in the log per outage. */
export class Ledger {
  readonly #repository: Repository
  readonly #turns = new Turns(CALLS_AT_ONCE)
  readonly #reading: Outage
  readonly #writing: Outage

  constructor(repository: Repository, clock: Clock, logger: Logger) {
    this.#repository = repository
    // Apart: a SQLite file that is locked by somebody can still be read.
    this.#reading = new Outage('read', clock, logger)
    this.#writing = new Outage('written', clock, logger)
  }

  find<K extends StoredKind>(kind: K, id: string): Promise<EntityOf<K> | undefined> {
    return this.#read(() => this.#repository.findAnywhere(kind, id))
  }

  /** The operation, while it is under way. */
  async underWay(operationId: string | undefined): Promise<Operation | undefined> {
    const operation = operationId === undefined ? undefined : await this.find('operation', operationId)
    return operation && !isOperationDone(operation) ? operation : undefined
  }

  page<K extends StoredKind>(kind: K, query: EntityQuery): Promise<PageOf<K>> {
    return this.#read(() => this.#repository.list(kind, query))
  }

  /** Every entity of an account and kind, in pages, so that others have their turn in between. */
  async *pages<K extends StoredKind>(
    kind: K,
    query: Omit<EntityQuery, 'cursor'>,
  ): AsyncGenerator<readonly EntityOf<K>[]> {
    let cursor: string | undefined
    do {
      const page: PageOf<K> = await this.page(kind, { ...query, ...(cursor !== undefined && { cursor }) })
      yield page.items
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /** Writes all that `fill` puts into a change set, or nothing. @throws AppError see `isLostRace` and `isStoreDown` */
  commit(fill: (changes: ChangeSet) => void): Promise<Committed> {
    const changes = new ChangeSet()
    fill(changes)
    return this.#turns.run(() => this.#writing.watch(() => this.#repository.commit(changes)))
  }

  #read<T>(call: () => Promise<T>): Promise<T> {
    return this.#turns.run(() => this.#reading.watch(call))
  }
}
