import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createSecureServer, Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Router } from 'express'
import { AppError } from '../lib/errors.ts'
import { createServer } from '../lib/http.ts'
import { adoptAuthority, announceBody, createHttp1App, createHttp2App } from './http2-bridge.ts'
import { type ControlDeps, controlRouter } from './routes.ts'

/** A certificate chain and its key, PEM. */
export type TlsMaterial = { readonly cert: string | Buffer; readonly key: string | Buffer }

/** Where and how the control listener listens. */
export type ControlOptions = {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Absent: plain HTTP/1.1. Present: TLS with HTTP/2 and HTTP/1.1. */
  readonly tls?: TlsMaterial
  /** The folder of the built player page. */
  readonly playerDir: string
  /** Connections past this number are closed as they come. */
  readonly maxConnections?: number
}

const MAX_CONNECTIONS = 4_096
const MAX_HEADER_BYTES = 16_384
const MAX_HEADERS = 64
const MAX_STREAMS = 100
const HEADERS_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_MS = 60_000
const KEEP_ALIVE_MS = 10_000
const STOP_GRACE_MS = 1_000

const limits = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT_MS,
  // A file takes as long as it takes to arrive; what is no file has the router's own limit.
  requestTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_MS,
}

/** Runs what reads a certificate; bad PEM, or a key that is not the certificate's, is TLS_UNREADABLE. */
function readingTls<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new AppError('TLS_UNREADABLE', "The control listener's certificate or key can't be used.", { cause })
  }
}

type SecureServer = ReturnType<typeof createSecureServer>

function createPlain(router: Router): Server {
  const server = createServer(limits, createHttp1App(router))
  server.maxHeadersCount = MAX_HEADERS
  return server
}

function createSecure(router: Router, tls: TlsMaterial, sessions: Set<ServerHttp2Session>): SecureServer {
  const http1 = createHttp1App(router)
  const http2 = createHttp2App(router)
  const server = createSecureServer({
    ...limits,
    ...tls,
    allowHTTP1: true,
    minVersion: 'TLSv1.2',
    handshakeTimeout: HEADERS_TIMEOUT_MS,
    maxHeaderListPairs: MAX_HEADERS,
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false },
  })
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.setTimeout(IDLE_TIMEOUT_MS, () => session.close())
  })
  server.on(
    'request',
    (request: Http2ServerRequest | IncomingMessage, response: Http2ServerResponse | ServerResponse) => {
      if (request instanceof Http2ServerRequest) {
        adoptAuthority(request)
        announceBody(request)
      }
      const app = request instanceof Http2ServerRequest ? http2 : http1
      // Express' types know HTTP/1.1 alone; the bridge has given the application prototypes that fit.
      app(request as IncomingMessage, response as ServerResponse)
    },
  )
  return server
}

/** The listener for people who run Headend and for what watches over it: player page, metrics, health. */
export class ControlServer {
  readonly #options: ControlOptions
  readonly #deps: ControlDeps
  readonly #server: Server | SecureServer
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<ServerHttp2Session>()
  #stopped: Promise<void> | undefined

  /** Opens nothing yet. A certificate that can't be used is TLS_UNREADABLE. */
  constructor(options: ControlOptions, deps: ControlDeps) {
    this.#options = options
    this.#deps = deps
    const router = controlRouter(deps, options.playerDir)
    const { tls } = options
    this.#server = tls ? readingTls(() => createSecure(router, tls, this.#sessions)) : createPlain(router)
    this.#server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS
    this.#server.setTimeout(IDLE_TIMEOUT_MS)
    const { upgrade } = deps
    if (upgrade) this.#server.on('upgrade', upgrade)
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Resolves when connections are accepted, with the port that was bound. A taken port is ADDRESS_IN_USE. */
  async start(): Promise<{ port: number }> {
    const { host, port } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen({ host, port }, resolve)
    try {
      await promise
    } catch (cause) {
      throw new AppError('ADDRESS_IN_USE', `The control listener can't use ${host} port ${port}.`, { cause })
    } finally {
      this.#server.off('error', reject)
    }
    this.#server.on('error', (error) => this.#deps.logger.error({ err: error }, 'control listener failed'))
    return { port: (this.#server.address() as AddressInfo).port }
  }

  /** New connections get the new certificate; open ones keep theirs. Only for a server that was made with TLS. */
  setTls(tls: TlsMaterial): void {
    const server = this.#server
    if (!('setSecureContext' in server)) throw new AppError('INTERNAL', 'The control listener is plain HTTP.')
    readingTls(() => server.setSecureContext({ ...tls, minVersion: 'TLSv1.2' }))
  }

  /** No new connections; answers that are on their way get a second, then everything is cut. */
  stop(): Promise<void> {
    this.#stopped ??= this.#close()
    return this.#stopped
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const session of this.#sessions) session.close()
    const cut = this.#deps.clock.after(STOP_GRACE_MS, () => {
      for (const socket of this.#sockets) socket.destroy()
    })
    await closed
    cut.cancel()
  }
}
