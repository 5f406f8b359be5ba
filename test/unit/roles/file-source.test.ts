import { describe, expect, it } from 'vitest'
import type { FileSet, StoredFile } from '../../../src/domain/file-set.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError, FormatError } from '../../../src/lib/errors.ts'
import type { SourceFile } from '../../../src/ondemand/source-file.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { FileSource } from '../../../src/roles/file-source.ts'
import { MemoryStorage } from '../archive/memory-storage.ts'

const { signal } = new AbortController()

function setOf(digest: string, count = 1, place = {} as FileSet['place']): FileSet {
  const files = Array.from({ length: count }, (_, index): StoredFile => {
    const blob = `as_one/files/${index}`
    return { name: `${index}.mp4`, blob, sizeBytes: 100_000, digest: `d${index}`, contentType: 'video/mp4' }
  })
  return { assetId: 'as_one', manifestName: '0', files, digest, place }
}

/** A source whose files are opened by the test: a segment is 1,000 bytes of its number, read from the file. */
function bench(options: { cacheBytes?: number; tableBytes?: number; segmentBytes?: number } = {}) {
  const { cacheBytes = 10_000, tableBytes = 100, segmentBytes = 1_000 } = options
  const clock = new VirtualClock()
  const storage = new MemoryStorage()
  for (let index = 0; index < 3; index++) storage.blobs.set(`as_one/files/${index}`, Buffer.alloc(100_000, index))
  const opened: string[] = []
  const read: string[] = []
  const state = { fault: undefined as (() => Promise<unknown>) | undefined }
  const open = async (id: string, files: readonly SourceFile[], opening: AbortSignal) => {
    opened.push(id)
    for (const file of files) await file.read({ first: 0, last: 15 }, opening)
    await state.fault?.()
    return {
      view: { header: { id, epoch: `of ${id}` } } as PresentationView,
      memoryBytes: tableBytes,
      read: async (rendition: number, sequence: number) => {
        read.push(`${id} ${rendition} ${sequence}`)
        if (sequence === 13) throw new FormatError('moov/stbl/stsz', 40, 'a sample past the end')
        return sequence > 50 ? undefined : [new Uint8Array(segmentBytes).fill(sequence)]
      },
    }
  }
  const source = new FileSource({ storage: () => storage, open, clock }, cacheBytes)
  return { clock, storage, source, opened, read, state }
}

