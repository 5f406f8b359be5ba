import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../src/lib/errors.ts'
import {
  CHUNK_BYTES,
  ChunkOpener,
  ChunkSealer,
  HEADER_BYTES,
  lastChunk,
  plainSize,
  readSealHeader,
  sealedSize,
  sealedSpan,
  writeSealHeader,
} from '../../../src/protection/sealed-chunks.ts'

const key = Buffer.alloc(32, 3)
const salt = Buffer.alloc(32, 5)
const chunkBytes = 4_096
const header = { chunkBytes, salt }
const internal = expect.objectContaining({ code: 'INTERNAL' })

function seal(plain: Uint8Array, at = header, under: Uint8Array = key): Buffer {
  const sealer = new ChunkSealer(under, at)
  const out = Buffer.alloc(sealedSize(plain.byteLength, at.chunkBytes))
  out.set(sealer.header)
  let offset = HEADER_BYTES
  const last = lastChunk(plain.byteLength, at.chunkBytes)
  for (let index = 0; index <= last; index += 1) {
    const chunk = plain.subarray(index * at.chunkBytes, (index + 1) * at.chunkBytes)
    offset = sealer.seal(chunk, index === last, out, offset)
  }
  expect(offset).toBe(out.byteLength)
  return out
}

/** All of a blob, as a reader does who knows nothing but its bytes and the key; `undefined` where that fails anywhere. */
function open(sealed: Uint8Array): Uint8Array | undefined {
  const read = readSealHeader(sealed)
  const plainBytes = plainSize(sealed.byteLength, read.chunkBytes)
  if (plainBytes === undefined) return undefined
  const opener = new ChunkOpener(key, read)
  const opened = opener.openRun(Buffer.from(sealed.subarray(HEADER_BYTES)), 0, lastChunk(plainBytes, read.chunkBytes))
  return typeof opened === 'number' ? undefined : opened
}

const refuses = (sealed: Uint8Array) => {
  try {
    return open(sealed) === undefined
  } catch (error) {
    return error instanceof FormatError
  }
}

