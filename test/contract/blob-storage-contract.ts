import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BlobStorage, MAX_READ_BYTES } from '../../src/domain/blob-storage.ts'

/** A storage to be held to the contract; `create` gives an empty one. */
export type BlobStorageBench = {
  create(): Promise<BlobStorage>
  dispose(): Promise<void>
  /** How often what is random is tried; fewer times where each call takes a while. */
  readonly runs?: number
}

const RUNS = 60

const MIB = 1_048_576

async function* bytesOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function read(storage: BlobStorage, name: string, range?: { first: number; last: number }) {
  const found = await storage.readRange(name, range)
  return found && { sizeBytes: found.sizeBytes, bytes: Buffer.concat(await Array.fromAsync(found.stream)) }
}

async function names(storage: BlobStorage, folder: string, after?: string): Promise<string[]> {
  const listed = storage.list(folder, after === undefined ? {} : { after })
  return (await Array.fromAsync(listed)).map(({ name }) => name)
}

const text = (value: string) => Buffer.from(value)
const refused = (code: string) => expect.objectContaining({ code })
/** What has been tried to leave a folder with, and what only looks like it. */
const nasty = fc.constantFrom(
  '..',
  '.',
  '%2e%2e',
  '\\',
  ':',
  ' ',
  'a',
  'A',
  'é',
  '\u{1f3ac}',
  '\u202e',
  '?',
  '#',
  '%',
  '\n',
  '\0',
)
const part = fc.array(nasty, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''))
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))

