import { describe, expect, it } from 'vitest'
import { readCpixResponse } from '../../../src/keys/cpix/cpix-response.ts'

const KIDS = ['01234567-89ab-8def-8123-000000002710', '01234567-89ab-8def-8123-000000004e20'] as const
const wish = { contentId: 'film', keys: KIDS.map((kid) => ({ kid, tracks: ['ALL'] as const })), systemIds: [] }

function answer(values: readonly Uint8Array[]): string {
  const keys = values.map((value, at) => {
    const plain = `<PlainValue>${Buffer.from(value).toString('base64')}</PlainValue>`
    return `<ContentKey kid="${KIDS[at]}"><Data><Secret>${plain}</Secret></Data></ContentKey>`
  })
  return `<CPIX contentId="film" version="2.3"><ContentKeyList>${keys.join('')}</ContentKeyList></CPIX>`
}

describe('a CPIX document with the keys of periods', () => {
  it('has one for each: who gets that of one period has no other', () => {
    const values = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
    expect(readCpixResponse(answer(values), wish).map(({ value }) => new Uint8Array(value))).toEqual(values)
    const same = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(1)]
    expect(() => readCpixResponse(answer(same), wish)).toThrow('one value for two keys')
  })
})
