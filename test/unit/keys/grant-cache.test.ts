import { expect, it } from 'vitest'
import { GrantCache, type KeyGrant } from '../../../src/keys/grant-cache.ts'

it('holds no more of what providers want players to be told than it has room for', async () => {
  const asked: string[] = []
  const signalling = [{ systemId: 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed', pssh: 'A'.repeat(20 * 1_024 * 1_024) }]
  const material = { source: 'provider', bytes: new Uint8Array(16) } as const
  const cache = new GrantCache(async (keyId): Promise<KeyGrant> => {
    asked.push(keyId)
    return { keyId, accountId: 'ac', rotating: true, material, signalling, options: [] }
  })
  for (const keyId of ['a', 'b', 'c', 'a', 'd', 'a', 'b']) expect((await cache.find(keyId))?.keyId).toBe(keyId)
  // Three have room: the one that was used longest ago goes.
  expect(asked).toEqual(['a', 'b', 'c', 'd', 'b'])
  cache.changed('ac')
  for (const keyId of ['a', 'b', 'c', 'a', 'b', 'c']) await cache.find(keyId)
  expect(asked.slice(5)).toEqual(['a', 'b', 'c'])
})
