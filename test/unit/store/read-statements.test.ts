import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readEtag, writeEtag } from '../../../src/store/entity-row.ts'
import { endOfPrefix } from '../../../src/store/read-statements.ts'

const bytes = (text: string) => Buffer.from(text)

describe('the end of a prefix', () => {
  it('is the next text that does not begin with it', () => {
    expect(endOfPrefix('abc')).toBe('abd')
    expect(endOfPrefix('a\ud7ff')).toBe('a\ue000')
    expect(endOfPrefix('a\u{10ffff}\u{10ffff}')).toBe('b')
    expect(endOfPrefix('\u{10ffff}')).toBeUndefined()
    expect(endOfPrefix('')).toBeUndefined()
  })

  it('has every text that begins with the prefix before it, and no other between', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6 })
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }), text, text, (prefix, rest, other) => {
        const end = endOfPrefix(prefix)
        const isBetween = (candidate: string) =>
          Buffer.compare(bytes(candidate), bytes(prefix)) >= 0 &&
          (end === undefined || Buffer.compare(bytes(candidate), bytes(end)) < 0)
        expect(isBetween(prefix + rest)).toBe(true)
        expect(isBetween(other)).toBe(other.startsWith(prefix))
      }),
    )
  })
})

describe('an etag', () => {
  it('is read as the revision that it was written from, and anything else as none', () => {
    for (const revision of [0, 1, 35, 36, 1e6, Number.MAX_SAFE_INTEGER])
      expect(readEtag(writeEtag(revision))).toBe(revision)
    for (const etag of ['', ' ', 'A', '01', '-1', '1.5', 'zzzzzzzzzzz', 'zzzzzzzzzzzz', '"1"', '1\n'])
      expect(readEtag(etag)).toBe(-1)
  })
})
