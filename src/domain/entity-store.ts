/** Anything that JSON can say. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** What names an entity: ids are unique within a kind. */
export type EntityKey = { readonly kind: string; readonly id: string }

/**
 * That one entity needs another. While a `restrict` reference exists its target can't be deleted; a `cascade` reference
 * has its holder deleted together with the target. One entity refers to one id once per relation.
 */
export type Reference = EntityKey & { readonly relation: string; readonly onDelete: 'restrict' | 'cascade' }

/** What a caller may say about an entity; the rest is the store's. `refs` and `tags` replace what was there before. */
export type EntityContent = EntityKey & {
  /** Unique per account and kind. Without one, the entity has no name and can't be found by any. */
  readonly name?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly refs?: readonly Reference[]
  readonly body: JsonValue
}

/** An entity that shall come into being. */
export type NewEntity = EntityContent & { readonly accountId: string }

/** An entity as it is stored. */
export type Entity = EntityKey & {
  readonly accountId: string
  readonly name?: string
  /** Opaque; another one after every write, never one that this id had before. */
  readonly etag: string
  /** Unix milliseconds, by the clock of the node that wrote. */
  readonly created: number
  readonly lastModified: number
  readonly tags: Readonly<Record<string, string>>
  readonly refs: readonly Reference[]
  readonly body: JsonValue
}

/** Append-only records: what was done by whom, and what happened. */
export type RecordLog = 'audit' | 'event'

/** A record to append; `subject` is the id of the entity that it is about. */
export type NewRecord = {
  readonly accountId: string
  readonly kind: string
  readonly subject?: string
  readonly body: JsonValue
}

/** A record as it is stored: `sequence` grows with every record, in the order in which they became visible. */
export type StoredRecord = NewRecord & { readonly sequence: number; readonly at: number }

/** The answer that was given to a request that carried an idempotency key. */
export type RememberedAnswer = {
  readonly accountId: string
  readonly key: string
  readonly requestHash: string
  readonly answer: JsonValue
  /** Unix milliseconds; the key is free again from then on. */
  readonly expires: number
}

/** One write. `transaction` takes several that happen together or not at all, in their order. */
export type WriteOperation =
  | { readonly op: 'create'; readonly entity: NewEntity }
  | { readonly op: 'update'; readonly entity: EntityContent; readonly ifEtag: string }
  | { readonly op: 'delete'; readonly kind: string; readonly id: string; readonly ifEtag?: string }
  | { readonly op: 'append'; readonly log: RecordLog; readonly record: NewRecord }
  | ({ readonly op: 'remember' } & RememberedAnswer)

/** What a write gives: the entity as it is now, the sequence of an appended record, nothing. */
export type WriteResult<Operation extends WriteOperation = WriteOperation> = Operation extends {
  readonly op: 'create' | 'update'
}
  ? Entity
  : Operation extends { readonly op: 'append' }
    ? number
    : undefined

/** A write to an entity, in the order in which the writes became visible. Cascaded deletions are listed one by one. */
export type Change = EntityKey & {
  readonly sequence: number
  readonly op: 'create' | 'update' | 'delete'
  readonly accountId: string
}

/** Which entities to list, oldest first; all that is given has to match. */
export type ListQuery = {
  readonly accountId: string
  readonly kind: string
  readonly tag?: { readonly key: string; readonly value: string }
  readonly namePrefix?: string
  /** Only what refers to this id by this relation. */
  readonly reference?: { readonly relation: string; readonly id: string }
  /** 1 to 1,000. */
  readonly limit: number
  /** The `cursor` of the page before, of the same query. */
  readonly cursor?: string
}

/** `cursor` is absent on the last page. */
export type Page = { readonly items: readonly Entity[]; readonly cursor?: string }

