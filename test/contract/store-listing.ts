import { expect, it } from 'vitest'
import type { Entity, ListQuery, Store } from '../../src/domain/entity-store.ts'
import { failureOf, unique } from './store-engine.ts'

/** Every entity of a query, page by page, doing something in between. */
export async function walk(
  store: Store,
  query: ListQuery,
  between: (page: number) => Promise<unknown> = async () => undefined,
): Promise<Entity[]> {
  const all: Entity[] = []
  let cursor: string | undefined
  for (let page = 0; ; page++) {
    const { items, cursor: next } = await store.list({ ...query, ...(cursor !== undefined && { cursor }) })
    all.push(...items)
    if (next === undefined) return all
    expect(items).toHaveLength(query.limit)
    cursor = next
    await between(page)
  }
}

const idsOf = (entities: readonly Entity[]) => entities.map(({ id }) => id)

/** Created and id, by bytes: the order of every listing. */
export function inOrder(entities: readonly Entity[]): Entity[] {
  return [...entities].sort((a, b) => a.created - b.created || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)))
}

async function createSome(store: Store, accountId: string, kind: string, count: number): Promise<Entity[]> {
  // Ids out of order, in mixed case and beyond ASCII: a locale's collation would order them otherwise.
  const ids = Array.from({ length: count }, (_, index) => `${'bBaAéz_-'[index % 8]}${(index * 7919) % count}`)
  return inOrder(await Promise.all(ids.map((id) => store.create({ kind, id: unique(id), accountId, body: {} }))))
}

/** Pages, filters and cursors. */
export function listingContract(store: () => Store): void {
  it('lists by created and id, every entity once, in pages of any size', async () => {
    const accountId = unique('account')
    const all = idsOf(await createSome(store(), accountId, 'k', 40))
    await createSome(store(), accountId, 'other', 3)
    await createSome(store(), unique('account'), 'k', 3)
    for (const limit of [1, 7, 39, 40, 41, 1_000]) {
      expect(idsOf(await walk(store(), { accountId, kind: 'k', limit }))).toEqual(all)
    }
    expect(await store().list({ accountId, kind: 'k', limit: 40 })).not.toHaveProperty('cursor')
    expect(await store().list({ accountId, kind: 'nothing', limit: 5 })).toEqual({ items: [] })
  })

  it('keeps its pages where they are while others insert and delete', async () => {
    const accountId = unique('account')
    const all = await createSome(store(), accountId, 'k', 30)
    const added: string[] = []
    const seen = await walk(store(), { accountId, kind: 'k', limit: 4 }, async (page) => {
      // A page's last entity is what the cursor names: it may go.
      const last = all[page * 4 + 3]
      if (last) await store().delete('k', last.id)
      const id = unique('zz')
      added.push(id)
      if (added.length < 5) await store().create({ kind: 'k', id, accountId, body: {} })
    })
    const ids = idsOf(seen)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.slice(0, 30)).toEqual(idsOf(all))
    expect(ids.slice(30)).toEqual(added.slice(0, 4))
  })

  it('counts what an account has of a kind', async () => {
    const accountId = unique('account')
    expect(await store().count(accountId, 'k')).toBe(0)
    const made = await createSome(store(), accountId, 'k', 3)
    await createSome(store(), accountId, 'l', 2)
    await createSome(store(), unique('account'), 'k', 1)
    await store().delete('k', made[0]?.id ?? '')
    expect(await store().count(accountId, 'k')).toBe(2)
  })

  it('filters by tag, name prefix and reference, and by all of them', async () => {
    const accountId = unique('account')
    const targets = await createSome(store(), accountId, 't', 2)
    const all: Entity[] = []
    for (let index = 0; index < 24; index++) {
      const target = targets[index % 2]?.id ?? ''
      all.push(
        await store().create({
          kind: 'k',
          id: unique('k'),
          accountId,
          ...(index % 4 !== 3 && { name: `${['Show', 'show', 'Sho'][index % 4]}${index}` }),
          tags: { parity: String(index % 2), third: String(index % 3) },
          refs: [{ relation: index < 12 ? 'first' : 'second', kind: 't', id: target, onDelete: 'restrict' }],
          body: index,
        }),
      )
    }
    const check = async (filter: Partial<ListQuery>, wanted: (entity: Entity) => boolean) => {
      const expected = idsOf(inOrder(all.filter(wanted)))
      expect(expected.length).toBeGreaterThan(0)
      for (const limit of [2, 100]) {
        expect(idsOf(await walk(store(), { accountId, kind: 'k', limit, ...filter }))).toEqual(expected)
      }
    }
    const tag = { key: 'third', value: '1' }
    const reference = { relation: 'first', id: targets[0]?.id ?? '' }
    const isTagged = (entity: Entity) => entity.tags['third'] === '1'
    const refers = ({ refs: [ref] }: Entity) => ref?.relation === 'first' && ref.id === reference.id
    await check({ tag }, isTagged)
    await check({ namePrefix: 'Sho' }, ({ name }) => name?.startsWith('Sho') ?? false)
    await check({ namePrefix: 'show' }, ({ name }) => name?.startsWith('show') ?? false)
    await check({ namePrefix: '' }, ({ name }) => name !== undefined)
    await check({ reference }, refers)
    await check({ tag, reference }, (entity) => isTagged(entity) && refers(entity))
    const isNamed = ({ name }: Entity) => name?.startsWith('S') ?? false
    await check({ tag, reference, namePrefix: 'S' }, (entity) => isTagged(entity) && refers(entity) && isNamed(entity))
    for (const none of [
      { tag: { key: 'third', value: '3' } },
      { namePrefix: 'Z' },
      { reference: { ...reference, relation: 'x' } },
    ]) {
      expect((await store().list({ accountId, kind: 'k', limit: 5, ...none })).items).toEqual([])
    }
  })

  it('refuses a cursor that is not one, or of another query', async () => {
    const accountId = unique('account')
    await createSome(store(), accountId, 'k', 3)
    const query = { accountId, kind: 'k', limit: 1 }
    const { cursor = '' } = await store().list(query)
    expect((await store().list({ ...query, limit: 2, cursor })).items).toHaveLength(2)
    const parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const forged = [
      [...parts, 1],
      [parts[0], '1', parts[2]],
      [parts[0], parts[1], 7],
      [parts[0], 1e20, 'a'],
      [parts[0], 1, 'a\0'],
      [],
      {},
      null,
    ].map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'))
    for (const bad of ['', 'x', '%00', '🎬', "' or 1=1", 'x'.repeat(100_000), ...forged]) {
      expect(await failureOf(store().list({ ...query, cursor: bad }))).toMatchObject({ code: 'CURSOR_INVALID' })
    }
    for (const other of [
      { kind: 'j' },
      { accountId: 'else' },
      { namePrefix: 'a' },
      { tag: { key: 'a', value: 'b' } },
    ]) {
      expect(await failureOf(store().list({ ...query, ...other, cursor }))).toMatchObject({ code: 'CURSOR_INVALID' })
    }
  })

  it('refuses a limit that is none', async () => {
    for (const limit of [0, -1, 1.5, Number.NaN, 1_001, Number.POSITIVE_INFINITY]) {
      expect(await failureOf(store().list({ accountId: 'a', kind: 'k', limit }))).toMatchObject({
        code: 'STORE_INPUT_INVALID',
      })
    }
  })
}
