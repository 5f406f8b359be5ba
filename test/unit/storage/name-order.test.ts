import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeBlobName } from '../../../src/storage/blob-path.ts'
import { compareNames, inNameOrder } from '../../../src/storage/name-order.ts'

const part = fc.string({
  unit: fc.constantFrom('a', 'b', '-', '.', '~', ' ', '!', '%', 'é', '\u{1f3ac}', '0', '\0', '\u{10ffff}'),
  minLength: 1,
  maxLength: 5,
})
const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))

async function* inKeyOrder(names: readonly string[]) {
  const keyed = names.map((one) => ({ key: encodeBlobName(one).join('/'), blob: { name: one, sizeBytes: 1 } }))
  yield* keyed.toSorted((a, b) => compareNames(a.key, b.key))
}

it('gives names in their order, whatever order their keys have', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(name, { maxLength: 40 }), async (names) => {
      const given = (await Array.fromAsync(inNameOrder(inKeyOrder(names)))).map((blob) => blob.name)
      expect(given).toEqual(names.toSorted(compareNames))
    }),
    { numRuns: 500 },
  )
})

it('holds no plain name back', async () => {
  const names = ['a', 'a-b', 'a/b', 'a/c~', 'b.1', 'b/0', 'c']
  let read = 0
  async function* counted() {
    for await (const one of inKeyOrder(names)) {
      read += 1
      yield one
    }
  }
  for await (const { name: given } of inNameOrder(counted())) expect(names.indexOf(given)).toBe(read - 1)
  expect(read).toBe(names.length)
})