/** What was begun by now is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

describe('FileSource', () => {
  it('reads nothing before somebody asks, and then opens a set once for all who do', async () => {
    const { source, storage, opened } = bench()
    const files = source.filesOf(setOf('a'))
    expect(storage.calls).toEqual([])
    const views = await Promise.all(Array.from({ length: 4 }, () => files.open(signal)))
    expect(opened).toEqual(['as_one.a'])
    expect(new Set(views).size).toBe(1)
    expect(await files.open(signal)).toBe(views[0])
    expect(opened).toHaveLength(1)
  })

  it('gives the bytes of each file as they are', async () => {
    const { source } = bench()
    const files = source.filesOf(setOf('a', 4)).files
    expect(Buffer.from((await files[1]?.read({ first: 5, last: 7 }, signal)) ?? [])).toEqual(Buffer.alloc(3, 1))
    expect(await files[3]?.read({ first: 5, last: 7 }, signal)).toBeUndefined()
  })

  it('makes a segment once for all who ask for it, and keeps it for the next', async () => {
    const { source, read } = bench()
    const view = await source.filesOf(setOf('a')).open(signal)
    const ask = () => source.read(view.header.id, 0, 7, signal)
    const [first, second] = await Promise.all([ask(), ask()])
    expect(first?.[0]?.[0]).toBe(7)
    expect(second).toBe(first)
    expect(await ask()).toBe(first)
    expect(read).toEqual(['as_one.a 0 7'])
    expect(await source.read(view.header.id, 0, 51, signal)).toBeUndefined()
    expect(await source.read('as_one.unknown', 0, 7, signal)).toBeUndefined()
  })

  it('reads what is open from where its files lie now', async () => {
    const { clock } = bench()
    const storage = new MemoryStorage()
    storage.blobs.set('as_one/files/0', Buffer.alloc(100_000, 7))
    const asked: string[] = []
    const ports = {
      clock,
      storage: (place: FileSet['place']) => {
        asked.push((place as unknown as { name: string }).name)
        return storage
      },
      open: async (id: string, [file]: readonly SourceFile[]) => ({
        view: { header: { id } } as PresentationView,
        memoryBytes: 100,
        read: async (_rendition: number, sequence: number, reading: AbortSignal) => {
          const first = sequence * 50_000
          return [(await file?.read({ first, last: first + 40_000 }, reading)) ?? new Uint8Array()]
        },
      }),
    }
    const source = new FileSource(ports, 200_000)
    const at = (name: string) => setOf('a', 1, { name } as unknown as FileSet['place'])
    const view = await source.filesOf(at('old')).open(signal)
    await source.read(view.header.id, 0, 0, signal)
    expect(await source.filesOf(at('new')).open(signal)).toBe(view)
    await source.read(view.header.id, 0, 1, signal)
    expect(asked).toEqual(['old', 'new'])
  })

  it('keeps within its budget, opens again what it has put away, and does not keep what is too large', async () => {
    const { source, opened, read } = bench({ cacheBytes: 4_000 })
    const files = source.filesOf(setOf('a'))
    const { header } = await files.open(signal)
    for (let sequence = 0; sequence < 10; sequence++) await source.read(header.id, 0, sequence, signal)
    expect(source.cachedBytes).toBeLessThanOrEqual(4_000)
    await source.filesOf(setOf('b')).open(signal)
    for (let sequence = 0; sequence < 10; sequence++) await source.read('as_one.b', 0, sequence, signal)
    expect(await files.open(signal)).toMatchObject({ header: { epoch: 'of as_one.a' } })
    expect(opened).toEqual(['as_one.a', 'as_one.b', 'as_one.a'])
    const large = bench({ cacheBytes: 4_000, segmentBytes: 1_001 })
    const { header: other } = await large.source.filesOf(setOf('a')).open(signal)
    await large.source.read(other.id, 0, 1, signal)
    await large.source.read(other.id, 0, 1, signal)
    expect(large.read).toHaveLength(2)
    expect(read.length).toBe(20)
  })

  it('never reads one state of an asset for another', async () => {
    const { source, read } = bench()
    const before = await source.filesOf(setOf('a')).open(signal)
    const after = await source.filesOf(setOf('b')).open(signal)
    await source.read(before.header.id, 0, 1, signal)
    await source.read(after.header.id, 0, 1, signal)
    expect(read).toEqual(['as_one.a 0 1', 'as_one.b 0 1'])
  })

  it('tells what a file is to blame for as that, and looks at it again only after a while', async () => {
    const { source, clock, state, opened } = bench()
    const files = source.filesOf(setOf('a'))
    state.fault = () => Promise.reject(new FormatError('moov', 12, 'nothing in it'))
    const message = 'This can’t be played: moov at byte 12: nothing in it'.replace('’', "'")
    for (let asked = 0; asked < 5; asked++) {
      await expect(files.open(signal)).rejects.toMatchObject({ code: 'FILE_UNPLAYABLE', message })
    }
    expect(opened).toHaveLength(1)
    await clock.advance(5_001)
    state.fault = undefined
    const { header } = await files.open(signal)
    await expect(source.read(header.id, 0, 13, signal)).rejects.toMatchObject({ code: 'FILE_UNPLAYABLE' })
  })

  it('asks storage that is down again after a second', async () => {
    const { source, clock, storage, opened } = bench()
    const files = source.filesOf(setOf('a'))
    storage.fault = () => Promise.reject(new AppError('STORAGE_DOWN', 'down'))
    for (let asked = 0; asked < 5; asked++) {
      await expect(files.open(signal)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    }
    expect(opened).toHaveLength(1)
    storage.fault = () => undefined
    await clock.advance(1_001)
    expect((await files.open(signal)).header.id).toBe('as_one.a')
  })

  it('goes on for a minute when nobody waits any more, for who comes again', async () => {
    const { source, clock, state, opened } = bench()
    const files = source.filesOf(setOf('a'))
    const held = Promise.withResolvers<void>()
    state.fault = () => held.promise
    const ask = async () => {
      const left = new AbortController()
      const asked = files.open(left.signal)
      left.abort(new Error('gone'))
      await expect(asked).rejects.toThrow('gone')
    }
    await ask()
    await clock.advance(30_000)
    await ask()
    expect(opened).toHaveLength(1)
    held.resolve()
    expect((await files.open(signal)).header.id).toBe('as_one.a')
    expect(opened).toHaveLength(1)
  })

  it('gives up what nobody waits for in the end, without remembering that, and when it is stopped', async () => {
    const { source, clock, state, opened } = bench()
    const never = Promise.withResolvers<void>()
    state.fault = () => never.promise
    const leave = async (digest: string) => {
      const left = new AbortController()
      const asked = source.filesOf(setOf(digest)).open(left.signal)
      left.abort(new Error('gone'))
      await expect(asked).rejects.toThrow('gone')
    }
    await leave('a')
    await clock.advance(60_001)
    await settled()
    state.fault = undefined
    expect((await source.filesOf(setOf('a')).open(signal)).header.id).toBe('as_one.a')
    expect(opened).toEqual(['as_one.a', 'as_one.a'])
    state.fault = () => never.promise
    await leave('b')
    await source.stop()
    await settled()
    state.fault = undefined
    expect((await source.filesOf(setOf('b')).open(signal)).header.id).toBe('as_one.b')
    expect(opened.slice(2)).toEqual(['as_one.b', 'as_one.b'])
  })

  it('opens so many at once, and refuses when too many wait', async () => {
    const { source, state, opened } = bench()
    const held = Promise.withResolvers<void>()
    state.fault = () => held.promise
    const sets = Array.from({ length: 1_029 }, (_, index) => source.filesOf(setOf(`s${index}`)))
    const results = Promise.allSettled(sets.map((files) => files.open(signal)))
    await settled()
    expect(opened).toHaveLength(4)
    held.resolve()
    const failed = (await results).filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    expect(failed.map(({ reason }) => reason.code)).toEqual(['ORIGIN_BUSY'])
  })

  it('takes no more files together than anybody has renditions', async () => {
    const { source, opened } = bench()
    await expect(source.filesOf(setOf('a', 65)).open(signal)).rejects.toMatchObject({
      code: 'FILE_UNPLAYABLE',
      message: expect.stringContaining('65'),
    })
    expect(opened).toEqual([])
  })
})
