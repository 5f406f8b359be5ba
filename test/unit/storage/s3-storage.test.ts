import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BlobStorage } from '../../../src/domain/blob-storage.ts'
import type { S3Limits } from '../../../src/storage/s3-settings.ts'
import { S3Storage } from '../../../src/storage/s3-storage.ts'
import { type S3Request, type S3Server, startS3 } from '../../support/s3-server.ts'

// An HTTP request is a while in coming on a machine that is busy.
vi.setConfig({ testTimeout: 20_000 })

let server: S3Server
let opened: S3Storage[]

beforeEach(async () => {
  server = await startS3()
  opened = []
})
afterEach(async () => {
  await Promise.all(opened.map((storage) => storage.close()))
  await server.close()
})

const quick: Partial<S3Limits> = { attempts: 3, firstDelayMs: 1, partBytes: 10_000 }
const refused = (code: string) => expect.objectContaining({ code })
const text = (value: string) => Buffer.from(value)

function open(limits: Partial<S3Limits> = {}, prefix?: string): S3Storage {
  const storage = new S3Storage(server.options({ limits: { ...quick, ...limits }, ...(prefix && { prefix }) }))
  opened.push(storage)
  return storage
}

async function whole(storage: BlobStorage, name: string): Promise<Buffer | undefined> {
  const found = await storage.readRange(name, undefined)
  return found && Buffer.concat(await Array.fromAsync(found.stream))
}

async function names(storage: BlobStorage): Promise<string[]> {
  return (await Array.fromAsync(storage.list(''))).map(({ name }) => name)
}

async function* chunksOf(content: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.byteLength; at += size) yield content.subarray(at, at + size)
}

const isPart = ({ method, query }: S3Request) => method === 'PUT' && query.has('uploadId')
const isCompletion = ({ method, query }: S3Request) => method === 'POST' && query.has('uploadId')

describe('objects', () => {
  it('have the names that files have, under the prefix, beside what is somebody else’s', async () => {
    const [mine, other] = [open({}, 'mine'), open({}, 'mine-too')]
    await mine.put('as_1/Ä b', [text('1')])
    await other.put('as_2/x', [text('2')])
    expect(server.requests.map(({ key }) => key)).toEqual(['mine/as_1/%C3%84%20b', 'mine-too/as_2/x'])
    const bare = open({}, 'mine/as_1')
    await bare.put('plain', [text('3')])
    expect(await names(mine)).toEqual(['as_1/plain', 'as_1/Ä b'])
    expect(await names(other)).toEqual(['as_2/x'])
  })

  it('are listed page by page, in the order of names however keys are ordered', async () => {
    const storage = open()
    const all = ['a/~', 'a/é', 'a/ b', 'a b', 'a/b', 'a-b', 'z', '\u{1f3ac}', '.a', 'a/\u{10ffff}/x', 'a/-']
    for (const name of all) await storage.put(name, [text('x')])
    const ordered = all.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const pageSize of [1, 2, 3, 100]) {
      server.pageSize = pageSize
      expect(await names(storage)).toEqual(ordered)
      const after = (await Array.fromAsync(storage.list('', { after: 'a/b' }))).map(({ name }) => name)
      expect(after).toEqual(ordered.slice(ordered.indexOf('a/b') + 1))
    }
  })

  it('that are larger than one copy may be are copied in parts', async () => {
    const storage = open({ maxCopyBytes: 10_000, copyPartBytes: 4_000 })
    const content = randomBytes(10_001)
    await storage.put('from', [content])
    server.requests.length = 0
    expect(await storage.copy('from', 'to')).toBe(true)
    expect(server.requests.filter(isPart).map(({ headers }) => headers['x-amz-copy-source-range'])).toEqual([
      'bytes=0-3999',
      'bytes=4000-7999',
      'bytes=8000-10000',
    ])
    // Nothing of it came this way.
    expect(server.requests.some(({ method }) => method === 'GET')).toBe(false)
    expect((await whole(storage, 'to'))?.equals(content)).toBe(true)
    expect(server.uploads.size).toBe(0)
  })
})

