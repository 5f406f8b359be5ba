import { expect, it } from 'vitest'
import type { JsonValue, Store } from '../../src/domain/entity-store.ts'
import { failureOf, unique } from './store-engine.ts'

/** Names and values that would end a string, a statement or a pattern, if anybody let them. */
export const hostile = [
  "'; drop table entity; --",
  '"; drop table entity; --',
  "' or '1'='1",
  '%',
  '_',
  '\\',
  '$1',
  '?1',
  ':name',
  '@p',
  '/* */',
  '`entity`',
  '); delete from entity; --',
  "E'\\x00'",
  '\u{10FFFF}\u{10FFFF}',
  'ﷺ 𝕌nicode ‮ right-to-left',
  'e\u0301',
  '\u00e9',
  'line\nbreak\ttab',
]

/** Single entities: what is written comes back, and nothing else. */
export function entityContract(store: () => Store): void {
  it('gives back what was created', async () => {
    const accountId = unique('account')
    const before = Date.now()
    const content = {
      kind: 'asset',
      id: unique('a'),
      name: 'Eröffnung',
      tags: { a: '1', b: '' },
      body: { x: [1, null] },
    }
    const created = await store().create({ ...content, accountId })
    expect(created).toMatchObject({ ...content, accountId, refs: [] })
    expect(created.created).toBeGreaterThanOrEqual(before)
    expect(created.lastModified).toBe(created.created)
    expect(await store().get('asset', created.id)).toEqual(created)
    expect(await store().getByName(accountId, 'asset', 'Eröffnung')).toEqual(created)
  })

  it('answers undefined for what is not there', async () => {
    const { accountId, id } = await store().create({
      kind: 'k',
      id: unique('a'),
      accountId: unique('x'),
      name: 'n',
      body: 1,
    })
    expect(await store().get('k', 'nobody')).toBeUndefined()
    expect(await store().get('other', id)).toBeUndefined()
    expect(await store().getByName(accountId, 'k', 'N')).toBeUndefined()
    expect(await store().getByName(accountId, 'other', 'n')).toBeUndefined()
    expect(await store().getByName('other', 'k', 'n')).toBeUndefined()
  })

  it('keeps ids unique per kind and names per account and kind', async () => {
    const accountId = unique('account')
    const id = unique('id')
    await store().create({ kind: 'channel', id, accountId, name: 'one', body: {} })
    expect(await failureOf(store().create({ kind: 'channel', id, accountId: 'else', name: 'two', body: {} }))).toEqual({
      code: 'ENTITY_EXISTS',
      details: { operation: 0 },
    })
    const second = { kind: 'channel', id: unique('id'), accountId, name: 'one', body: {} }
    expect(await failureOf(store().create(second))).toMatchObject({ code: 'NAME_TAKEN' })
    await store().create({ ...second, accountId: unique('account') })
    await store().create({ ...second, kind: 'program' })
    const unnamed = { kind: 'channel', accountId, body: {} }
    await store().create({ ...unnamed, id: unique('id') })
    await store().create({ ...unnamed, id: unique('id') })
    const third = await store().create({ ...unnamed, id: unique('id'), name: 'three' })
    expect(await failureOf(store().update({ ...third, name: 'one' }, third.etag))).toMatchObject({ code: 'NAME_TAKEN' })
    expect(await store().get('channel', third.id)).toEqual(third)
  })

  it('replaces the content on update and gives another etag', async () => {
    const accountId = unique('account')
    const target = await store().create({ kind: 't', id: unique('t'), accountId, body: 0 })
    const refs = [{ relation: 'to', kind: 't', id: target.id, onDelete: 'restrict' as const }]
    const tags = { old: 'yes' }
    const first = await store().create({ kind: 'k', id: unique('k'), accountId, name: 'n', tags, refs, body: { a: 1 } })
    const second = await store().update({ kind: 'k', id: first.id, tags: { new: 'yes' }, body: { b: 2 } }, first.etag)
    expect(second).toEqual({
      kind: 'k',
      id: first.id,
      accountId,
      etag: second.etag,
      created: first.created,
      lastModified: second.lastModified,
      tags: { new: 'yes' },
      refs: [],
      body: { b: 2 },
    })
    expect(second.etag).not.toBe(first.etag)
    expect(await store().get('k', first.id)).toEqual(second)
    expect(await store().getByName(accountId, 'k', 'n')).toBeUndefined()
    const tagged = (key: string) => store().list({ accountId, kind: 'k', tag: { key, value: 'yes' }, limit: 10 })
    expect((await tagged('old')).items).toEqual([])
    expect((await tagged('new')).items).toEqual([second])
    await store().delete('t', target.id)
  })

  it('refuses a write whose etag is not the newest', async () => {
    const key = { kind: 'k', id: unique('k') }
    const first = await store().create({ ...key, accountId: unique('x'), body: 1 })
    const second = await store().update({ ...key, body: 2 }, first.etag)
    for (const etag of [
      first.etag,
      'zzzz',
      '',
      '-1',
      '0',
      'not an etag',
      `${second.etag} `,
      `0${second.etag}`,
      "' or 1=1",
    ]) {
      expect(await failureOf(store().update({ ...key, body: 3 }, etag))).toMatchObject({ code: 'ETAG_MISMATCH' })
      expect(await failureOf(store().delete(key.kind, key.id, etag))).toMatchObject({ code: 'ETAG_MISMATCH' })
    }
    expect(await store().get(key.kind, key.id)).toEqual(second)
    await store().delete(key.kind, key.id, second.etag)
    expect(await failureOf(store().update({ ...key, body: 3 }, second.etag))).toMatchObject({
      code: 'ENTITY_NOT_FOUND',
    })
    expect(await failureOf(store().delete(key.kind, key.id))).toMatchObject({ code: 'ENTITY_NOT_FOUND' })
    const again = await store().create({ ...key, accountId: unique('x'), body: 1 })
    expect([first.etag, second.etag]).not.toContain(again.etag)
  })

  it('lets exactly one of many concurrent updates win', async () => {
    const key = { kind: 'k', id: unique('k') }
    let { etag } = await store().create({ ...key, accountId: unique('x'), body: -1 })
    for (let round = 0; round < 5; round++) {
      const racers = Array.from({ length: 12 }, (_, body) => store().update({ ...key, body }, etag))
      const results = await Promise.allSettled(racers)
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
      expect(won).toHaveLength(1)
      expect(lost).toEqual(Array.from({ length: 11 }, () => 'ETAG_MISMATCH'))
      expect(await store().get(key.kind, key.id)).toEqual(won[0])
      etag = won[0]?.etag ?? ''
    }
  })

  it('takes every string for what it is', async () => {
    const accountId = unique('account')
    for (const [index, text] of hostile.entries()) {
      const refs = [{ relation: text, kind: text, id: 'target', onDelete: 'restrict' as const }]
      await store().create({ kind: text, id: 'target', accountId: text, body: text })
      const entity = {
        kind: text,
        id: text,
        accountId: text,
        name: text,
        tags: { [text]: text },
        refs,
        body: { [text]: text },
      }
      const created = await store().create(entity)
      expect(created).toMatchObject(entity)
      expect(await store().get(text, text)).toEqual(created)
      expect(await store().getByName(text, text, text)).toEqual(created)
      const query = { accountId: text, kind: text, limit: 5 }
      const filter = { tag: { key: text, value: text }, namePrefix: text, reference: { relation: text, id: 'target' } }
      expect((await store().list({ ...query, ...filter })).items).toEqual([created])
      const record = { accountId, kind: text, subject: text, body: { [text]: index } }
      const remembered = { accountId: text, key: text, requestHash: text, answer: text, expires: Date.now() + 60_000 }
      await store().transaction([
        { op: 'append', log: 'audit', record },
        { op: 'remember', ...remembered },
      ])
      expect(await store().recall(text, text)).toEqual(remembered)
      const audit = await store().readRecords({
        log: 'audit',
        accountId,
        subject: text,
        order: 'oldest-first',
        limit: 9,
      })
      expect(audit.records).toMatchObject([record])
    }
    expect(await store().get(hostile[0] ?? '', hostile[0] ?? '')).toBeDefined()
  })

  it('gives bodies back as JSON does', async () => {
    const large = 'é'.repeat(500_000)
    const bodies: JsonValue[] = [null, true, 0, -1.5, 1e300, '', '\0', '\ud800', [], {}, { a: { b: [[]] } }, large]
    bodies.push(JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}'))
    for (const body of bodies) {
      const id = unique('body')
      const created = await store().create({ kind: 'k', id, accountId: 'bodies', body })
      expect(JSON.stringify(created.body)).toBe(JSON.stringify(body))
      expect(JSON.stringify((await store().get('k', id))?.body)).toBe(JSON.stringify(body))
    }
  })

  it('refuses what is too long or can not be kept', async () => {
    const good = { kind: 'k', id: unique('id'), accountId: 'limits', body: {} }
    const ref = { relation: 'r', kind: 'k', id: 'x', onDelete: 'restrict' as const }
    const bad = [
      { ...good, id: '' },
      { ...good, id: 'i'.repeat(129) },
      { ...good, id: 'é'.repeat(65) },
      { ...good, id: 'a\0b' },
      { ...good, id: '\ud800' },
      { ...good, kind: 'k'.repeat(65) },
      { ...good, accountId: '' },
      { ...good, name: '' },
      { ...good, name: 'n'.repeat(1_041) },
      { ...good, name: 'n\0' },
      { ...good, tags: { '': 'x' } },
      { ...good, tags: { t: 'v'.repeat(513) } },
      { ...good, tags: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`t${index}`, ''])) },
      { ...good, refs: [ref, { ...ref, kind: 'other' }] },
      { ...good, refs: Array.from({ length: 129 }, (_, index) => ({ ...ref, id: `${index}` })) },
      { ...good, body: 'x'.repeat(1_048_575) },
      { ...good, body: undefined as unknown as JsonValue },
      { ...good, body: 1n as unknown as JsonValue },
      { ...good, id: 7 as unknown as string },
    ]
    for (const entity of bad) {
      expect(await failureOf(store().create(entity))).toMatchObject({ code: 'STORE_INPUT_INVALID' })
    }
    expect(await store().get('k', good.id)).toBeUndefined()
    const most = { ...good, id: 'é'.repeat(64), kind: 'k'.repeat(64), accountId: 'ä'.repeat(64), name: '𝕌'.repeat(260) }
    const tags = Object.fromEntries(
      Array.from({ length: 64 }, (_, index) => [`${index}`.padEnd(128, 'x'), '𝕌'.repeat(128)]),
    )
    const largest = { ...most, tags, body: 'x'.repeat(1_048_574) }
    expect(await store().create(largest)).toMatchObject(largest)
  })
}
