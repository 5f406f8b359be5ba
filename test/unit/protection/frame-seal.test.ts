import { createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createFrameSeal } from '../../../src/protection/frame-seal.ts'

const key = Buffer.alloc(32, 7)
const salt = Buffer.alloc(32, 9)
const internal = expect.objectContaining({ code: 'INTERNAL' })

describe('a frame seal', () => {
  it('gives back what was sealed, from another instance too, at the length it tells', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(2 ** 40), (plain, index) => {
        const writer = createFrameSeal(key, salt)
        const sealed = writer.seal(index, plain)
        expect(sealed.byteLength).toBe(plain.byteLength + writer.overheadBytes)
        const opened = createFrameSeal(key, salt).open(index, sealed)
        expect(opened && Buffer.from(opened).equals(plain)).toBe(true)
      }),
    )
  })

  it('is AES-256-GCM under an HKDF key, the index as the nonce, the tag behind', () => {
    const plain = Buffer.from('a frame of the journal')
    const sealed = createFrameSeal(key, salt).seal(0x1_0000_0002, plain)
    const derived = new Uint8Array(hkdfSync('sha256', key, salt, 'headend journal frame 1', 32))
    const nonce = Buffer.from('000000000000000100000002', 'hex')
    const decipher = createDecipheriv('aes-256-gcm', derived, nonce)
    decipher.setAuthTag(sealed.subarray(-16))
    expect(Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])).toEqual(plain)
  })

  it('opens nothing that is damaged at any bit, cut short, lengthened, moved, or of another file or asset', () => {
    const plain = randomBytes(40)
    const seal = createFrameSeal(key, salt)
    const sealed = Buffer.from(seal.seal(3, plain))
    for (let bit = 0; bit < sealed.byteLength * 8; bit += 1) {
      const damaged = Buffer.from(sealed)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(seal.open(3, damaged)).toBeUndefined()
    }
    for (let length = 0; length < sealed.byteLength; length += 1) {
      expect(seal.open(3, sealed.subarray(0, length))).toBeUndefined()
    }
    expect(seal.open(3, Buffer.concat([sealed, Buffer.alloc(1)]))).toBeUndefined()
    expect(seal.open(4, sealed)).toBeUndefined()
    expect(seal.open(-1, sealed)).toBeUndefined()
    expect(seal.open(3.5, sealed)).toBeUndefined()
    expect(createFrameSeal(key, randomBytes(32)).open(3, sealed)).toBeUndefined()
    expect(createFrameSeal(randomBytes(32), salt).open(3, sealed)).toBeUndefined()
    expect(seal.open(3, sealed)).toEqual(plain)
  })

  it('never seals an index twice, nor one that lies before the last', () => {
    const seal = createFrameSeal(key, salt)
    seal.seal(0, Buffer.of(1))
    expect(() => seal.seal(0, Buffer.of(2))).toThrow(internal)
    seal.seal(5, Buffer.of(1))
    expect(() => seal.seal(4, Buffer.of(1))).toThrow(internal)
    expect(() => seal.seal(5.5, Buffer.of(1))).toThrow(internal)
    expect(() => seal.seal(Number.MAX_SAFE_INTEGER + 1, Buffer.of(1))).toThrow(internal)
    expect(seal.seal(6, Buffer.of(1)).byteLength).toBe(17)
  })

  it('gives the same frame of two files different bytes: a file begun after a crash has another salt', () => {
    const plain = Buffer.alloc(64)
    const seals = Array.from({ length: 50 }, () => createFrameSeal(key, randomBytes(32)).seal(0, plain))
    expect(new Set(seals.map((sealed) => Buffer.from(sealed).toString('hex'))).size).toBe(seals.length)
  })

  it.each([0, 16, 31, 33])('takes no key and no salt of %i bytes', (length) => {
    expect(() => createFrameSeal(new Uint8Array(length), salt)).toThrow(internal)
    expect(() => createFrameSeal(key, new Uint8Array(length))).toThrow(internal)
  })
})
