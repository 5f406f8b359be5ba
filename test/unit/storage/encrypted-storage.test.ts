import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BlobStorage } from '../../../src/domain/blob-storage.ts'
import { CHUNK_BYTES, HEADER_BYTES, sealedSize } from '../../../src/protection/sealed-chunks.ts'
import { EncryptedStorage } from '../../../src/storage/encrypted-storage.ts'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'
import { sharedRun } from '../../support/shared-run.ts'

const key = randomBytes(32)
const SEALED_CHUNK = CHUNK_BYTES + 16
const tampered = expect.objectContaining({ code: 'STORAGE_TAMPERED' })
const truncated = expect.objectContaining({ code: 'BLOB_TRUNCATED' })

let root: string
let count = 0
let inner: FilesystemStorage
let storage: EncryptedStorage
const fileOf = (name: string) => join(root, `s${count}`, ...name.split('/'))

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'encrypted-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))
beforeEach(() => {
  count += 1
  inner = new FilesystemStorage(root, [`s${count}`])
  storage = new EncryptedStorage(inner, key)
})

const bytesOf = async (stream: Readable | undefined) => stream && Buffer.concat(await Array.fromAsync(stream))
const whole = async (from: BlobStorage, name: string) => bytesOf((await from.readRange(name, undefined))?.stream)

/** Reads all there is to read, by both ways, as somebody who knows how long it was. */
async function readAll(from: BlobStorage, name: string, sizeBytes: number): Promise<void> {
  await whole(from, name)
  await from.read(name, { first: 0, last: sizeBytes - 1 })
}

async function* pieces(content: Uint8Array, size: number) {
  for (let at = 0; at < content.byteLength; at += size) yield content.subarray(at, at + size)
}

