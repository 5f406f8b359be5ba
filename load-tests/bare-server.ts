import { type FileHandle, open } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpuMicros, obey, type ServerOrder, type ServerReply } from './origin-orders.ts'

/** Gives the body that a URL stands for, out of a file of `fileBytes`. */
export type BareBody = (file: FileHandle, fileBytes: number, url: string) => Promise<Buffer>

async function serve(path: string, bodyOf: BareBody): Promise<ServerReply> {
  const file = await open(path)
  const { size } = await file.stat()
  const server = createServer((request, response) => {
    bodyOf(file, size, request.url ?? '').then(
      (body) => {
        response.writeHead(200, { 'Content-Type': 'video/mp4', 'Content-Length': body.byteLength })
        response.end(body)
      },
      (error: unknown) => response.destroy(error as Error),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { kind: 'serving', port: (server.address() as AddressInfo).port }
}

/** Runs this process as a bare server: it does what the parent orders, and ends with it. */
export function runBareServer(bodyOf: BareBody): void {
  obey<ServerOrder, ServerReply>(
    async (order) => (order.kind === 'cpu' ? { kind: 'cpu', micros: cpuMicros() } : serve(order.file, bodyOf)),
    (message) => ({ kind: 'failed', message }),
  )
}
