import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { FilesystemStorage } from '../../src/storage/filesystem-storage.ts'

const root = mkdtempSync(join(tmpdir(), 'blob-kill-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const writer = fileURLToPath(new URL('./blob-storage-kill-writer.ts', import.meta.url))
const KILLS = 8
const BLOB_BYTES = 64 * 65_536

/** Lets a writer confirm so many blobs, then kills it, half way in the next or wherever it is; gives what it had confirmed, by name. */
async function writeAndKill(confirmations: number, isHalfWay: boolean): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [writer, root, isHalfWay ? String(confirmations) : ''])
  const confirmed = new Map<string, number>()
  let seen = 0
  child.stdout.setEncoding('utf8')
  let rest = ''
  child.stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [name = '', fill] = line.split(' ')
      if (fill !== undefined) confirmed.set(name, Number(fill))
      seen += 1
    }
    if (seen >= (isHalfWay ? confirmations + 1 : confirmations)) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'close')
  expect(signal).toBe('SIGKILL')
  return confirmed
}

it('a blob is whole or not there, and stays once it is confirmed, whenever the process is killed', async () => {
  const storage = new FilesystemStorage(root, ['killed'])
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const confirmed = await writeAndKill(kill, kill % 2 === 0)
    for await (const { name, sizeBytes } of storage.list('')) {
      expect(sizeBytes, name).toBe(BLOB_BYTES)
      const read = await storage.readRange(name, undefined)
      const bytes = Buffer.concat(await Array.fromAsync(read?.stream ?? []))
      expect(new Set(bytes).size, name).toBe(1)
    }
    for (const [name] of confirmed) {
      const read = await storage.readRange(name, { first: 0, last: 0 })
      expect(read, name).toBeDefined()
      const [first] = await Array.fromAsync(read?.stream ?? [])
      // The write after the last confirmed one may have become visible just before the kill.
      expect((first?.[0] ?? 0) - (confirmed.get(name) ?? 0), name).toBeGreaterThanOrEqual(0)
    }
  }
  expect(await storage.sweep(Number.POSITIVE_INFINITY)).toBeGreaterThanOrEqual(KILLS / 2)
  const names = await Array.fromAsync(storage.list(''))
  expect(names.length).toBeGreaterThan(0)
}, 60_000)
