import { AppError } from '../lib/errors.ts'
import type { ChangeSet, Handle } from './change-set.ts'
import { type EntityOf, fromStored, type StoredKind, storedName } from './entities.ts'
import type { CallLimits, Entity, EntityStore, ListQuery } from './entity-store.ts'

/** A page of entities of one kind; `cursor` is absent on the last. */
export type PageOf<K extends StoredKind> = { readonly items: readonly EntityOf<K>[]; readonly cursor?: string }

/** Which entities of an account to list. */
export type EntityQuery = Omit<ListQuery, 'kind'>

/** What a commit made of the change set's writes. */
export type Committed = { get<K extends StoredKind>(handle: Handle<K>): EntityOf<K> }

const PAGE_SIZE = 500

/**
 * The store in the domain's terms: whole entities of a kind, each looked for in one account alone. What belongs to another
 * account is not there. Accounts themselves, and what belongs to `system`, are kept under `SYSTEM_ACCOUNT`.
 */
export class Repository {
  readonly #store: EntityStore

  constructor(store: EntityStore) {
    this.#store = store
  }

  async find<K extends StoredKind>(
    kind: K,
    id: string,
    accountId: string,
    limits?: CallLimits,
  ): Promise<EntityOf<K> | undefined> {
    const stored = await this.#store.get(kind, id, limits)
    return stored?.accountId === accountId ? fromStored(kind, stored) : undefined
  }

  /** @throws AppError `ENTITY_NOT_FOUND` */
  async get<K extends StoredKind>(kind: K, id: string, accountId: string, limits?: CallLimits): Promise<EntityOf<K>> {
    const found = await this.find(kind, id, accountId, limits)
    if (found) return found
    const what = kind.replaceAll('-', ' ')
    throw new AppError('ENTITY_NOT_FOUND', `There is no ${what} ${id}.`, { details: { kind, id } })
  }

  /** Whichever account it belongs to: for the parts that run the node, never for a request. */
  async findAnywhere<K extends StoredKind>(kind: K, id: string, limits?: CallLimits): Promise<EntityOf<K> | undefined> {
    const stored = await this.#store.get(kind, id, limits)
    return stored && fromStored(kind, stored)
  }

  /** `scopeId`: the asset, for names that are unique within one. */
  async findByName<K extends StoredKind>(
    kind: K,
    name: string,
    accountId: string,
    scopeId?: string,
    limits?: CallLimits,
  ): Promise<EntityOf<K> | undefined> {
    const stored = await this.#store.getByName(accountId, kind, storedName(scopeId, name), limits)
    return stored && fromStored(kind, stored)
  }

  async list<K extends StoredKind>(kind: K, query: EntityQuery, limits?: CallLimits): Promise<PageOf<K>> {
    const { items, cursor } = await this.#store.list({ ...query, kind }, limits)
    return { items: items.map((item) => fromStored(kind, item)), ...(cursor !== undefined && { cursor }) }
  }

  count(kind: StoredKind, accountId: string, limits?: CallLimits): Promise<number> {
    return this.#store.count(accountId, kind, limits)
  }

  /** Every entity that the query matches, oldest first, read page by page. */
  async *each<K extends StoredKind>(
    kind: K,
    query: Omit<EntityQuery, 'limit' | 'cursor'>,
    limits?: CallLimits,
  ): AsyncGenerator<EntityOf<K>> {
    let cursor: string | undefined
    do {
      const page: PageOf<K> = await this.list(
        kind,
        { ...query, limit: PAGE_SIZE, ...(cursor !== undefined && { cursor }) },
        limits,
      )
      yield* page.items
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /** What refers to an entity by a relation, of one kind. */
  referring<K extends StoredKind>(
    kind: K,
    accountId: string,
    reference: { readonly relation: string; readonly id: string },
    limits?: CallLimits,
  ): Promise<EntityOf<K>[]> {
    return Array.fromAsync(this.each(kind, { accountId, reference }, limits))
  }

  /** Writes all of it, or nothing. @throws AppError as `EntityStore.transaction` */
  async commit(changes: ChangeSet, limits?: CallLimits): Promise<Committed> {
    const results: readonly unknown[] = await this.#store.transaction(changes.operations, limits)
    return {
      get: <K extends StoredKind>({ kind, index }: Handle<K>) => fromStored(kind, results[index] as Entity),
    }
  }
}