describe('an encrypted storage', () => {
  it('writes nothing that is in what it is given, however it is given', async () => {
    const pattern = Buffer.from('moof: the same box again and again. ')
    const media = Buffer.concat([randomBytes(100_000), Buffer.alloc(200_000, pattern), Buffer.alloc(50_000)])
    await storage.put('a/at-hand', [media.subarray(0, 7), media.subarray(7)])
    await storage.put('a/in-turn', pieces(media, 1_000))
    for (const name of ['a/at-hand', 'a/in-turn']) {
      const stored = await readFile(fileOf(name))
      expect(stored.byteLength).toBe(sealedSize(media.byteLength))
      expect(sharedRun(media, stored)).toBeUndefined()
      expect((await whole(storage, name))?.equals(media)).toBe(true)
    }
  })

  it.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 8 * CHUNK_BYTES, 9 * CHUNK_BYTES, 5_000_000])(
    'gives back %i bytes, in pieces of any size, at hand or not, by any way of reading',
    async (sizeBytes) => {
      const content = randomBytes(sizeBytes)
      for (const size of [777_777, CHUNK_BYTES, 30_000]) {
        const cut = await Array.fromAsync(pieces(content, size))
        expect(await storage.put('x', cut)).toEqual({ sizeBytes })
        expect((await whole(storage, 'x'))?.equals(content)).toBe(true)
        expect(await storage.put('x', pieces(content, size))).toEqual({ sizeBytes })
        expect((await whole(storage, 'x'))?.equals(content)).toBe(true)
      }
      expect(await Array.fromAsync(storage.list(''))).toEqual([{ name: 'x', sizeBytes }])
      if (sizeBytes === 0) return
      for (const [first, last] of [
        [0, sizeBytes - 1],
        [Math.floor(sizeBytes / 3), Math.floor(sizeBytes / 2)],
        [sizeBytes - 1, sizeBytes - 1],
      ] as const) {
        const read = await storage.read('x', { first, last })
        expect(read && Buffer.from(read).equals(content.subarray(first, last + 1))).toBe(true)
        const streamed = await storage.readRange('x', { first, last })
        expect(streamed?.sizeBytes).toBe(sizeBytes)
        expect((await bytesOf(streamed?.stream))?.equals(content.subarray(first, last + 1))).toBe(true)
      }
    },
  )

  it('reads what is larger than it opens in one go', async () => {
    const content = randomBytes(20_000_000)
    await storage.put('large', [content])
    const read = await storage.read('large', { first: 12_345, last: 19_999_998 })
    expect(read && Buffer.from(read).equals(content.subarray(12_345, 19_999_999))).toBe(true)
  })

  it('reads no more of the inner storage than the chunks of a range, and a header once', async () => {
    await storage.put('x', [randomBytes(20 * CHUNK_BYTES)])
    const asked: string[] = []
    const watched: BlobStorage = {
      put: (...args) => inner.put(...args),
      read(name, range, call) {
        asked.push(`${range.first}-${range.last}`)
        return inner.read(name, range, call)
      },
      readRange(name, range, call) {
        asked.push(range ? `stream ${range.first}-${range.last}` : 'all')
        return inner.readRange(name, range, call)
      },
      list: (...args) => inner.list(...args),
      delete: (...args) => inner.delete(...args),
      copy: (...args) => inner.copy(...args),
    }
    const reader = new EncryptedStorage(watched, key)
    await reader.read('x', { first: 3 * CHUNK_BYTES + 5, last: 5 * CHUNK_BYTES - 1 })
    await reader.read('x', { first: 0, last: 0 })
    const from = HEADER_BYTES + 3 * SEALED_CHUNK
    const header = `stream 0-${HEADER_BYTES - 1}`
    expect(asked).toEqual([header, `${from}-${from + 2 * SEALED_CHUNK - 1}`, `40-${40 + SEALED_CHUNK - 1}`])
  })

  it('draws a new salt for every blob: the same content, or name, never gives the same bytes', async () => {
    const content = Buffer.alloc(1_000)
    const seen = new Set<string>()
    for (let round = 0; round < 20; round += 1) {
      // As after a crash in the middle: what was begun is begun anew.
      await storage.put('same', [content])
      seen.add((await readFile(fileOf('same'))).subarray(8).toString('hex'))
    }
    expect(seen.size).toBe(20)
    expect(new Set([...seen].map((text) => text.slice(0, 64))).size).toBe(20)
    expect(new Set([...seen].map((text) => text.slice(64))).size).toBe(20)
  })

  it('copies what is sealed, for one key', async () => {
    await storage.put('source/span', [Buffer.from('film')])
    expect(await storage.copy('source/span', 'clip/span')).toBe(true)
    await storage.delete('source/span')
    expect((await whole(storage, 'clip/span'))?.toString()).toBe('film')
    const other = new EncryptedStorage(inner, randomBytes(32))
    await expect(whole(other, 'clip/span')).rejects.toEqual(tampered)
  })

  it('goes on by itself when a blob is replaced by another writer', async () => {
    const writer = new EncryptedStorage(inner, key)
    await writer.put('x', [Buffer.alloc(300_000, 1)])
    const range = { first: 200_000, last: 200_003 }
    expect(await storage.read('x', range)).toEqual(Buffer.alloc(4, 1))
    // Of the same length, then a longer one.
    await writer.put('x', [Buffer.alloc(300_000, 2)])
    expect(await storage.read('x', range)).toEqual(Buffer.alloc(4, 2))
    await writer.put('x', [Buffer.alloc(300_000, 3)])
    expect(await bytesOf((await storage.readRange('x', range))?.stream)).toEqual(Buffer.alloc(4, 3))
    await writer.put('x', [Buffer.alloc(700_000, 4)])
    expect((await whole(storage, 'x'))?.equals(Buffer.alloc(700_000, 4))).toBe(true)
    expect(await storage.read('x', { first: 699_999, last: 699_999 })).toEqual(Buffer.alloc(1, 4))
    await writer.delete('x')
    expect(await storage.read('x', range)).toBeUndefined()
    expect(await storage.readRange('x', range)).toBeUndefined()
  })

  it('says where a range lies outside', async () => {
    await storage.put('x', [Buffer.alloc(10)])
    await expect(storage.read('x', { first: 5, last: 10 })).rejects.toEqual(truncated)
    await expect(storage.readRange('x', { first: 5, last: 10 })).rejects.toEqual(truncated)
    await expect(storage.read('x', { first: 5, last: 4 })).rejects.toMatchObject({ code: 'STORE_INPUT_INVALID' })
  })

  it('leaves nothing open when a stream is given up', async () => {
    await storage.put('x', [randomBytes(5_000_000)])
    for (let round = 0; round < 30; round += 1) {
      const found = await storage.readRange('x', undefined)
      if (round % 2 === 0) await found?.stream[Symbol.asyncIterator]().next()
      found?.stream.destroy()
      if (found && !found.stream.closed) await new Promise((resolve) => found.stream.once('close', resolve))
    }
    const open = await readdir('/proc/self/fd').catch(() => [])
    expect(open.length).toBeLessThan(200)
    const abort = new AbortController()
    const cut = await storage.readRange('x', undefined, { signal: abort.signal })
    abort.abort(new Error('gone'))
    await expect(bytesOf(cut?.stream)).rejects.toThrow()
  })
})

