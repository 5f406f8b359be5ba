import fc from 'fast-check'
import { expect, it } from 'vitest'
import type {
  Entity,
  EntityContent,
  NewEntity,
  Reference,
  Store,
  WriteOperation,
} from '../../src/domain/entity-store.ts'
import { unique } from './store-engine.ts'
import { walk } from './store-listing.ts'

/** The store as a map: what the contract says, without an engine. */
class ModelStore {
  entities = new Map<string, NewEntity & { version: number }>()
  version = 0

  /** The code of the failure, if any; nothing has changed then. */
  run(operations: readonly ModelOperation[]): string | undefined {
    const before = new Map(this.entities)
    for (const operation of operations) {
      const code = this.#apply(operation)
      if (!code) continue
      this.entities = before
      return code
    }
    return undefined
  }

  #apply(operation: ModelOperation): string | undefined {
    if (operation.op === 'delete') return this.#delete(operation)
    const { entity } = operation
    const found = this.entities.get(entity.id)
    if (operation.op === 'create' && found) return 'ENTITY_EXISTS'
    if (operation.op === 'update' && !found) return 'ENTITY_NOT_FOUND'
    if (operation.op === 'update' && operation.isStale) return 'ETAG_MISMATCH'
    const namesakes = [...this.entities.values()].filter(({ name, id }) => name === entity.name && id !== entity.id)
    if (entity.name !== undefined && namesakes.length > 0) return 'NAME_TAKEN'
    const isDangling = ({ id }: Reference) => id !== entity.id && !this.entities.has(id)
    if (entity.refs?.some(isDangling)) return 'REFERENCE_MISSING'
    this.entities.set(entity.id, { ...entity, accountId: '', version: ++this.version })
    return undefined
  }

  #delete({ id, isStale }: ModelOperation & { op: 'delete' }): string | undefined {
    if (!this.entities.has(id)) return 'ENTITY_NOT_FOUND'
    if (isStale) return 'ETAG_MISMATCH'
    const doomed = new Set([id])
    const all = [...this.entities.values()]
    for (let size = 0; size < doomed.size; ) {
      size = doomed.size
      for (const { id: holder, refs = [] } of all)
        if (refs.some((ref) => ref.onDelete === 'cascade' && doomed.has(ref.id))) doomed.add(holder)
    }
    const isNeeded = all.some(
      ({ id: holder, refs = [] }) => !doomed.has(holder) && refs.some((ref) => doomed.has(ref.id)),
    )
    if (isNeeded) return 'IN_USE'
    for (const victim of doomed) this.entities.delete(victim)
    return undefined
  }
}

type ModelOperation =
  | { readonly op: 'create'; readonly entity: EntityContent }
  | { readonly op: 'update'; readonly entity: EntityContent; readonly isStale: boolean }
  | { readonly op: 'delete'; readonly id: string; readonly isStale: boolean }

const KIND = 'model'
const id = fc.constantFrom('a', 'b', 'c', 'd', 'é', 'Z')
const refs = fc.uniqueArray(
  fc.record({
    relation: fc.constantFrom('r', 's'),
    kind: fc.constant(KIND),
    id,
    onDelete: fc.constantFrom('restrict' as const, 'cascade' as const),
  }),
  { maxLength: 2, selector: ({ relation, id: target }) => `${relation} ${target}` },
)
const tags = fc.dictionary(fc.constantFrom('t', 'u'), fc.constantFrom('', '1', "'"), { noNullPrototype: true })
const content = fc.record(
  { kind: fc.constant(KIND), id, name: fc.constantFrom('n', 'N', 'nn', "n'"), tags, refs, body: fc.jsonValue() },
  { requiredKeys: ['kind', 'id', 'body'] },
) as fc.Arbitrary<EntityContent>
const isStale = fc.boolean().map((value) => value)
const operation: fc.Arbitrary<ModelOperation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('create' as const), entity: content }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('update' as const), entity: content, isStale }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('delete' as const), id, isStale }) },
)
const script = fc.array(fc.array(operation, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 14 })

