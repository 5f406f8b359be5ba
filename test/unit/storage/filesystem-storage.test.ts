import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { storageError } from '../../../src/storage/file-errors.ts'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'
import { MediaStorage } from '../../../src/storage/media-storage.ts'

let dir: string
let storage: FilesystemStorage
const root = () => join(dir, 'media')

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'filesystem-'))
  mkdirSync(root())
  storage = new FilesystemStorage(root(), ['account', 'place'])
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

async function* bytesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}
const refused = (code: string) => expect.objectContaining({ code })

describe('blobs as files', () => {
  it('lie where a person finds them, and nowhere else', async () => {
    await storage.put('as_1/video-720p/init.mp4', bytesOf('moov'))
    await storage.put('as_1/../../../escape', bytesOf('x'))
    expect(readFileSync(join(root(), 'account/place/as_1/video-720p/init.mp4'), 'utf8')).toBe('moov')
    expect(readdirSync(dir)).toEqual(['media'])
    expect(readdirSync(join(root(), 'account/place/as_1')).toSorted()).toEqual(['%2E.', 'video-720p'])
  })

  it('are not reached through links', async () => {
    writeFileSync(join(dir, 'secret'), 'secret')
    mkdirSync(join(dir, 'outside'))
    writeFileSync(join(dir, 'outside', 'film'), 'outside')
    await storage.put('a/b', bytesOf('x'))
    symlinkSync(join(dir, 'secret'), join(root(), 'account/place/a/link'))
    symlinkSync(join(dir, 'outside'), join(root(), 'account/place/elsewhere'))
    await expect(storage.readRange('a/link', undefined)).rejects.toEqual(refused('STORAGE_DOWN'))
    await expect(storage.readRange('elsewhere/film', undefined)).rejects.toEqual(refused('STORAGE_DOWN'))
    await expect(storage.put('elsewhere/new', bytesOf('x'))).rejects.toEqual(refused('STORAGE_DOWN'))
    await expect(storage.delete('elsewhere/film')).rejects.toEqual(refused('STORAGE_DOWN'))
    expect(await Array.fromAsync(storage.list(''))).toEqual([{ name: 'a/b', sizeBytes: 1 }])
    expect(readdirSync(join(dir, 'outside'))).toEqual(['film'])
    await storage.put('a/link', bytesOf('mine'))
    expect(readFileSync(join(dir, 'secret'), 'utf8')).toBe('secret')
  })

  it('that are no plain files are not read', async () => {
    await storage.put('a/b', bytesOf('x'))
    execFileSync('mkfifo', [join(root(), 'account/place/pipe')])
    expect(await storage.readRange('pipe', undefined)).toBeUndefined()
    expect(await storage.readRange('a', undefined)).toBeUndefined()
  })

  it('that a crash left half written are swept once nothing writes to them', async () => {
    await storage.put('a', bytesOf('x'))
    const incoming = join(root(), 'account/place/.incoming')
    writeFileSync(join(incoming, 'left'), 'half')
    writeFileSync(join(incoming, 'fresh'), 'half')
    utimesSync(join(incoming, 'left'), 1, 1)
    expect(await storage.sweep(60_000)).toBe(1)
    expect(readdirSync(incoming)).toEqual(['fresh'])
    expect(await new FilesystemStorage(root(), ['none']).sweep(60_000)).toBe(0)
  })
})

