import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { signingKey } from '../../../../src/api/auth/signing-key.ts'

function memoryFile(kept?: string) {
  const file = {
    text: kept,
    read: async () => file.text,
    async write(text: string) {
      file.text = text
    },
  }
  return file
}

describe('the key that tokens are signed with', () => {
  it('is made once, of 256 bits, and kept', async () => {
    const file = memoryFile()
    const key = await signingKey(undefined, file, randomBytes)
    expect(key).toHaveLength(32)
    expect(Buffer.from(await signingKey(undefined, file, randomBytes))).toEqual(Buffer.from(key))
    const other = await signingKey(undefined, memoryFile(), randomBytes)
    expect(Buffer.from(other)).not.toEqual(Buffer.from(key))
  })

  it('is the one that was given, and that one is not written down', async () => {
    const file = memoryFile()
    const given = 'x'.repeat(43)
    expect(new TextDecoder().decode(await signingKey(given, file, randomBytes))).toBe(given)
    expect(file.text).toBeUndefined()
  })

  it('is not made of a file that holds none', async () => {
    for (const text of ['', 'short', '!!!!']) {
      await expect(signingKey(undefined, memoryFile(text), randomBytes)).rejects.toMatchObject({
        code: 'STATE_UNWRITABLE',
      })
    }
  })
})