/** The operation with real ids and etags; undefined where the etag of something that is changed in between is needed. */
function real(
  prefix: string,
  accountId: string,
  step: ModelOperation,
  etags: ReadonlyMap<string, string>,
): WriteOperation {
  if (step.op === 'delete') {
    const etag = step.isStale ? 'stale' : etags.get(step.id)
    return { op: 'delete', kind: KIND, id: prefix + step.id, ...(etag !== undefined && { ifEtag: etag }) }
  }
  const entity = {
    ...step.entity,
    id: prefix + step.entity.id,
    ...(step.entity.refs && { refs: step.entity.refs.map((ref) => ({ ...ref, id: prefix + ref.id })) }),
  }
  if (step.op === 'create') return { op: 'create', entity: { ...entity, accountId } }
  return { op: 'update', entity, ifEtag: step.isStale ? 'stale' : (etags.get(step.entity.id) ?? 'none') }
}

const plain = ({ id: name, tags: t = {}, refs: r = [], body, ...rest }: EntityContent, prefix = '') => ({
  id: name.slice(prefix.length),
  ...(rest.name !== undefined && { name: rest.name }),
  tags: t,
  refs: r.map((ref) => ({ ...ref, id: ref.id.slice(prefix.length) })),
  body: JSON.parse(JSON.stringify(body)),
})

/** Random writes do to the store what they do to a map. */
export function modelContract(store: () => Store, runs: number): void {
  it('does what a model in memory does', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(script, async (steps) => {
        const accountId = unique('account')
        const prefix = `${accountId}/`
        const model = new ModelStore()
        const etags = new Map<string, string>()
        const sinceStart = await store().sequence()
        for (const operations of steps) {
          // An etag that a transaction itself makes is nobody's to know: such an entity is touched once.
          const touched = operations.map((step) => (step.op === 'delete' ? step.id : step.entity.id))
          if (new Set(touched).size < touched.length) continue
          const expected = model.run(operations)
          const writes = operations.map((step) => real(prefix, accountId, step, etags))
          const code = await store()
            .transaction(writes)
            .then(
              () => undefined,
              (error: { code?: string }) => error.code ?? String(error),
            )
          expect(code).toBe(expected)
          const listed = await walk(store(), { accountId, kind: KIND, limit: 3 })
          expect(listed.map((entity) => plain(entity, prefix)).sort(byId)).toEqual(
            [...model.entities.values()].map((entity) => plain(entity)).sort(byId),
          )
          etags.clear()
          for (const entity of listed) etags.set(entity.id.slice(prefix.length), entity.etag)
          await checkLookups(store(), accountId, listed)
        }
        expect(await replay(store(), sinceStart, accountId)).toEqual(
          new Set([...model.entities.keys()].map((key) => prefix + key)),
        )
      }),
      { numRuns: runs },
    )
  })
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)

async function checkLookups(store: Store, accountId: string, listed: readonly Entity[]): Promise<void> {
  for (const entity of listed.slice(0, 2)) {
    expect(await store.get(KIND, entity.id)).toEqual(entity)
    if (entity.name !== undefined) expect(await store.getByName(accountId, KIND, entity.name)).toEqual(entity)
    const [tag] = Object.entries(entity.tags)
    const query = { accountId, kind: KIND, limit: 10 }
    if (tag) {
      const wanted = listed.filter(({ tags: all }) => all[tag[0]] === tag[1])
      expect((await store.list({ ...query, tag: { key: tag[0], value: tag[1] } })).items).toEqual(wanted)
    }
    const [ref] = entity.refs
    if (ref) {
      const wanted = listed.filter(({ refs: all }) =>
        all.some((own) => own.relation === ref.relation && own.id === ref.id),
      )
      expect((await store.list({ ...query, reference: ref })).items).toEqual(wanted)
    }
  }
}

/** Who is there, by the feed alone. */
async function replay(store: Store, since: number, accountId: string): Promise<Set<string>> {
  const there = new Set<string>()
  const end = await store.sequence()
  if (end === since) return there
  for await (const changes of store.watch(since, AbortSignal.timeout(30_000))) {
    for (const change of changes) {
      if (change.accountId !== accountId) continue
      expect(there.has(change.id)).toBe(change.op !== 'create')
      if (change.op === 'delete') there.delete(change.id)
      else there.add(change.id)
    }
    if ((changes.at(-1)?.sequence ?? 0) >= end) return there
  }
  throw new Error('the feed ended')
}
