import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import { createServer } from '../lib/http.ts'
import { problemAnswer } from './answer.ts'

/** PEM: the chain, leaf first, and its key. */
export type TlsCredentials = { readonly cert: string | Uint8Array; readonly key: string | Uint8Array }

/** Time-outs (ms) and counts of the HTTP listener. */
export type ListenerLimits = {
  readonly connections: number
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly idleTimeoutMs: number
}

/** An HTTP listener, plain or with TLS, whose certificate can be replaced. */
export type Listener = { readonly server: Server; setTls(credentials: TlsCredentials): void }

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void

const MAX_HEAD_BYTES = 16_384
const CHECK_MS = 1_000
const MAX_STREAMS = 100

/** A server that isn't listening yet: HTTP/1.1 in the clear, or TLS with HTTP/2 and HTTP/1.1. */
export function createListener(
  tls: TlsCredentials | undefined,
  limits: ListenerLimits,
  onRequest: OnRequest,
): Listener {
  const http1 = {
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, limits.headersTimeoutMs),
  }
  if (!tls) {
    const server = createServer(http1, onRequest)
    server.maxConnections = limits.connections
    server.timeout = limits.idleTimeoutMs
    server.on('clientError', onClientError)
    return { server, setTls: () => undefined }
  }
  const server = attempt(() =>
    createSecureServer({
      ...http1,
      ...secure(tls),
      allowHTTP1: true,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.headersTimeoutMs,
      maxSessionMemory: 10,
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEAD_BYTES, enablePush: false },
    }),
  )
  // Node's HTTP/2 objects answer to the same calls as far as this origin makes them.
  server.on('request', onRequest as never)
  server.maxConnections = limits.connections
  server.setTimeout(limits.idleTimeoutMs)
  server.on('clientError', onClientError)
  // Before Node makes a 'clientError' of it: what is written before TLS is agreed on waits for that, and an HTTP/2 session
  // that begins while a write waits aborts the whole process.
  server.prependListener('tlsClientError', (_error, socket) => socket.destroy())
  return { server, setTls: (credentials) => attempt(() => server.setSecureContext(secure(credentials))) }
}

function secure({ cert, key }: TlsCredentials): { readonly cert: string | Buffer; readonly key: string | Buffer } {
  return { cert: pem(cert), key: pem(key) }
}

function pem(text: string | Uint8Array): string | Buffer {
  return typeof text === 'string' ? text : Buffer.from(text)
}

function attempt<T>(run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw new AppError('TLS_UNREADABLE', 'The certificate or its key can not be used.', { cause })
  }
}

const STATUS_LINES: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}

/** What isn't HTTP, is too large or too slow: told so, if nothing was said yet, and disconnected. */
function onClientError(error: Error & { readonly code?: string }, socket: Duplex): void {
  const hasAnswered = '_httpMessage' in socket && socket._httpMessage !== null
  if (!socket.writable || error.code === 'ECONNRESET' || hasAnswered) {
    socket.destroy()
    return
  }
  const [status, title] = STATUS_LINES[error.code ?? ''] ?? [400, 'Bad Request']
  const { headers, chunks, sizeBytes } = problemAnswer({
    status,
    type: 'about:blank',
    title,
    detail: 'This connection does not speak HTTP as it should, and is closed.',
  })
  const lines = [`HTTP/1.1 ${status} ${title}`, `Content-Length: ${sizeBytes}`, 'Connection: close']
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  socket.end(chunks[0], () => socket.destroy())
}
