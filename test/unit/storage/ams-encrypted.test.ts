import { execFileSync } from 'node:child_process'
import { createCipheriv, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AmsEncryptedFile, type ByteSource, blobSource, parseAmsIv } from '../../../src/storage/ams-encrypted.ts'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'

const key = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex')
/** 0x8123456789abcdef: more than a signed number holds. */
const ivText = '9305357566071262703'

function memory(bytes: Uint8Array): ByteSource {
  return { sizeBytes: bytes.byteLength, read: async ({ first, last }) => bytes.slice(first, last + 1) }
}

/** By OpenSSL's own program where there is one, else by one cipher over the whole file. */
function encrypt(plain: Uint8Array, iv: bigint): Buffer {
  const counter = `${iv.toString(16).padStart(16, '0')}${'0'.repeat(16)}`
  const args = ['enc', '-aes-256-ctr', '-K', key.toString('hex'), '-iv', counter]
  try {
    return execFileSync('openssl', args, { input: plain, maxBuffer: plain.byteLength + 1_024 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    const cipher = createCipheriv('aes-256-ctr', key, Buffer.from(counter, 'hex'))
    return Buffer.concat([cipher.update(plain), cipher.final()])
  }
}

describe('a file that AMS encrypted', () => {
  it('is read whole and from anywhere as it was', async () => {
    const plain = randomBytes(100_003)
    const iv = parseAmsIv(ivText)
    const file = new AmsEncryptedFile(memory(encrypt(plain, iv)), { key, iv })
    expect(file.sizeBytes).toBe(plain.byteLength)
    expect(Buffer.concat(await Array.fromAsync(file.stream())).equals(plain)).toBe(true)
    const ends = fc.tuple(fc.nat(plain.byteLength - 1), fc.nat(plain.byteLength - 1))
    await fc.assert(
      fc.asyncProperty(ends, async ([a, b]) => {
        const range = { first: Math.min(a, b), last: Math.max(a, b) }
        const bytes = await file.read(range)
        expect(Buffer.from(bytes).equals(plain.subarray(range.first, range.last + 1))).toBe(true)
      }),
    )
  })

  it('is a known one: the counter block is the IV and the block’s number, both big-endian', async () => {
    // Zeros encrypted are the key stream: AES of the counter blocks of 0x8123456789abcdef, blocks 0 and 1.
    const blocks = Buffer.from('8123456789abcdef00000000000000008123456789abcdef0000000000000001', 'hex')
    const ecb = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
    const stream = Buffer.concat([ecb.update(blocks), ecb.final()])
    const file = new AmsEncryptedFile(memory(stream), { key, iv: parseAmsIv(ivText) })
    expect(Buffer.from(await file.read({ first: 0, last: 31 })).equals(Buffer.alloc(32))).toBe(true)
    expect(Buffer.from(await file.read({ first: 17, last: 20 })).equals(Buffer.alloc(4))).toBe(true)
  })

  it('is read from a storage, in pieces, by a range', async () => {
    const root = await mkdtemp(join(tmpdir(), 'ams-'))
    try {
      const storage = new FilesystemStorage(root, ['imported'])
      const plain = randomBytes(9_000_001)
      await storage.put('asset/film.mp4', [encrypt(plain, 7n)])
      const source = blobSource(storage, 'asset/film.mp4', plain.byteLength)
      const file = new AmsEncryptedFile(source, { key, iv: 7n })
      const pieces = await Array.fromAsync(file.stream({ first: 5, last: plain.byteLength - 3 }))
      expect(pieces.length).toBe(3)
      expect(Buffer.concat(pieces).equals(plain.subarray(5, -2))).toBe(true)
      const none = new AmsEncryptedFile(blobSource(storage, 'asset/none', 10), { key, iv: 7n })
      await expect(none.read({ first: 0, last: 1 })).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })

  it('that is empty has nothing to read', async () => {
    const file = new AmsEncryptedFile(memory(new Uint8Array(0)), { key, iv: 0n })
    expect(await Array.fromAsync(file.stream())).toEqual([])
  })

  it('has a key of 32 bytes and an IV of 64 bits', () => {
    const invalid = expect.objectContaining({ code: 'REQUEST_INVALID' })
    const open = (given: { key: Uint8Array; iv: bigint }) => new AmsEncryptedFile(memory(new Uint8Array(1)), given)
    expect(() => open({ key: new Uint8Array(16), iv: 0n })).toThrow(invalid)
    expect(() => open({ key, iv: -1n })).toThrow(invalid)
    expect(() => open({ key, iv: 2n ** 64n })).toThrow(invalid)
  })
})

describe('an IV of AMS', () => {
  it.each([
    ['0', 0n],
    ['1', 1n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['9223372036854775808', 2n ** 63n],
  ])('is %s', (text, value) => {
    expect(parseAmsIv(text)).toBe(value)
  })

  it.each([
    '',
    ' 1',
    '1 ',
    '+1',
    '-1',
    '01',
    '1.0',
    '1e3',
    '0x10',
    '18446744073709551616',
    '99999999999999999999',
    '١',
  ])('is not %j', (text) => {
    expect(() => parseAmsIv(text)).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
  })
})