/** Which records to read, oldest first after `afterSequence`, or newest first before `beforeSequence`. */
export type RecordQuery = {
  readonly log: RecordLog
  /** Of all accounts where absent. */
  readonly accountId?: string
  readonly subject?: string
  readonly afterSequence?: number
  readonly beforeSequence?: number
  readonly order: 'oldest-first' | 'newest-first'
  /** 1 to 1,000. */
  readonly limit: number
}

/** Records up to and including `prunedThrough` are forgotten: who asks for what follows an older one has missed some. */
export type RecordPage = { readonly records: readonly StoredRecord[]; readonly prunedThrough: number }

/** How long a call may take: the signal's abort and the time limit end it alike. Without a limit the store's default counts. */
export type CallLimits = { readonly signal?: AbortSignal; readonly timeoutMs?: number }

/**
 * The entities of the control plane. Every call ends by its deadline, with `STORE_DOWN` (retryable) where the store is
 * down, slow or overrun. A read that failed so has no effect. Of a write `details.outcome` says whether it is
 * `not-applied` for certain or `unknown`: it may have happened or, on PostgreSQL, may still be happening. Repeating such a
 * write is safe: a `create` that had happened answers `ENTITY_EXISTS`, an `update` or `delete` `ETAG_MISMATCH` or
 * `ENTITY_NOT_FOUND`, so that the caller reads and sees. `STORE_INPUT_INVALID` names a value that can't be stored;
 * `STOPPED` answers every call after `stop`.
 */
export type EntityStore = {
  get(kind: string, id: string, limits?: CallLimits): Promise<Entity | undefined>
  getByName(accountId: string, kind: string, name: string, limits?: CallLimits): Promise<Entity | undefined>
  /** @throws AppError `ENTITY_EXISTS`, `NAME_TAKEN`, `REFERENCE_MISSING` */
  create(entity: NewEntity, limits?: CallLimits): Promise<Entity>
  /** Replaces name, tags, references and body. @throws AppError `ENTITY_NOT_FOUND`, `ETAG_MISMATCH`, `NAME_TAKEN`, `REFERENCE_MISSING` */
  update(entity: EntityContent, ifEtag: string, limits?: CallLimits): Promise<Entity>
  /** @throws AppError `ENTITY_NOT_FOUND`, `ETAG_MISMATCH`, `IN_USE` (`details.by` lists up to ten that need it) */
  delete(kind: string, id: string, ifEtag?: string, limits?: CallLimits): Promise<void>
  /** Pages hold still: what is created later comes at the end. @throws AppError `CURSOR_INVALID` */
  list(query: ListQuery, limits?: CallLimits): Promise<Page>
  /** How many entities of a kind an account has. */
  count(accountId: string, kind: string, limits?: CallLimits): Promise<number>
  /**
   * All of 1 to 100 writes, or none: the first that fails is thrown, with `details.operation` its index.
   * @throws AppError as the single writes do, and `IDEMPOTENCY_KEY_USED` of a `remember` whose key is not yet free
   */
  transaction<const Operations extends readonly WriteOperation[]>(
    operations: Operations,
    limits?: CallLimits,
  ): Promise<{ -readonly [Index in keyof Operations]: WriteResult<Operations[Index]> }>
  /** The answer kept under the key, until it expires. */
  recall(accountId: string, key: string, limits?: CallLimits): Promise<RememberedAnswer | undefined>
  readRecords(query: RecordQuery, limits?: CallLimits): Promise<RecordPage>
  /** The sequence of the newest change, 0 before the first. A replica takes it, lists, then watches from it. */
  sequence(limits?: CallLimits): Promise<number>
  /**
   * Every change after `sinceSequence`, in order, in batches that are never empty, until the signal is aborted or the store
   * is stopped (the iteration then ends). While the store is down it waits.
   * @throws AppError `CHANGES_GONE` where some of them are pruned already: list again.
   */
  watch(sinceSequence: number, signal: AbortSignal): AsyncIterable<readonly Change[]>
}

/** A store that runs. `stop` lets calls that were accepted end, within its grace, and resolves when nothing is left of it. */
export type Store = EntityStore & { stop(): Promise<void> }