describe('a large object', () => {
  it('goes up in parts as it comes, and is one request where it fits one', async () => {
    const storage = open()
    const content = randomBytes(95_001)
    expect(await storage.put('large', chunksOf(content, 777))).toEqual({ sizeBytes: 95_001 })
    expect(server.requests.filter(isPart).map(({ body }) => body.byteLength)).toEqual([...Array(9).fill(10_000), 5_001])
    expect((await whole(storage, 'large'))?.equals(content)).toBe(true)
    server.requests.length = 0
    await storage.put('small', chunksOf(content.subarray(0, 10_000), 777))
    expect(server.requests.map(({ method, query }) => [method, query.has('uploadId')])).toEqual([['PUT', false]])
  })

  it('is taken from its source no faster than it goes up', async () => {
    const storage = open({ requestMs: 60_000 })
    const stuck = Promise.withResolvers<void>()
    server.fault = (request) => {
      if (!isPart(request)) return undefined
      stuck.resolve()
      return 'hang'
    }
    let taken = 0
    async function* endless() {
      for (;;) {
        taken += 1_000
        yield new Uint8Array(1_000)
      }
    }
    const abort = new AbortController()
    const put = storage.put('endless', endless(), { signal: abort.signal })
    await stuck.promise
    abort.abort(new Error('gone'))
    await expect(put).rejects.toThrow('gone')
    // One part on its way, one that waits, and the chunk that no longer fits.
    expect(taken).toBeLessThanOrEqual(21_000)
  })

  it('of which something fails is not there, and neither are its parts', async () => {
    const storage = open()
    const failure = new Error('the source broke')
    async function* broken() {
      yield new Uint8Array(35_000)
      throw failure
    }
    await expect(storage.put('broken', broken())).rejects.toBe(failure)
    server.fault = (request) => (isPart(request) ? { status: 403, code: 'AccessDenied' } : undefined)
    await expect(storage.put('denied', [new Uint8Array(35_000)])).rejects.toEqual(refused('STORAGE_DOWN'))
    server.fault = undefined
    expect(await names(storage)).toEqual([])
    expect(server.uploads.size).toBe(0)
  })

  it('whose last answer is lost is there all the same', async () => {
    const storage = open()
    let isLost = false
    server.fault = (request) => {
      if (!isCompletion(request) || isLost) return undefined
      isLost = true
      return 'lose-answer'
    }
    const content = randomBytes(25_000)
    await storage.put('large', [content])
    expect(server.requests.filter(isCompletion).length).toBe(2)
    expect((await whole(storage, 'large'))?.equals(content)).toBe(true)
  })

  it('that a crash cut short is swept when nothing is added to it any more, and nothing else is', async () => {
    const [storage, neighbour] = [open({}, 'mine'), open({}, 'other')]
    await storage.put('kept', [text('x')])
    // The process dies: nobody gives up what was begun.
    server.fault = (request) => (request.method === 'DELETE' ? 'cut' : undefined)
    async function* broken() {
      yield new Uint8Array(35_000)
      throw new Error('died')
    }
    await expect(storage.put('left', broken())).rejects.toThrow('died')
    await expect(neighbour.put('left', broken())).rejects.toThrow('died')
    expect(server.uploads.size).toBe(2)
    server.fault = undefined
    const [upload] = server.uploads.values()
    expect(await storage.sweep((upload?.begun.getTime() ?? 0) - 1)).toBe(0)
    if (upload) upload.begun = new Date(1_000)
    // Its parts are younger than the upload itself.
    expect(await storage.sweep(2_000)).toBe(0)
    for (const part of upload?.parts.values() ?? []) part.at = new Date(1_500)
    expect(await storage.sweep(2_000)).toBe(1)
    expect([...server.uploads.values()].map(({ key }) => key)).toEqual(['other/left'])
    expect(await names(storage)).toEqual(['kept'])
  })

  it('that this process is writing is nobody’s leavings', async () => {
    const storage = open({ requestMs: 60_000 })
    const stuck = Promise.withResolvers<void>()
    server.fault = (request) => {
      if (!isPart(request)) return undefined
      stuck.resolve()
      return 'hang'
    }
    const abort = new AbortController()
    const put = storage.put('slow', [new Uint8Array(35_000)], { signal: abort.signal })
    await stuck.promise
    expect(await storage.sweep(Number.POSITIVE_INFINITY)).toBe(0)
    expect(server.uploads.size).toBe(1)
    abort.abort(new Error('gone'))
    await expect(put).rejects.toThrow('gone')
  })
})

describe('what is under way at once', () => {
  it('is bounded, and counts until it is read or given up', async () => {
    const storage = open({ maxReads: 1, maxWaiting: 0 })
    await storage.put('a', [randomBytes(1_000_000)])
    const reading = await storage.readRange('a', undefined)
    await expect(storage.read('a', { first: 0, last: 1 })).rejects.toEqual(refused('STORAGE_BUSY'))
    const closed = new Promise((resolve) => reading?.stream.once('close', resolve))
    reading?.stream.destroy()
    await closed
    expect((await storage.read('a', { first: 0, last: 1 }))?.byteLength).toBe(2)
  })
})

describe('an endpoint that is not public', () => {
  it('is refused without being connected to', async () => {
    for (const endpoint of [server.url, server.url.replace('127.0.0.1', 'localhost'), 'http://[::1]:1']) {
      const options = server.options()
      const storage = new S3Storage({ ...options, place: { ...options.place, endpoint }, allowPrivateEndpoint: false })
      opened.push(storage)
      await expect(storage.put('a', [text('x')])).rejects.toEqual(refused('TARGET_REFUSED'))
    }
    expect(server.requests).toEqual([])
  })
})