describe('what was altered in storage', () => {
  const content = randomBytes(3 * CHUNK_BYTES + 1_000)

  it('is an error for reads of that chunk alone, never other bytes', async () => {
    await storage.put('x', [content])
    const stored = await readFile(fileOf('x'))
    for (let round = 0; round < 40; round += 1) {
      const hit = round % 4
      const from = HEADER_BYTES + hit * SEALED_CHUNK
      const at = from + Math.floor(Math.random() * (Math.min(stored.byteLength, from + SEALED_CHUNK) - from))
      const altered = Buffer.from(stored)
      altered[at] = (altered[at] ?? 0) ^ (1 << (round & 7))
      await writeFile(fileOf('x'), altered)
      for (let chunk = 0; chunk < 4; chunk += 1) {
        const range = { first: chunk * CHUNK_BYTES + 10, last: chunk * CHUNK_BYTES + 900 }
        const read = storage.read('x', range)
        if (chunk === hit) await expect(read).rejects.toEqual(tampered)
        else expect(Buffer.from((await read) ?? []).equals(content.subarray(range.first, range.last + 1))).toBe(true)
      }
      const across = { first: 0, last: content.byteLength - 1 }
      await expect(storage.read('x', across)).rejects.toEqual(tampered)
      await expect(whole(storage, 'x')).rejects.toEqual(tampered)
    }
  })

  it('gives the chunks before it in a stream, and then fails', async () => {
    await storage.put('x', [content])
    const stored = await readFile(fileOf('x'))
    stored[HEADER_BYTES + 2 * SEALED_CHUNK + 5] = (stored[HEADER_BYTES + 2 * SEALED_CHUNK + 5] ?? 0) ^ 1
    await writeFile(fileOf('x'), stored)
    const found = await storage.readRange('x', undefined)
    const given: Uint8Array[] = []
    const reading = (async () => {
      for await (const piece of found?.stream ?? []) given.push(piece)
    })()
    await expect(reading).rejects.toEqual(tampered)
    expect(Buffer.concat(given).equals(content.subarray(0, 2 * CHUNK_BYTES))).toBe(true)
  })

  it('cut short at any place is an error, as is anything behind the end', async () => {
    await storage.put('x', [content])
    const stored = await readFile(fileOf('x'))
    const lengths = new Set([0, 1, 8, 39, 40, 41, 55, 56, 57])
    for (let chunk = 1; chunk <= 3; chunk += 1) {
      for (const near of [-17, -16, -15, -1, 0, 1, 15, 16, 17]) lengths.add(HEADER_BYTES + chunk * SEALED_CHUNK + near)
    }
    for (let length = 1_000; length < stored.byteLength; length += 9_973) lengths.add(length)
    lengths.add(stored.byteLength - 1)
    for (const length of lengths) {
      await writeFile(fileOf('x'), stored.subarray(0, length))
      await expect(readAll(storage, 'x', content.byteLength), `${length} bytes left`).rejects.toEqual(tampered)
      const read = storage.read('x', { first: 0, last: content.byteLength - 1 })
      await expect(read, `${length} bytes left`).rejects.toMatchObject({ code: /^(STORAGE_TAMPERED|BLOB_TRUNCATED)$/ })
    }
    for (const extra of [1, 16, 17, 5_000, SEALED_CHUNK]) {
      await writeFile(fileOf('x'), Buffer.concat([stored, randomBytes(extra)]))
      await expect(readAll(storage, 'x', content.byteLength), `${extra} bytes more`).rejects.toEqual(tampered)
    }
  })

  it('in its header, or no sealed blob at all, is an error that says so', async () => {
    await storage.put('x', [content])
    const stored = await readFile(fileOf('x'))
    for (let bit = 0; bit < HEADER_BYTES * 8; bit += 1) {
      const altered = Buffer.from(stored)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await writeFile(fileOf('x'), altered)
      await expect(new EncryptedStorage(inner, key).read('x', { first: 0, last: 0 })).rejects.toEqual(tampered)
    }
    await inner.put('clear', [Buffer.alloc(1_000, 'clear text')])
    await expect(storage.read('clear', { first: 0, last: 1 })).rejects.toThrow(/blob clear .*not a sealed blob/)
    await expect(storage.readRange('clear', undefined)).rejects.toEqual(tampered)
  })
})