/** What every `BlobStorage` promises. */
export function blobStorageContract(open: () => Promise<BlobStorageBench>): void {
  let bench: BlobStorageBench
  beforeAll(async () => {
    bench = await open()
  })
  afterAll(() => bench.dispose())

  describe('what is put', () => {
    it('is there whole, by ranges too, and replaced by what is put in its place', async () => {
      const storage = await bench.create()
      const content = randomBytes(3 * MIB + 17)
      const chunks = [content.subarray(0, 1), content.subarray(1, MIB), content.subarray(MIB)]
      expect(await storage.put('as_1/files/af_1', bytesOf(...chunks))).toEqual({ sizeBytes: content.byteLength })
      const whole = await read(storage, 'as_1/files/af_1')
      expect(whole?.sizeBytes).toBe(content.byteLength)
      expect(
        createHash('sha256')
          .update(whole?.bytes ?? '')
          .digest('hex'),
      ).toBe(createHash('sha256').update(content).digest('hex'))
      for (const [first, last] of [
        [0, 0],
        [MIB - 1, MIB + 1],
        [content.byteLength - 1, content.byteLength - 1],
      ] as const) {
        const ranged = await read(storage, 'as_1/files/af_1', { first, last })
        expect(ranged?.sizeBytes).toBe(content.byteLength)
        expect(ranged?.bytes.equals(content.subarray(first, last + 1))).toBe(true)
      }
      await storage.put('as_1/files/af_1', bytesOf(text('short')))
      expect((await read(storage, 'as_1/files/af_1'))?.bytes.toString()).toBe('short')
    })

    it('is taken as chunks that are at hand, empty ones among them', async () => {
      const storage = await bench.create()
      const content = randomBytes(2 * MIB)
      const chunks: Uint8Array[] = []
      for (let at = 0; at < content.byteLength; at += 700) chunks.push(content.subarray(at, at + 700))
      chunks.splice(7, 0, new Uint8Array())
      expect(await storage.put('joined', chunks)).toEqual({ sizeBytes: content.byteLength })
      expect((await read(storage, 'joined'))?.bytes.equals(content)).toBe(true)
      expect(await storage.put('joined', [])).toEqual({ sizeBytes: 0 })
      expect(await read(storage, 'joined')).toEqual({ sizeBytes: 0, bytes: Buffer.alloc(0) })
    })

    it('may be empty', async () => {
      const storage = await bench.create()
      await storage.put('nothing', bytesOf())
      expect(await read(storage, 'nothing')).toEqual({ sizeBytes: 0, bytes: Buffer.alloc(0) })
    })

    it('is not there at all when its source fails, and what was there before stays', async () => {
      const storage = await bench.create()
      await storage.put('kept', bytesOf(text('before')))
      const failure = new Error('the source broke')
      async function* broken() {
        yield text('half')
        throw failure
      }
      await expect(storage.put('new', broken())).rejects.toBe(failure)
      await expect(storage.put('kept', broken())).rejects.toBe(failure)
      expect(await read(storage, 'new')).toBeUndefined()
      expect((await read(storage, 'kept'))?.bytes.toString()).toBe('before')
      expect(await names(storage, '')).toEqual(['kept'])
    })

    it('is given up at once when its signal is aborted, even while its source hangs', async () => {
      const storage = await bench.create()
      const abort = new AbortController()
      const hangs = Promise.withResolvers<void>()
      async function* hanging() {
        yield text('half')
        hangs.resolve()
        await new Promise(() => undefined)
      }
      const put = storage.put('hanging', hanging(), { signal: abort.signal })
      await hangs.promise
      abort.abort(new Error('gone'))
      await expect(put).rejects.toThrow('gone')
      expect(await names(storage, '')).toEqual([])
      await expect(storage.put('late', bytesOf(), { signal: abort.signal })).rejects.toThrow('gone')
    })

    it('by several at once under one name is one of theirs, whole', async () => {
      const storage = await bench.create()
      const contents = Array.from({ length: 8 }, (_, index) => Buffer.alloc(200_000, index + 1))
      await Promise.all(contents.map((content) => storage.put('a/b', bytesOf(content))))
      const found = await read(storage, 'a/b')
      expect(contents.some((content) => found?.bytes.equals(content))).toBe(true)
      expect(await names(storage, '')).toEqual(['a/b'])
    })
  })

  describe('what is read at once', () => {
    it('is the bytes of the range, the caller’s own', async () => {
      const storage = await bench.create()
      const content = randomBytes(MIB + 5)
      await storage.put('a/film', [content])
      for (const [first, last] of [
        [0, 0],
        [0, MIB + 4],
        [MIB, MIB + 4],
        [17, 4_242],
      ] as const) {
        const bytes = await storage.read('a/film', { first, last })
        expect(bytes && Buffer.from(bytes).equals(content.subarray(first, last + 1))).toBe(true)
      }
      const [one, two] = await Promise.all([0, 0].map(() => storage.read('a/film', { first: 0, last: 9 })))
      one?.fill(0)
      expect(two && Buffer.from(two).equals(content.subarray(0, 10))).toBe(true)
    })

    it('is nothing where there is no blob, and an error where the blob ends before the range', async () => {
      const storage = await bench.create()
      await storage.put('a/short', [text('0123456789')])
      await storage.put('a/empty', [])
      for (const missing of ['a/none', 'none/none', 'a']) {
        expect(await storage.read(missing, { first: 0, last: 1 })).toBeUndefined()
      }
      const truncated = refused('BLOB_TRUNCATED')
      for (const [blob, first, last] of [
        ['a/short', 0, 10],
        ['a/short', 9, 12],
        ['a/short', 10, 10],
        ['a/short', 5_000, 6_000],
        ['a/empty', 0, 0],
      ] as const) {
        await expect(storage.read(blob, { first, last })).rejects.toEqual(truncated)
        await expect(storage.readRange(blob, { first, last })).rejects.toEqual(truncated)
      }
      expect(Buffer.from((await storage.read('a/short', { first: 9, last: 9 })) ?? []).toString()).toBe('9')
    })

    it.each([
      { first: -1, last: 4 },
      { first: 5, last: 4 },
      { first: 0.5, last: 4 },
      { first: 0, last: MAX_READ_BYTES },
    ])('is no range like %j', async (range) => {
      const storage = await bench.create()
      await storage.put('a', [text('0123456789')])
      await expect(storage.read('a', range)).rejects.toEqual(refused('STORE_INPUT_INVALID'))
    })

    it('is given up when its signal is aborted', async () => {
      const storage = await bench.create()
      await storage.put('a', [text('0123456789')])
      const signal = AbortSignal.abort(new Error('gone'))
      await expect(storage.read('a', { first: 0, last: 1 }, { signal })).rejects.toThrow('gone')
      await expect(storage.readRange('a', undefined, { signal })).rejects.toThrow('gone')
    })
  })

  describe('names', () => {
    it('of any text are kept apart and lead nowhere else', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(part, { minLength: 1, maxLength: 6 }), async (parts) => {
          const storage = await bench.create()
          for (const entry of parts) await storage.put(`x/${entry}`, bytesOf(text(entry)))
          for (const entry of parts) expect((await read(storage, `x/${entry}`))?.bytes.toString()).toBe(entry)
          expect(new Set(await names(storage, 'x'))).toEqual(new Set(parts.map((entry) => `x/${entry}`)))
        }),
        { numRuns: bench.runs ?? RUNS },
      )
    })

    it.each(['', '/', 'a//b', '/a', 'a/', '\ud800', 'x'.repeat(300), 'a/b/c/d/e/f/g/h/i'])(
      'are not %j',
      async (bad) => {
        const storage = await bench.create()
        await expect(storage.put(bad, bytesOf())).rejects.toEqual(refused('STORE_INPUT_INVALID'))
        await expect(storage.read(bad, { first: 0, last: 0 })).rejects.toEqual(refused('STORE_INPUT_INVALID'))
        await expect(storage.readRange(bad, undefined)).rejects.toEqual(refused('STORE_INPUT_INVALID'))
        await expect(storage.delete(bad)).rejects.toEqual(refused('STORE_INPUT_INVALID'))
      },
    )
  })

  it('lists what lies under a folder, in the order of names, from any place on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), name, async (given, after) => {
        const storage = await bench.create()
        // A name can't be a folder of another.
        const all = given.filter((entry) => !given.some((other) => other.startsWith(`${entry}/`)))
        for (const entry of all) await storage.put(entry, bytesOf(text('x')))
        const ordered = all.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        expect(await names(storage, '')).toEqual(ordered)
        const rest = ordered.filter((entry) => Buffer.compare(Buffer.from(entry), Buffer.from(after)) > 0)
        expect(await names(storage, '', after)).toEqual(rest)
        const folder = ordered[0]?.split('/')[0] ?? ''
        expect(await names(storage, folder)).toEqual(ordered.filter((entry) => entry.startsWith(`${folder}/`)))
      }),
      { numRuns: bench.runs ?? RUNS },
    )
  })

  it('forgets what is deleted; what is not there is no error', async () => {
    const storage = await bench.create()
    await storage.put('a/b/c', bytesOf(text('1')))
    await storage.put('a/d', bytesOf(text('2')))
    await storage.delete('a/b/c')
    await storage.delete('a/b/c')
    await storage.delete('never/was')
    expect(await read(storage, 'a/b/c')).toBeUndefined()
    expect(await names(storage, '')).toEqual(['a/d'])
    await storage.put('a/b', bytesOf(text('a folder no more')))
    expect(await names(storage, '')).toEqual(['a/b', 'a/d'])
  })

  it('writes beside deletions of the neighbours, which take empty folders with them', async () => {
    const storage = await bench.create()
    for (let round = 0; round < 20; round += 1) {
      await storage.put('f/old', bytesOf(text('x')))
      await Promise.all([storage.delete('f/old'), storage.put('f/new', bytesOf(text('y')))])
      expect(await names(storage, 'f')).toEqual(['f/new'])
      await storage.delete('f/new')
    }
  })

  it('copies what is there', async () => {
    const storage = await bench.create()
    await storage.put('from', bytesOf(text('content')))
    expect(await storage.copy('from', 'to/there')).toBe(true)
    await storage.put('from', bytesOf(text('another')))
    expect((await read(storage, 'to/there'))?.bytes.toString()).toBe('content')
    await storage.delete('from')
    expect((await read(storage, 'to/there'))?.bytes.toString()).toBe('content')
    await storage.put('old', bytesOf(text('old')))
    expect(await storage.copy('to/there', 'old')).toBe(true)
    expect((await read(storage, 'old'))?.bytes.toString()).toBe('content')
    expect(await storage.copy('old', 'old')).toBe(true)
    expect((await read(storage, 'old'))?.bytes.toString()).toBe('content')
    await storage.delete('old')
    expect(await storage.copy('from', 'again')).toBe(false)
    expect(await names(storage, '')).toEqual(['to/there'])
  })

  it('goes on reading what is replaced or deleted meanwhile', async () => {
    const storage = await bench.create()
    const content = randomBytes(2 * MIB)
    await storage.put('film', bytesOf(content))
    const found = await storage.readRange('film', undefined)
    await storage.put('film', bytesOf(text('another')))
    await storage.delete('film')
    const bytes = found && Buffer.concat(await Array.fromAsync(found.stream))
    expect(bytes?.equals(content)).toBe(true)
  })
}
