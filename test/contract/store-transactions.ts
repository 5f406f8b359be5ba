import { expect, it } from 'vitest'
import type { Reference, Store } from '../../src/domain/entity-store.ts'
import { failureOf, unique } from './store-engine.ts'

const refTo = (id: string, onDelete: Reference['onDelete'], relation = 'to'): Reference => ({
  relation,
  kind: 'k',
  id,
  onDelete,
})

/** References that the database enforces. */
export function referenceContract(store: () => Store): void {
  const make = async (...refs: Reference[]) =>
    (await store().create({ kind: 'k', id: unique('ref'), accountId: 'refs', refs, body: {} })).id
  const isThere = async (id: string) => (await store().get('k', id)) !== undefined

  it('refuses a reference to nothing', async () => {
    const entity = { kind: 'k', id: unique('k'), accountId: 'refs', refs: [refTo('nobody', 'restrict')], body: {} }
    expect(await failureOf(store().create(entity))).toEqual({
      code: 'REFERENCE_MISSING',
      details: { operation: 0, refs: [{ kind: 'k', id: 'nobody', relation: 'to' }] },
    })
    const there = await store().create({ ...entity, refs: [] })
    expect(await failureOf(store().update(entity, there.etag))).toMatchObject({ code: 'REFERENCE_MISSING' })
    expect(await store().get('k', entity.id)).toEqual(there)
  })

  it('keeps what is needed, and says by what', async () => {
    const target = await make()
    const holders = [await make(refTo(target, 'restrict')), await make(refTo(target, 'restrict', 'other'))]
    expect(await failureOf(store().delete('k', target))).toEqual({
      code: 'IN_USE',
      details: {
        operation: 0,
        by: holders.map((id, index) => ({ kind: 'k', id, relation: index === 0 ? 'to' : 'other' })),
      },
    })
    expect(await isThere(target)).toBe(true)
    for (const id of holders) await store().delete('k', id)
    await store().delete('k', target)
    expect(await isThere(target)).toBe(false)
  })

  it('lets a reference go with an update', async () => {
    const target = await make()
    const holder = await make(refTo(target, 'restrict'))
    const { etag } = (await store().get('k', holder)) ?? { etag: '' }
    await store().update({ kind: 'k', id: holder, body: {} }, etag)
    await store().delete('k', target)
    expect(await isThere(holder)).toBe(true)
  })

  it('deletes by cascade, through any depth, and tells the feed of each', async () => {
    const root = await make()
    const middle = await make(refTo(root, 'cascade'))
    const leaf = await make(refTo(middle, 'cascade'), refTo(root, 'restrict'))
    const bystander = await make()
    const since = await store().sequence()
    await store().delete('k', root)
    expect(await Promise.all([root, middle, leaf, bystander].map(isThere))).toEqual([false, false, false, true])
    for await (const changes of store().watch(since, AbortSignal.timeout(20_000))) {
      expect(changes.every(({ op }) => op === 'delete')).toBe(true)
      expect(new Set(changes.map(({ id }) => id))).toEqual(new Set([root, middle, leaf]))
      return
    }
    throw new Error('the feed is empty')
  })

  it('deletes nothing by cascade where anything of it is needed', async () => {
    const root = await make()
    const middle = await make(refTo(root, 'cascade'))
    const holder = await make(refTo(middle, 'restrict'))
    expect(await failureOf(store().delete('k', root))).toEqual({
      code: 'IN_USE',
      details: { operation: 0, by: [{ kind: 'k', id: holder, relation: 'to' }] },
    })
    expect(await Promise.all([root, middle, holder].map(isThere))).toEqual([true, true, true])
  })

  it('deletes circles and what refers to itself', async () => {
    const own = unique('self')
    await store().create({ kind: 'k', id: own, accountId: 'refs', refs: [refTo(own, 'restrict')], body: {} })
    await store().delete('k', own)
    const first = await make()
    const second = await make(refTo(first, 'cascade'))
    const { etag } = (await store().get('k', first)) ?? { etag: '' }
    await store().update({ kind: 'k', id: first, refs: [refTo(second, 'cascade')], body: {} }, etag)
    await store().delete('k', first)
    expect(await Promise.all([own, first, second].map(isThere))).toEqual([false, false, false])
  })

  it('never lets a reference be made while its target goes', async () => {
    for (let round = 0; round < 15; round++) {
      const target = await make()
      const holder = unique('racer')
      const entity = { kind: 'k', id: holder, accountId: 'refs', refs: [refTo(target, 'restrict')], body: {} }
      const [created, deleted] = await Promise.allSettled([store().create(entity), store().delete('k', target)])
      const isOneOnly = (created.status === 'fulfilled') !== (deleted.status === 'fulfilled')
      expect(isOneOnly).toBe(true)
      expect([await isThere(holder), await isThere(target)]).toEqual(
        created.status === 'fulfilled' ? [true, true] : [false, false],
      )
    }
  })
}

