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

/** Makes the first so many requests fail. */
function failFirst(count: number, fault: { status: number; code: string } | 'cut' | 'hang'): void {
  let left = count
  server.fault = () => {
    left -= 1
    return left >= 0 ? fault : undefined
  }
}

/** Every call, on a storage that has `a`. */
const calls: Readonly<Record<string, (storage: BlobStorage, signal?: AbortSignal) => Promise<unknown>>> = {
  put: (storage, signal) => storage.put('b', [text('b')], { signal }),
  'put in parts': (storage, signal) => storage.put('b', [new Uint8Array(25_000)], { signal }),
  read: (storage, signal) => storage.read('a', { first: 0, last: 1 }, { signal }),
  readRange: (storage, signal) =>
    storage.readRange('a', undefined, { signal }).then((found) => found?.stream.destroy()),
  list: (storage, signal) => Array.fromAsync(storage.list('', { signal })),
  delete: (storage, signal) => storage.delete('a', { signal }),
  copy: (storage, signal) => storage.copy('a', 'c', { signal }),
}

describe.each(Object.entries(calls))('%s', (_name, call) => {
  let storage: S3Storage
  beforeEach(async () => {
    storage = open({ requestMs: 200 })
    await storage.put('a', [text('content')])
    server.requests.length = 0
  })

  it('is tried again where the service fails for a while', async () => {
    failFirst(1, { status: 500, code: 'InternalError' })
    await call(storage)
    failFirst(2, { status: 503, code: 'SlowDown' })
    await call(open({}, 'another'))
    failFirst(1, 'cut')
    await call(storage)
  })

  it('says so, after so many attempts, where it goes on failing', async () => {
    server.fault = () => ({ status: 503, code: 'SlowDown' })
    await expect(call(storage)).rejects.toEqual(refused('STORAGE_BUSY'))
    expect(server.requests.length).toBe(3)
    server.fault = () => ({ status: 500, code: 'InternalError' })
    await expect(call(storage)).rejects.toEqual(refused('STORAGE_DOWN'))
    expect(server.requests.length).toBe(6)
  })

  it('is not repeated where that would not help', async () => {
    server.fault = () => ({ status: 403, code: 'AccessDenied' })
    await expect(call(storage)).rejects.toMatchObject({ code: 'STORAGE_DOWN', details: { name: 'AccessDenied' } })
    server.fault = () => ({ status: 507, code: 'XMinioStorageFull' })
    await expect(call(storage)).rejects.toEqual(refused('STORAGE_FULL'))
    expect(server.requests.length).toBe(2)
  })

  it('ends at its deadline where the service hangs', async () => {
    server.fault = () => 'hang'
    await expect(call(storage)).rejects.toMatchObject({ code: 'STORAGE_DOWN', details: { name: 'ETIMEDOUT' } })
    expect(server.requests.length).toBe(3)
  })

  it('ends at once when its signal is aborted', async () => {
    const patient = open({ requestMs: 60_000 })
    const abort = new AbortController()
    server.fault = () => {
      abort.abort(new Error('gone'))
      return 'hang'
    }
    await expect(call(patient, abort.signal)).rejects.toThrow('gone')
  })

  it('fails where the service is down', async () => {
    await server.down()
    await expect(call(storage)).rejects.toEqual(refused('STORAGE_DOWN'))
  })
})

describe('a failure that comes as a success', () => {
  // What takes long is answered with 200 before it is known how it ends.
  it.each(['CompleteMultipartUpload', 'CopyObject'])('is one: %s', async (what) => {
    const storage = open()
    await storage.put('a', [text('content')])
    const isIt = ({ method, query, headers }: S3Request) =>
      what === 'CopyObject'
        ? headers['x-amz-copy-source'] !== undefined
        : method === 'POST' && query.get('uploadId') !== null
    let left = 1
    server.fault = (request) => (isIt(request) && left-- > 0 ? { status: 200, code: 'InternalError' } : undefined)
    if (what === 'CopyObject') expect(await storage.copy('a', 'b')).toBe(true)
    else await storage.put('b', [new Uint8Array(25_000)])
    expect(server.requests.filter(isIt).length).toBe(2)
    expect(await storage.readRange('b', { first: 0, last: 0 })).toBeDefined()
    server.fault = (request) => (isIt(request) ? { status: 200, code: 'InternalError' } : undefined)
    const again = what === 'CopyObject' ? storage.copy('a', 'c') : storage.put('c', [new Uint8Array(25_000)])
    await expect(again).rejects.toMatchObject({ details: { name: 'InternalError' } })
    expect(await storage.readRange('c', undefined)).toBeUndefined()
  })
})

describe('a body that breaks off', () => {
  const content = randomBytes(40_000)
  const isReading = ({ method, key }: S3Request) => method === 'GET' && key !== ''
  const rangesAsked = () => server.requests.filter(isReading).map(({ headers }) => headers.range)

  function truncateFirst(count: number): void {
    let left = count
    server.fault = (request) => {
      if (!isReading(request)) return undefined
      left -= 1
      return left >= 0 ? 'truncate' : undefined
    }
  }

  it('is read again', async () => {
    const storage = open()
    await storage.put('a', [content])
    truncateFirst(2)
    const bytes = await storage.read('a', { first: 100, last: 39_999 })
    expect(bytes && Buffer.from(bytes).equals(content.subarray(100))).toBe(true)
    expect(rangesAsked().length).toBe(3)
    truncateFirst(Number.POSITIVE_INFINITY)
    await expect(storage.read('a', { first: 0, last: 9 })).rejects.toEqual(refused('STORAGE_DOWN'))
  })

  it('is taken up where it broke', async () => {
    const storage = open()
    await storage.put('a', [content])
    truncateFirst(2)
    expect((await whole(storage, 'a'))?.equals(content)).toBe(true)
    expect(rangesAsked()).toEqual([undefined, 'bytes=20000-39999', 'bytes=30000-39999'])
    truncateFirst(Number.POSITIVE_INFINITY)
    await expect(whole(storage, 'a')).rejects.toEqual(refused('STORAGE_DOWN'))
  })

  it('is taken up as often as it breaks, as long as it gets on', async () => {
    const storage = open({ attempts: 2 })
    const large = randomBytes(8 * 131_072)
    await storage.put('a', [large])
    let left = 0
    server.fault = (request) => {
      if (!isReading(request)) return undefined
      left += 1
      return left <= 3 ? 'truncate' : undefined
    }
    expect((await whole(storage, 'a'))?.equals(large)).toBe(true)
    expect(left).toBe(4)
  })

  it('is not taken up with the bytes of another object', async () => {
    const storage = open()
    await storage.put('a', [content])
    truncateFirst(1)
    const found = await storage.readRange('a', undefined)
    await storage.put('a', [randomBytes(40_000)])
    await expect(Array.fromAsync(found?.stream ?? [])).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
  })
})