describe('a storage that fails', () => {
  it('says what the operating system said', () => {
    const failure = (code: string) => Object.assign(new Error(code), { code, syscall: 'write' })
    expect(storageError(failure('ENOSPC'), 'writing a')).toEqual(refused('STORAGE_FULL'))
    expect(storageError(failure('EDQUOT'), 'writing a')).toMatchObject({ message: expect.stringContaining('no room') })
    expect(storageError(failure('EIO'), 'writing a')).toMatchObject({ code: 'STORAGE_DOWN', details: { errno: 'EIO' } })
    const own = new Error('the source')
    expect(storageError(own, 'writing a')).toBe(own)
  })

  it('is full when the disk is', async () => {
    const full = { ...process.env, HEADEND_FULL: '1' }
    const script = `
      import { FilesystemStorage } from ${JSON.stringify(join(import.meta.dirname, '../../../src/storage/filesystem-storage.ts'))}
      process.on('SIGXFSZ', () => undefined)
      const storage = new FilesystemStorage(${JSON.stringify(root())}, ['limited'])
      async function* bytes() { for (let n = 0; n < 64; n += 1) yield new Uint8Array(65536) }
      const error = await storage.put('film', bytes()).catch((error) => error)
      const left = await Array.fromAsync(storage.list(''))
      console.log(JSON.stringify({ code: error.code, message: error.message, left }))`
    writeFileSync(join(dir, 'full.mjs'), script)
    // What a process may write of one file stands in for a disk that is full: the kernel refuses the write alike.
    const out = execFileSync(
      'bash',
      ['-c', `ulimit -f 1024 && exec "${process.execPath}" "${join(dir, 'full.mjs')}"`],
      { env: full },
    )
    expect(JSON.parse(out.toString())).toMatchObject({ code: 'STORAGE_FULL', left: [] })
    expect(readdirSync(join(root(), 'limited/.incoming'))).toEqual([])
  })

  it('can’t be opened where its folder can’t be', () => {
    writeFileSync(join(dir, 'file'), '')
    expect(() => new MediaStorage(join(dir, 'file', 'media'))).toThrow(refused('STORAGE_DOWN'))
  })
})

describe('what is under way at once', () => {
  it('leaves the disk the room that others need', async () => {
    const careful = new FilesystemStorage(root(), ['careful'], { minFreeBytes: Number.MAX_SAFE_INTEGER })
    await expect(careful.put('a', bytesOf('x'))).rejects.toEqual(refused('STORAGE_FULL'))
    expect(readdirSync(join(root(), 'careful/.incoming'))).toEqual([])
  })

  it('deletes while as much is written as may be', async () => {
    const small = new FilesystemStorage(root(), ['small'], { maxWrites: 1 })
    await small.put('a', bytesOf('1'))
    const { promise: end, resolve } = Promise.withResolvers<void>()
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('2')
      await end
    }
    const writing = small.put('b', slow())
    await small.delete('a')
    expect(await small.readRange('a', undefined)).toBeUndefined()
    resolve()
    await writing
  })

  it('counts what is being read until it is read or given up', async () => {
    const small = new FilesystemStorage(root(), ['small'], { maxReads: 1, maxWrites: 1, maxWaiting: 0 })
    await small.put('a', bytesOf('x'.repeat(1_000_000)))
    const reading = await small.readRange('a', undefined)
    await expect(small.readRange('a', undefined)).rejects.toEqual(refused('STORAGE_BUSY'))
    const closed = new Promise((resolve) => reading?.stream.once('close', resolve))
    reading?.stream.destroy()
    await closed
    const again = await small.readRange('a', { first: 0, last: 0 })
    expect(again?.sizeBytes).toBe(1_000_000)
    expect(Buffer.concat(await Array.fromAsync(again?.stream ?? [])).toString()).toBe('x')
  })
})

it('each account has a folder of its own, each storage account one within', async () => {
  const media = new MediaStorage(join(dir, 'fresh'))
  const place = (accountId: string, directory: string) =>
    ({ accountId, kind: 'filesystem', location: { directory } }) as Parameters<typeof media.of>[0]
  await media.of(place('ac_1', 'main')).put('a', bytesOf('1'))
  await media.of(place('ac_2', 'main')).put('a', bytesOf('2'))
  expect(readFileSync(join(dir, 'fresh/ac_1/main/a'), 'utf8')).toBe('1')
  expect(readFileSync(join(dir, 'fresh/ac_2/main/a'), 'utf8')).toBe('2')
  expect(media.of(place('ac_1', 'main'))).toBe(media.of(place('ac_1', 'main')))
})
