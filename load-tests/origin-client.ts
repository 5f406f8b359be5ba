import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { type ClientOrder, type ClientReply, obey } from './origin-orders.ts'

/** Asks as fast as it is answered. It reads heads and counts bytes, and does nothing else with them: the machine is the server's. */

const HEAD_END = Buffer.from('\r\n\r\n')

class Connection {
  readonly #socket: Socket
  readonly #next: () => string | undefined
  readonly ttfbMs: number[] = []
  readonly done: Promise<void>
  bytes = 0
  #askedMs = 0
  #head: Buffer | undefined = Buffer.alloc(0)
  #left = 0

  constructor(port: number, next: () => string | undefined) {
    this.#next = next
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.setNoDelay(true)
    this.#socket.once('connect', () => this.#ask())
    this.done = new Promise((resolve, reject) => {
      this.#socket.once('close', () => resolve())
      this.#socket.once('error', reject)
      this.#socket.on('data', (chunk: Buffer) => {
        try {
          this.#take(chunk)
        } catch (error) {
          this.#socket.destroy()
          reject(error)
        }
      })
    })
  }

  #ask(): void {
    const path = this.#next()
    if (path === undefined) {
      this.#socket.end()
      return
    }
    this.#head = Buffer.alloc(0)
    this.#askedMs = performance.now()
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n`)
  }

  #take(chunk: Buffer): void {
    let body = chunk.byteLength
    if (this.#head) {
      if (this.#head.byteLength === 0) this.ttfbMs.push(performance.now() - this.#askedMs)
      const seen = Buffer.concat([this.#head, chunk])
      const end = seen.indexOf(HEAD_END)
      this.#head = end < 0 ? seen : undefined
      if (end < 0) return
      const head = seen.subarray(0, end).toString('latin1')
      const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
      if (!head.startsWith('HTTP/1.1 200') || length === undefined) throw new Error(head)
      this.#left = Number(length)
      body = seen.byteLength - end - HEAD_END.byteLength
    }
    this.bytes += body
    this.#left -= body
    if (this.#left === 0) this.#ask()
  }
}

async function load({ port, paths, connections, seconds }: ClientOrder): Promise<ClientReply> {
  const startMs = performance.now()
  const endMs = startMs + seconds * 1_000
  let asked = 0
  const next = () => (performance.now() < endMs ? paths[asked++ % paths.length] : undefined)
  const open = Array.from({ length: connections }, () => new Connection(port, next))
  await Promise.all(open.map(({ done }) => done))
  const ttfb = open.flatMap(({ ttfbMs }) => ttfbMs).sort((a, b) => a - b)
  const at = (share: number) => ttfb[Math.min(ttfb.length - 1, Math.floor(ttfb.length * share))] ?? Number.NaN
  return {
    kind: 'loaded',
    requests: ttfb.length,
    bytes: open.reduce((sum, { bytes }) => sum + bytes, 0),
    seconds: (performance.now() - startMs) / 1_000,
    ttfbP50: at(0.5),
    ttfbP99: at(0.99),
  }
}

obey<ClientOrder, ClientReply>(load, (message) => ({ kind: 'failed', message }))
