import { type FileHandle, open } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpuMicros, obey, type ServerOrder, type ServerReply } from './origin-orders.ts'

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

async function answer(file: FileHandle, fileBytes: number, url: string, response: ServerResponse): Promise<void> {
  const body = await bodyOf(file, fileBytes, url)
  response.writeHead(200, { 'Content-Type': 'video/mp4', 'Content-Length': body.byteLength })
  response.end(body)
}

async function serve(path: string): Promise<ServerReply> {
  const file = await open(path)
  const { size } = await file.stat()
  const server = createServer((request, response) => {
    answer(file, size, request.url ?? '', response).catch((error: unknown) => response.destroy(error as Error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { kind: 'serving', port: (server.address() as AddressInfo).port }
}

obey<ServerOrder, ServerReply>(
  async (order) => (order.kind === 'cpu' ? { kind: 'cpu', micros: cpuMicros() } : serve(order.file)),
  (message) => ({ kind: 'failed', message }),
)