/** Several writes as one. */
export function transactionContract(store: () => Store): void {
  it('does all, in their order, and gives each result', async () => {
    const accountId = unique('account')
    const [asset, program] = [unique('asset'), unique('program')]
    const [first, second, audit, nothing] = await store().transaction([
      { op: 'create', entity: { kind: 'k', id: asset, accountId, body: 1 } },
      { op: 'create', entity: { kind: 'p', id: program, accountId, refs: [refTo(asset, 'restrict')], body: 2 } },
      { op: 'append', log: 'audit', record: { accountId, kind: 'create', subject: program, body: {} } },
      { op: 'remember', accountId, key: 'key', requestHash: 'h', answer: 3, expires: Date.now() + 60_000 },
    ])
    expect(await store().get('k', asset)).toEqual(first)
    expect(await store().get('p', program)).toEqual(second)
    expect(nothing).toBeUndefined()
    const { records } = await store().readRecords({ log: 'audit', accountId, order: 'newest-first', limit: 1 })
    expect(records[0]?.sequence).toBe(audit)
    const [updated] = await store().transaction([
      { op: 'update', entity: { kind: 'p', id: program, body: 4 }, ifEtag: second.etag },
      { op: 'delete', kind: 'k', id: asset },
      { op: 'delete', kind: 'p', id: program },
    ])
    expect(updated.body).toBe(4)
    expect(await store().get('p', program)).toBeUndefined()
  })

  it('does nothing where one of them fails, and says which', async () => {
    const accountId = unique('account')
    const taken = await store().create({ kind: 'k', id: unique('k'), accountId, name: 'taken', body: 0 })
    const fresh = unique('k')
    const since = await store().sequence()
    const failing = [
      [{ op: 'create', entity: { kind: 'k', id: taken.id, accountId, body: 0 } }, 'ENTITY_EXISTS'],
      [{ op: 'create', entity: { kind: 'k', id: unique('k'), accountId, name: 'taken', body: 0 } }, 'NAME_TAKEN'],
      [{ op: 'update', entity: { kind: 'k', id: 'nobody', body: 0 }, ifEtag: 'a' }, 'ENTITY_NOT_FOUND'],
      [{ op: 'update', entity: { kind: 'k', id: taken.id, body: 0 }, ifEtag: 'a' }, 'ETAG_MISMATCH'],
      [{ op: 'delete', kind: 'k', id: 'nobody' }, 'ENTITY_NOT_FOUND'],
      [{ op: 'remember', accountId, key: 'k', requestHash: '2', answer: 0, expires: 9e12 }, 'IDEMPOTENCY_KEY_USED'],
    ] as const
    for (const [operation, code] of failing) {
      const call = store().transaction([
        {
          op: 'create',
          entity: { kind: 'k', id: fresh, accountId, tags: { a: 'b' }, refs: [refTo(taken.id, 'restrict')], body: 0 },
        },
        { op: 'append', log: 'event', record: { accountId, kind: 'e', body: 0 } },
        { op: 'remember', accountId, key: 'k', requestHash: '1', answer: 0, expires: 9e12 },
        operation,
      ])
      expect(await failureOf(call)).toMatchObject({ code, details: { operation: 3 } })
    }
    expect(await store().get('k', fresh)).toBeUndefined()
    expect(await store().recall(accountId, 'k')).toBeUndefined()
    expect(await store().sequence()).toBe(since)
    expect((await store().readRecords({ log: 'event', accountId, order: 'oldest-first', limit: 5 })).records).toEqual(
      [],
    )
    await store().delete('k', taken.id, taken.etag)
  })

  it('refuses none, and too many', async () => {
    const append = { op: 'append', log: 'event', record: { accountId: 'a', kind: 'e', body: 0 } } as const
    for (const count of [0, 101]) {
      const call = store().transaction(Array.from({ length: count }, () => append))
      expect(await failureOf(call)).toMatchObject({ code: 'STORE_INPUT_INVALID' })
    }
    expect(await store().transaction(Array.from({ length: 100 }, () => append))).toHaveLength(100)
  })

  it('keeps an idempotency key until it expires', async () => {
    const accountId = unique('account')
    const remember = (requestHash: string, expires: number) =>
      store().transaction([{ op: 'remember', accountId, key: 'k', requestHash, answer: { requestHash }, expires }])
    await remember('old', Date.now() - 1)
    expect(await store().recall(accountId, 'k')).toBeUndefined()
    const expires = Date.now() + 60_000
    await remember('new', expires)
    const answer = { accountId, key: 'k', requestHash: 'new', answer: { requestHash: 'new' }, expires }
    expect(await store().recall(accountId, 'k')).toEqual(answer)
    expect(await failureOf(remember('third', expires))).toMatchObject({ code: 'IDEMPOTENCY_KEY_USED' })
    expect(await store().recall(accountId, 'k')).toEqual(answer)
    expect(await store().recall(unique('account'), 'k')).toBeUndefined()
    const racers = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        store().transaction([
          { op: 'remember', accountId, key: 'race', requestHash: `${index}`, answer: 0, expires },
          { op: 'create', entity: { kind: 'k', id: unique('once'), accountId, body: 0 } },
        ]),
      ),
    )
    expect(racers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await store().list({ accountId, kind: 'k', limit: 10 })).items).toHaveLength(1)
  })
}
