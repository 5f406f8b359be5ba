import type { FileHandle } from 'node:fs/promises'
import { runBareServer } from './bare-server.ts'

/**
 * The least that a server in Node can do for a body: `/read/{bytes}` reads it from the page cache, `/copy/{bytes}` copies it
 * once as well, `/ready/{bytes}` has it. Nothing is parsed, nothing is kept.
 */

const READY = new Map<number, Buffer>()

async function read(file: FileHandle, sizeBytes: number, position: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes)
  await file.read(bytes, 0, sizeBytes, position)
  return bytes
}

async function bodyOf(file: FileHandle, fileBytes: number, url: string): Promise<Buffer> {
  const [, how, size] = url.split('/')
  const sizeBytes = Number(size)
  if (how === 'ready') {
    const ready = READY.get(sizeBytes) ?? (await read(file, sizeBytes, 0))
    READY.set(sizeBytes, ready)
    return ready
  }
  const bytes = await read(file, sizeBytes, Math.floor(Math.random() * Math.max(1, fileBytes - sizeBytes)))
  if (how === 'read') return bytes
  const copy = Buffer.allocUnsafeSlow(sizeBytes)
  bytes.copy(copy)
  return copy
}

runBareServer(bodyOf)