describe('sealed chunks', () => {
  it('are AES-256-GCM under an HKDF key, the nonce a counter and whether it is the last', () => {
    const plain = randomBytes(chunkBytes + 10)
    const sealed = seal(plain)
    const derived = new Uint8Array(hkdfSync('sha256', key, salt, 'headend sealed blob 1 4096', 32))
    expect(sealed.subarray(0, 8).toString('latin1')).toBe('HDSB\x01\x0c\0\0')
    expect(sealed.subarray(8, 40).equals(salt)).toBe(true)
    const chunk = (nonce: string, from: number, to: number) => {
      const decipher = createDecipheriv('aes-256-gcm', derived, Buffer.from(nonce, 'hex'))
      decipher.setAuthTag(sealed.subarray(to - 16, to))
      return Buffer.concat([decipher.update(sealed.subarray(from, to - 16)), decipher.final()])
    }
    const end = 40 + chunkBytes + 16
    expect(chunk('000000000000000000000000', 40, end).equals(plain.subarray(0, chunkBytes))).toBe(true)
    expect(chunk('000000000000000000000101', end, sealed.byteLength).equals(plain.subarray(chunkBytes))).toBe(true)
  })

  it('are counted past 32 bits', () => {
    const derived = new Uint8Array(hkdfSync('sha256', key, salt, 'headend sealed blob 1 4096', 32))
    const cipher = createCipheriv('aes-256-gcm', derived, Buffer.from('000000000000030000000500', 'hex'))
    const sealed = Buffer.concat([cipher.update('far out'), cipher.final(), cipher.getAuthTag()])
    const opened = new ChunkOpener(key, header).open(3 * 2 ** 32 + 5, false, sealed)
    expect(Buffer.from(opened ?? []).toString()).toBe('far out')
  })

  it('give back what was sealed, of any length', () => {
    const lengths = [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2 * chunkBytes, 2 * chunkBytes + 1, 30_000]
    for (const length of lengths) {
      const plain = randomBytes(length)
      const opened = open(seal(plain))
      expect(opened && plain.equals(opened)).toBe(true)
    }
  })

  it('are found for any range, and no more of them than it takes', () => {
    const size = fc.integer({ min: 1, max: 60_000 })
    const range = size.chain((bytes) =>
      fc.tuple(fc.constant(bytes), fc.nat(bytes - 1), fc.nat(bytes - 1)).map(([total, a, b]) => ({
        total,
        first: Math.min(a, b),
        last: Math.max(a, b),
      })),
    )
    fc.assert(
      fc.property(range, ({ total, first, last }) => {
        const plain = randomBytes(total)
        const sealed = seal(plain)
        const span = sealedSpan({ first, last }, total, chunkBytes)
        const bytes = Buffer.from(sealed.subarray(span.range.first, span.range.last + 1))
        const opened = new ChunkOpener(key, header).openRun(bytes, span.firstChunk, lastChunk(total, chunkBytes))
        const wanted = Buffer.from(opened as Uint8Array).subarray(span.skipBytes, span.skipBytes + last - first + 1)
        expect(wanted.equals(plain.subarray(first, last + 1))).toBe(true)
        const chunks = Math.floor(last / chunkBytes) - Math.floor(first / chunkBytes) + 1
        expect(bytes.byteLength).toBeLessThanOrEqual(chunks * (chunkBytes + 16))
      }),
      { numRuns: 60 },
    )
  })

  it('tell their plain length by the sealed one, and no other length has one', () => {
    const taken = new Map<number, number>()
    for (let bytes = 0; bytes <= 3 * chunkBytes + 5; bytes += 1) taken.set(sealedSize(bytes, chunkBytes), bytes)
    for (let sealed = 0; sealed <= sealedSize(3 * chunkBytes + 5, chunkBytes); sealed += 1) {
      expect(plainSize(sealed, chunkBytes)).toBe(taken.get(sealed))
    }
    expect(plainSize(sealedSize(2 ** 50))).toBe(2 ** 50)
    expect(CHUNK_BYTES).toBe(131_072)
  })
})

describe('a sealed blob', () => {
  const plain = randomBytes(2 * chunkBytes + 100)
  const sealed = seal(plain)

  it('cut short anywhere does not open', () => {
    for (let length = 0; length < sealed.byteLength; length += 1) {
      // All of them near what has a meaning, and every seventh between.
      const place = (length - HEADER_BYTES) % (chunkBytes + 16)
      if (length > 100 && place > 40 && place < chunkBytes - 24 && length % 7 !== 0) continue
      expect(refuses(sealed.subarray(0, length))).toBe(true)
    }
  })

  it('with anything at its end does not open', () => {
    for (const extra of [1, 15, 16, 17, 100, chunkBytes + 16]) {
      expect(refuses(Buffer.concat([sealed, randomBytes(extra)]))).toBe(true)
    }
    expect(refuses(Buffer.concat([sealed, sealed.subarray(HEADER_BYTES)]))).toBe(true)
  })

  it('with a bit flipped anywhere does not open, and its other chunks do', () => {
    const opener = new ChunkOpener(key, header)
    for (let at = 0; at < sealed.byteLength; at += at < HEADER_BYTES ? 1 : 97) {
      const damaged = Buffer.from(sealed)
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at & 7))
      expect(refuses(damaged)).toBe(true)
      if (at < HEADER_BYTES) continue
      const hit = Math.floor((at - HEADER_BYTES) / (chunkBytes + 16))
      for (let index = 0; index <= 2; index += 1) {
        const from = HEADER_BYTES + index * (chunkBytes + 16)
        const chunk = opener.open(index, index === 2, damaged.subarray(from, from + chunkBytes + 16))
        expect(chunk === undefined).toBe(index === hit)
      }
    }
  })

  it('with chunks in another order, or one of another blob, does not open', () => {
    const size = chunkBytes + 16
    const chunk = (of: Buffer, index: number) =>
      of.subarray(HEADER_BYTES + index * size, HEADER_BYTES + (index + 1) * size)
    const head = sealed.subarray(0, HEADER_BYTES)
    const swapped = Buffer.concat([head, chunk(sealed, 1), chunk(sealed, 0), chunk(sealed, 2)])
    expect(refuses(swapped)).toBe(true)
    expect(refuses(Buffer.concat([head, chunk(sealed, 0), chunk(sealed, 0), chunk(sealed, 2)]))).toBe(true)
    expect(refuses(Buffer.concat([head, chunk(sealed, 0), chunk(sealed, 2)]))).toBe(true)
    const other = seal(plain, { chunkBytes, salt: randomBytes(32) })
    expect(refuses(Buffer.concat([head, chunk(sealed, 0), chunk(other, 1), chunk(sealed, 2)]))).toBe(true)
    expect(refuses(seal(plain, header, randomBytes(32)))).toBe(true)
    expect(refuses(sealed)).toBe(false)
  })
})

