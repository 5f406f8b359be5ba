import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { applyMergePatch, patched, patchOf } from '../../../src/domain/merge-patch.ts'
import { fieldProblems, jsonPointer, validate } from '../../../src/domain/validation.ts'
import { AppError } from '../../../src/lib/errors.ts'

function problems(run: () => unknown) {
  try {
    run()
  } catch (error) {
    if (error instanceof AppError && error.code === 'ENTITY_INVALID') return error.details['problems']
    throw error
  }
  return 'nothing was wrong'
}

describe('a merge patch', () => {
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ])('of RFC 7396, appendix A: %s with %s', (target, patch, result) => {
    expect(applyMergePatch(JSON.parse(target), JSON.parse(patch))).toEqual(JSON.parse(result))
  })

  it('applied twice is applied once, and neither argument is altered', () => {
    fc.assert(
      fc.property(
        fc.object({ values: [fc.string(), fc.constant(null)] }),
        fc.object({ values: [fc.string(), fc.constant(null)] }),
        (target, patch) => {
          const before = JSON.stringify([target, patch])
          const once = applyMergePatch(target, patch)
          expect(applyMergePatch(once, patch)).toEqual(once)
          expect(JSON.stringify([target, patch])).toBe(before)
        },
      ),
    )
  })

  it('can’t reach a prototype', () => {
    const result = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'))
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect((result as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('the schema of patches', () => {
  const schema = z.strictObject({
    name: z.string().min(1),
    note: z.string().optional(),
    size: z.int().default(3),
    inner: z.strictObject({ a: z.int().default(1), b: z.int() }).prefault({ b: 2 }),
    tags: z.record(z.string(), z.string()).default({}),
    list: z.array(z.int()).default([]),
  })
  const patch = patchOf(schema)
  const current = schema.parse({ name: 'x', note: 'y', size: 9, inner: { a: 5, b: 6 }, tags: { k: 'v' }, list: [1] })

  it('takes every field, and null for what can go', () => {
    const all = { name: 'z', note: null, size: null, inner: null, tags: null, list: null }
    expect(patched(schema, patch, current, all)).toEqual({
      name: 'z',
      size: 3,
      inner: { a: 1, b: 2 },
      tags: {},
      list: [],
    })
    expect(patched(schema, patch, current, {})).toEqual(current)
  })

  it('goes into objects and tags', () => {
    const result = patched(schema, patch, current, { inner: { a: null }, tags: { k: null, l: 'w' } })
    expect(result).toMatchObject({ inner: { a: 1, b: 6 }, tags: { l: 'w' } })
  })

  it('says where it was wrong', () => {
    expect(problems(() => patched(schema, patch, current, { name: null }))).toMatchObject([{ pointer: '/name' }])
    expect(problems(() => patched(schema, patch, current, { inner: { b: null } }))).toMatchObject([
      { pointer: '/inner/b' },
    ])
    expect(problems(() => patched(schema, patch, current, { inner: { c: 1 }, 'd/~e': 1 }))).toEqual([
      { pointer: '/inner/c', detail: 'there is no such field' },
      { pointer: '/d~1~0e', detail: 'there is no such field' },
    ])
    expect(problems(() => patched(schema, patch, current, null))).toMatchObject([{ pointer: '' }])
  })
})

describe('validation', () => {
  it('writes JSON pointers', () => {
    expect(jsonPointer([])).toBe('')
    expect(jsonPointer(['a', 0, 'b/c', 'd~e'])).toBe('/a/0/b~1c/d~0e')
  })

  it('tells of the branch of a union that was meant', () => {
    const union = z.union([z.strictObject({ assetId: z.string() }), z.strictObject({ task: z.int() })])
    expect(problems(() => validate(z.strictObject({ list: z.array(union) }), { list: [{ task: 'x' }] }))).toMatchObject(
      [{ pointer: '/list/0/task' }],
    )
    expect(problems(() => validate(z.union([z.string(), z.int()], 'must be one or the other'), true))).toEqual([
      { pointer: '', detail: 'must be one or the other' },
    ])
  })

  it('is bounded in what it says', () => {
    const schema = z.array(z.int())
    const result = schema.safeParse(Array.from({ length: 500 }, () => 'x'))
    expect(result.success ? 0 : fieldProblems(result.error).length).toBe(20)
  })
})
