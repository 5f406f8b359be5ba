import type { Duplex } from 'node:stream'
import { STATUS_CODES } from '../../lib/http.ts'
import { problemHeaders, problemOf } from '../problem.ts'

/** Answers a request to change protocols as any other that fails: a problem document, after which the connection is closed. */
export function refuseUpgrade(socket: Duplex, error: unknown, headers: Readonly<Record<string, string>> = {}): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const problem = problemOf(error)
  const body = JSON.stringify(problem)
  const lines = Object.entries({
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    Connection: 'close',
    ...problemHeaders(error),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`)
}