describe('sealing', () => {
  it('never gives a chunk the nonce of another: in order, once, and nothing after the last', () => {
    const out = Buffer.alloc(100_000)
    const sealer = new ChunkSealer(key, header)
    expect(() => sealer.seal(Buffer.alloc(10), false, out, 0)).toThrow(internal)
    sealer.seal(Buffer.alloc(chunkBytes), false, out, 0)
    expect(() => sealer.seal(Buffer.alloc(0), true, out, 0)).toThrow(internal)
    expect(() => sealer.seal(Buffer.alloc(chunkBytes + 1), true, out, 0)).toThrow(internal)
    sealer.seal(Buffer.alloc(1), true, out, 0)
    expect(() => sealer.seal(Buffer.alloc(chunkBytes), false, out, 0)).toThrow(internal)
  })

  it('of the same under another salt gives nothing that is the same', () => {
    const plain = Buffer.alloc(1_000)
    const all = Array.from({ length: 50 }, () =>
      seal(plain, { chunkBytes, salt: randomBytes(32) }).subarray(HEADER_BYTES),
    )
    expect(new Set(all.map((bytes) => bytes.toString('hex'))).size).toBe(all.length)
  })

  it('takes keys and salts of 32 bytes, and chunks of a power of two', () => {
    expect(() => new ChunkSealer(new Uint8Array(16), header)).toThrow(internal)
    for (const bad of [0, 1, 2_048, 5_000, 2_097_152, Number.NaN]) {
      expect(() => writeSealHeader({ chunkBytes: bad, salt })).toThrow(internal)
    }
    expect(() => writeSealHeader({ chunkBytes, salt: new Uint8Array(31) })).toThrow(internal)
  })
})

describe('a header', () => {
  it('is read as it was written, and nothing else is', () => {
    expect(readSealHeader(writeSealHeader(header))).toEqual({ chunkBytes, salt: new Uint8Array(salt) })
    const written = writeSealHeader(header)
    for (let length = 0; length < HEADER_BYTES; length += 1) {
      expect(() => readSealHeader(written.subarray(0, length))).toThrow(FormatError)
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 80 }), (bytes) => {
        expect(() => readSealHeader(bytes)).toThrow(FormatError)
      }),
    )
    // What stands before the salt is read strictly: of all ways to alter one byte, only other chunk sizes are taken.
    fc.assert(
      fc.property(fc.nat(7), fc.nat(255), (at, value) => {
        const altered = Buffer.from(written)
        if (altered[at] === value) return
        altered[at] = value
        const isSize = at === 5 && value >= 12 && value <= 20
        if (isSize) expect(readSealHeader(altered).chunkBytes).toBe(2 ** value)
        else expect(() => readSealHeader(altered)).toThrow(FormatError)
      }),
      { numRuns: 500 },
    )
  })
})
