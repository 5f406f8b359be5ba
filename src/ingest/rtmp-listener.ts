import { randomUUID } from 'node:crypto'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from 'node:tls'
import { BufferPool } from '../lib/buffer-pool.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { ReadingTurns } from '../lib/reading-turns.ts'
import { FlvDemuxer } from '../media/flv/demuxer.ts'
import { AddressCount } from './address-count.ts'
import { defaultIngestLimits, type IngestLimits } from './ingest-limits.ts'
import type { ConnectionLimit, IngestObserver, MediaDemuxer, PublishGate } from './ports.ts'
import { RtmpSession } from './rtmp-session.ts'
import type { SessionContext } from './session-context.ts'

/** What a listener is made of: its place, its limits and its ports to the rest of the house. */
export type RtmpListenerOptions = {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** RTMPS: gives the key and certificate of now. Asked at `start` and at each `setSecureContext()`. */
  readonly tls?: () => SecureContextOptions
  readonly limits?: Partial<IngestLimits>
  readonly clock: Clock
  readonly gate: PublishGate
  readonly observer: IngestObserver
  readonly logger: Logger
  /** Makes a demuxer for each publish; FLV's, unless told. */
  readonly createDemuxer?: () => MediaDemuxer
  /** Where the memory of messages is taken from; whoever is done with one may give it back. */
  readonly pool?: BufferPool
  /** Publishers are read together, so often; as their bytes come where it is left out. */
  readonly turnMs?: number
}

/** How often refused connections are summed up in the log: a flood of them must not become a flood of lines. */
const REFUSAL_LOG_MS = 10_000

/** Accepts encoders over RTMP, or RTMPS, within limits. */
export class RtmpListener {
  readonly #options: RtmpListenerOptions
  readonly #context: SessionContext
  readonly #sessions = new Set<RtmpSession>()
  readonly #count: AddressCount
  readonly #refused = new Map<ConnectionLimit, number>()
  readonly #server: Server
  #secureContext: SecureContext | undefined
  #sweepTimer: Timer | undefined
  #refusalsLoggedMs = Number.NEGATIVE_INFINITY
  #stopped: Promise<void> | undefined

  constructor(options: RtmpListenerOptions) {
    const limits = { ...defaultIngestLimits, ...options.limits }
    const { clock, gate, observer } = options
    const createDemuxer = options.createDemuxer ?? (() => new FlvDemuxer())
    this.#options = options
    const pool = options.pool ?? new BufferPool()
    const turns = options.turnMs === undefined ? undefined : new ReadingTurns(clock, options.turnMs)
    this.#context = { clock, gate, observer, createDemuxer, limits, pool, turns }
    this.#count = new AddressCount(limits.maxConnections, limits.maxConnectionsPerAddress)
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket))
  }

  /** The port that is listened on; 0 before `start` has resolved. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0
  }

  /** Open connections, those included that have not published anything. */
  get connections(): number {
    return this.#sessions.size
  }

  /** Resolves when encoders can connect. `ADDRESS_IN_USE`, or `TLS_UNREADABLE` for a key that is none. */
  async start(): Promise<void> {
    const { host, port, clock, logger, tls } = this.#options
    const scheme = tls ? 'rtmps' : 'rtmp'
    this.setSecureContext()
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => reject(listenError(scheme, host, port, cause)))
      this.#server.listen({ host, port }, resolve)
    })
    this.#server.on('error', (error) => logger.error({ err: error }, 'rtmp listener failed'))
    this.#sweepTimer = clock.every(this.#sweepMs(), () => this.#sweep())
    logger.info({ host, port: this.port, secure: this.#secureContext !== undefined }, 'rtmp listening')
  }

  /** Reads key and certificate again: connections that come from now on see them. Without `tls` it does nothing. */
  setSecureContext(): void {
    const { tls } = this.#options
    if (!tls) return
    try {
      this.#secureContext = createSecureContext({ minVersion: 'TLSv1.2', ...tls() })
    } catch (cause) {
      throw new AppError('TLS_UNREADABLE', 'the key or certificate for rtmps can not be used', { cause })
    }
  }

  /** Tells all encoders, and resolves when every connection is closed. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const { clock } = this.#options
    const gone = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const sessions = [...this.#sessions]
    this.#context.turns?.stop()
    for (const session of sessions) session.stop()
    const deadline = clock.after(this.#context.limits.lingerMs, () => {
      for (const session of sessions) session.destroy()
    })
    await Promise.all(sessions.map((session) => session.closed))
    deadline.cancel()
    this.#sweepTimer?.cancel()
    await gone
  }

  /** Fine enough for the shortest time-out to be kept within a quarter. */
  #sweepMs(): number {
    const { handshakeTimeoutMs, publishTimeoutMs, idleTimeoutMs, lingerMs } = this.#context.limits
    const shortestMs = Math.min(handshakeTimeoutMs, publishTimeoutMs, idleTimeoutMs, lingerMs)
    return Math.min(1000, Math.max(20, shortestMs / 4))
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const session of this.#sessions) session.sweep(nowMs)
    this.#logRefusals(nowMs)
  }

  #accept(socket: Socket): void {
    const { observer, clock, logger } = this.#options
    const address = socket.remoteAddress?.replace(/^::ffff:/, '')
    // Without an address the peer has gone again.
    const limit = address === undefined ? undefined : this.#count.open(address)
    if (address === undefined || limit || this.#stopped) {
      socket.on('error', () => undefined)
      socket.destroy()
      if (limit) {
        observer.connectionRefused(limit)
        this.#refused.set(limit, (this.#refused.get(limit) ?? 0) + 1)
        this.#logRefusals(clock.monotonicMs())
      } else if (address !== undefined) {
        this.#count.close(address)
      }
      return
    }
    observer.connectionOpened()
    const secureContext = this.#secureContext
    const stream = secureContext ? new TLSSocket(socket, { isServer: true, secureContext }) : socket
    const peer = { id: randomUUID(), remoteAddress: address, secure: secureContext !== undefined }
    const session = new RtmpSession(this.#context, peer, stream, logger)
    this.#sessions.add(session)
    void session.closed.then(() => {
      this.#sessions.delete(session)
      this.#count.close(address)
      observer.connectionClosed()
    })
  }

  #logRefusals(nowMs: number): void {
    if (this.#refused.size === 0 || nowMs - this.#refusalsLoggedMs < REFUSAL_LOG_MS) return
    this.#refusalsLoggedMs = nowMs
    this.#options.logger.warn({ refused: Object.fromEntries(this.#refused) }, 'rtmp connections refused at the limit')
    this.#refused.clear()
  }
}

function listenError(scheme: string, host: string, port: number, cause: Error): AppError {
  const inUse = 'code' in cause && cause.code === 'EADDRINUSE'
  const where = `${host}:${port}`
  return inUse
    ? new AppError('ADDRESS_IN_USE', `the ${scheme} listener can't use ${where}: another program does`, { cause })
    : new AppError('INTERNAL', `the ${scheme} listener can't use ${where}: ${cause.message}`, { cause })
}
