import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import type * as FsPromises from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'

/** What the operating system answers to a second name for a file; without it, it makes one. */
const refusal = vi.hoisted(() => ({ errno: undefined as string | undefined, before: () => undefined as unknown }))
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FsPromises>()
  return {
    ...real,
    link: async (from: string, to: string) => {
      if (refusal.errno !== undefined) throw Object.assign(new Error('no'), { code: refusal.errno, syscall: 'link' })
      await real.link(from, to)
      await refusal.before()
    },
  }
})

let dir: string
let storage: FilesystemStorage
const path = (...parts: string[]) => join(dir, 'place', ...parts)

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'copy-'))
  storage = new FilesystemStorage(dir, ['place'])
  refusal.errno = undefined
  refusal.before = () => undefined
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

async function content(name: string): Promise<string> {
  const size = statSync(path(name)).size
  return Buffer.from((await storage.read(name, { first: 0, last: size - 1 })) ?? []).toString()
}

it('a copy is the same file under another name, until one of them is replaced', async () => {
  await storage.put('a/film', [Buffer.from('first')])
  expect(await storage.copy('a/film', 'b/clip')).toBe(true)
  const [one, other] = [statSync(path('a/film')), statSync(path('b/clip'))]
  expect([other.ino, other.nlink]).toEqual([one.ino, 2])
  await storage.put('a/film', [Buffer.from('second')])
  expect([await content('a/film'), await content('b/clip')]).toEqual(['second', 'first'])
  await storage.delete('a/film')
  expect([await content('b/clip'), statSync(path('b/clip')).nlink]).toEqual(['first', 1])
})

it('nothing is left aside, not even by a copy onto what is the same file already', async () => {
  await storage.put('film', [Buffer.from('x')])
  for (let times = 0; times < 3; times += 1) expect(await storage.copy('film', 'clip')).toBe(true)
  expect(await storage.copy('film', 'film')).toBe(true)
  expect(await storage.copy('none', 'clip')).toBe(false)
  expect(readdirSync(path('.incoming'))).toEqual([])
  expect((await Array.fromAsync(storage.list(''))).map(({ name }) => name)).toEqual(['clip', 'film'])
})

it('what a copy has under way is not swept, however old the file is', async () => {
  await storage.put('film', [Buffer.from('x')])
  utimesSync(path('film'), 1, 1)
  refusal.before = () => storage.sweep(60_000)
  expect(await storage.copy('film', 'clip')).toBe(true)
  expect(await content('clip')).toBe('x')
})

it('a link, a folder or a pipe is not copied', async () => {
  await storage.put('a/b', [Buffer.from('x')])
  symlinkSync(path('a/b'), path('link'))
  mkdirSync(path('folder'))
  expect(await storage.copy('link', 'c')).toBe(false)
  expect(await storage.copy('folder', 'c')).toBe(false)
})

it.each(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'])(
  'its bytes are copied where there can be no second name: %s',
  async (errno) => {
    refusal.errno = errno
    await storage.put('a/film', [Buffer.from('first')])
    expect(await storage.copy('a/film', 'b/clip')).toBe(true)
    expect(statSync(path('b/clip')).ino).not.toBe(statSync(path('a/film')).ino)
    expect(await content('b/clip')).toBe('first')
    expect(await storage.copy('none', 'b/clip')).toBe(false)
    expect(readdirSync(path('.incoming'))).toEqual([])
  },
)

it('fails where the disk does', async () => {
  refusal.errno = 'EIO'
  await storage.put('film', [Buffer.from('x')])
  await expect(storage.copy('film', 'clip')).rejects.toMatchObject({ code: 'STORAGE_DOWN', details: { errno: 'EIO' } })
})
