import { connect, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

/** What a crowd is told, and what it tells. */
export type CrowdOrder = { readonly path: string }
export type CrowdReport =
  | { readonly kind: 'ready' }
  /** Every answer of a round is there: when the last byte of the last one came (`process.hrtime`), and what they were. */
  | { readonly kind: 'answered'; readonly lastNs: bigint; readonly statuses: readonly string[]; readonly bytes: number }

/** Players of their own thread, each on a connection of its own, which all ask for the same at once. */
function run({ port, count }: { readonly port: number; readonly count: number }): void {
  const report = (message: CrowdReport) => parentPort?.postMessage(message)
  const players: Socket[] = []
  let connected = 0
  let left = 0
  let bytes = 0
  let statuses = new Set<string>()
  const answered = (status: string, sizeBytes: number) => {
    statuses.add(status)
    bytes += sizeBytes
    if (--left > 0) return
    report({ kind: 'answered', lastNs: process.hrtime.bigint(), statuses: [...statuses], bytes })
  }
  for (let at = 0; at < count; at++) {
    const socket = connect(port, '127.0.0.1', () => {
      if (++connected === count) report({ kind: 'ready' })
    })
    listen(socket, answered)
    players.push(socket)
  }
  parentPort?.on('message', ({ path }: CrowdOrder) => {
    left = count
    bytes = 0
    statuses = new Set()
    for (const socket of players) socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n`)
  })
}

/** Reads answers of a known length, one after the other. */
function listen(socket: Socket, answered: (status: string, sizeBytes: number) => void): void {
  let received = 0
  let expected = 0
  let status = ''
  socket.on('data', (chunk: Buffer) => {
    if (expected === 0) {
      const head = chunk.toString('latin1')
      status = head.slice(9, 12)
      expected = head.indexOf('\r\n\r\n') + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1])
    }
    received += chunk.byteLength
    if (received < expected) return
    received = 0
    expected = 0
    answered(status, chunk.byteLength)
  })
}

run(workerData as { readonly port: number; readonly count: number })
