import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hashSecret, matchesSecret, secretMark } from '../../../../src/api/auth/secret-hash.ts'

const secret = 'k3tq0aJ4dBv7sYw1mXc9eRf2hLn6pUzG8iQoS5yTVbA'

describe('what is kept of a secret', () => {
  it('is its SHA-256, and not the secret', () => {
    expect(hashSecret(secret)).toBe(createHash('sha256').update(secret).digest('base64url'))
    expect(hashSecret(secret)).not.toContain(secret)
  })

  it('knows the secret again, and no other', () => {
    const hash = hashSecret(secret)
    expect(matchesSecret(secret, hash)).toBe(true)
    for (const other of ['', `${secret}x`, secret.slice(1), secret.toLowerCase(), hash]) {
      expect(matchesSecret(other, hash)).toBe(false)
    }
  })

  it('lets nobody in where there is none, or a damaged one', () => {
    for (const hash of [undefined, '', 'x', hashSecret(secret).slice(0, -4)]) {
      expect(matchesSecret(secret, hash)).toBe(false)
      expect(matchesSecret('', hash)).toBe(false)
    }
  })

  it('marks one secret from the next without telling either', () => {
    const [one, two] = [hashSecret(secret), hashSecret(`${secret}x`)]
    expect(secretMark(one)).toBe(secretMark(one))
    expect(secretMark(one)).not.toBe(secretMark(two))
    expect(one).not.toContain(secretMark(one))
  })
})
