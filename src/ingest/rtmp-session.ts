import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { freeBytes } from '../lib/buffer-pool.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { PublishCommand } from '../media/rtmp/server-commands.ts'
import { ServerConnection } from '../media/rtmp/server-connection.ts'
import { OffenceLedger, offenceOf, refusalCode } from './offence.ts'
import type { OffenceKind, PublishRefusal, PublishVerdict, SessionEnd, SessionHandle } from './ports.ts'
import { Publication } from './publication.ts'
import { PublishNews } from './publish-news.ts'
import { publishRequest, type SessionPeer } from './publish-request.ts'
import type { SessionContext } from './session-context.ts'
import { SocketPauses } from './socket-pauses.ts'

/** What Node reads of a socket at once: as much as this, and there may be more. */
const MAX_READ_BYTES = 65_536

/**
 * One encoder's connection: carries bytes between its socket and the protocol, asks the gate, and pushes media into sinks.
 * Timers are the listener's: it calls `sweep` now and then.
 */
export class RtmpSession {
  /** Resolves when the socket is closed and every sink has been ended. */
  readonly closed: Promise<void>
  readonly #context: SessionContext
  readonly #peer: SessionPeer
  readonly #socket: Socket
  readonly #logger: Logger
  readonly #connection: ServerConnection
  readonly #publications = new Map<number, Publication>()
  readonly #offences: OffenceLedger
  readonly #news: PublishNews
  readonly #pauses: SocketPauses
  readonly #openedMs: number
  /** When the publish time-out began to run. */
  #unpublishedMs: number
  #lastMediaMs: number
  #sawMedia = false
  #countedBytes = 0
  #publishCount = 0
  #lingerUntilMs: number | undefined

  constructor(context: SessionContext, peer: SessionPeer, socket: Socket, logger: Logger) {
    this.#context = context
    this.#peer = peer
    this.#socket = socket
    this.#logger = logger.child({ session: peer.id, address: peer.remoteAddress })
    this.#offences = new OffenceLedger(context.observer, this.#logger, context.limits.maxOffences, () =>
      this.#channel(),
    )
    this.#news = new PublishNews(peer, context.observer, this.#logger)
    this.#pauses = new SocketPauses(socket)
    this.#openedMs = this.#unpublishedMs = this.#lastMediaMs = context.clock.monotonicMs()
    const { maxQueuedBytes, ...limits } = context.limits
    this.#connection = new ServerConnection(
      { ...limits, maxPartialBytes: maxQueuedBytes },
      {
        publish: (command) => this.#onPublish(command),
        media: (streamId, type, timestampMs, payload) => this.#onMedia(streamId, type, timestampMs, payload),
        unpublish: (streamId) => this.#endPublication(streamId, 'unpublished'),
        refused: (problem) => this.#offences.name('command', problem),
        stray: () => this.#offences.name('stray-media', 'media without an accepted publish was dropped'),
        broken: (error) => this.#spendOffence('aggregate', error),
        finish: () => this.#linger(),
      },
      randomBytes,
      context.pool,
    )
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#countBytes()
        this.#endAll('disconnected')
        resolve()
      })
    })
    socket.on('error', (error) => this.#onSocketError(error))
    socket.on('data', (bytes: Buffer) => this.#onData(bytes))
  }

  /** Looks at the clock on behalf of all of this session's time-outs. */
  sweep(nowMs: number): void {
    if (this.#socket.destroyed) return
    this.#countBytes()
    const { limits } = this.#context
    if (this.#sawMedia || this.#pauses.arePending) this.#lastMediaMs = nowMs
    this.#sawMedia = false
    if (this.#lingerUntilMs !== undefined) {
      if (nowMs >= this.#lingerUntilMs) this.#socket.destroy()
    } else if (!this.#connection.handshakeDone) {
      if (nowMs - this.#openedMs >= limits.handshakeTimeoutMs) this.#abort('handshake-timeout', 'no handshake in time')
    } else if (!this.#isPublishing()) {
      if (nowMs - this.#unpublishedMs >= limits.publishTimeoutMs) this.#onPublishTimeout()
    } else if (nowMs - this.#lastMediaMs >= limits.idleTimeoutMs) {
      this.#endAll('idle')
      this.#connection.shutdown('No media for too long.')
    }
  }

  /** Tells the encoder that the server stops, and closes when that is on its way; `closed` says when it is done. */
  stop(): void {
    this.#endAll('stopped')
    this.#connection.shutdown('The server is shutting down.')
  }

  /** Closes now, whatever the peer has still to read. */
  destroy(): void {
    this.#socket.destroy()
  }

  #isPublishing(): boolean {
    for (const publication of this.#publications.values()) if (publication.accepted) return true
    return false
  }

  /** The first accepted publish says which channel this session is about. */
  #channel(): string | undefined {
    for (const { channel } of this.#publications.values()) if (channel !== undefined) return channel
    return undefined
  }

  /** What it means is told by 'close', which follows. TLS that is none is the handshake of somebody at the wrong port. */
  #onSocketError(error: Error): void {
    this.#logger.debug({ err: error }, 'rtmp socket failed')
    const isTls = 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_SSL_')
    if (isTls && !this.#connection.handshakeDone) this.#offences.name('handshake', `no TLS: ${error.message}`)
  }

  /** Now and then, because a labelled counter costs as much as the reading of a small message. */
  #countBytes(): void {
    const { bytesRead } = this.#socket
    this.#context.observer.bytes(bytesRead - this.#countedBytes)
    this.#countedBytes = bytesRead
  }

  #onData(bytes: Buffer): void {
    if (this.#lingerUntilMs !== undefined) return
    const isAll = bytes.byteLength < MAX_READ_BYTES
    try {
      this.#connection.push(bytes)
    } catch (error) {
      this.#onProtocolError(error)
      return
    } finally {
      // The protocol has copied what it keeps: a dozen megabytes a second at thirty streams.
      freeBytes(bytes)
    }
    this.#flush()
    if (isAll && this.#isPublishing()) this.#context.turns?.rest(this.#socket)
  }

  #flush(): void {
    const output = this.#connection.takeOutput()
    if (!output || this.#socket.destroyed || !this.#socket.writable) return
    this.#socket.write(output)
    if (this.#socket.writableLength > this.#context.limits.maxQueuedBytes) {
      this.#abort('unsent-bytes', 'the peer sends, but does not read')
    }
  }

  #onProtocolError(error: unknown): void {
    if (error instanceof AppError) {
      this.#abort(offenceOf(error), error.message, error instanceof FormatError ? 'protocol-error' : 'limit')
      return
    }
    this.#logger.error({ err: error }, 'rtmp session failed')
    this.#endAll('protocol-error')
    this.#connection.stop()
    this.#socket.destroy()
  }

  /** Names the offence, and ends everything without another word. */
  #abort(kind: OffenceKind, message: string, reason: SessionEnd = 'limit'): void {
    this.#offences.name(kind, message)
    this.#endAll(reason)
    this.#connection.stop()
    this.#socket.destroy()
  }

  /** An offence that costs only the message; too many of them cost the session. */
  #spendOffence(kind: OffenceKind, error: AppError): void {
    const isForgiven = this.#offences.spend(kind, error.message)
    if (isForgiven || this.#lingerUntilMs !== undefined) return
    this.#offences.name('too-many-offences', error.message)
    this.#endAll('protocol-error')
    this.#connection.shutdown(`Too many messages that can not be used: ${error.message}.`)
  }

  /** Sends what is left to say and waits for the peer to close, since closing on unread bytes would destroy our words. */
  #linger(): void {
    if (this.#lingerUntilMs !== undefined) return
    this.#lingerUntilMs = this.#context.clock.monotonicMs() + this.#context.limits.lingerMs
    this.#flush()
    this.#socket.end()
    this.#socket.resume()
  }

  #onPublishTimeout(): void {
    this.#offences.name('publish-timeout', 'no publish in time')
    const pending = [...this.#publications.keys()]
    for (const streamId of pending) this.#refuse(streamId, 'unavailable', 'The server did not decide in time.')
    if (pending.length === 0) this.#connection.shutdown('Nothing was published in time.')
  }

  #endPublication(streamId: number, reason: SessionEnd): void {
    const publication = this.#publications.get(streamId)
    if (!publication) return
    this.#publications.delete(streamId)
    const { accepted } = publication
    const wasFull = publication.isFull
    publication.end(reason)
    if (wasFull) this.#pauses.end()
    if (!accepted) return
    this.#unpublishedMs = this.#context.clock.monotonicMs()
    this.#news.ended(publication, reason)
  }

  #endAll(reason: SessionEnd): void {
    for (const streamId of [...this.#publications.keys()]) this.#endPublication(streamId, reason)
  }

  #refuse(streamId: number, reason: PublishRefusal, description: string, channel?: string): void {
    this.#news.refused(this.#publications.get(streamId)?.request, { reason, description, channel })
    this.#endPublication(streamId, 'unpublished')
    this.#connection.refusePublish(streamId, refusalCode(reason), description)
    this.#flush()
  }

  #onPublish(command: PublishCommand): void {
    const { streamId } = command
    const request = publishRequest(command, this.#peer, this.#publishCount + 1)
    if (!request) {
      this.#refuse(streamId, 'invalid-name', 'No valid stream key: use rtmp://host/live and the stream key.')
      return
    }
    this.#publishCount += 1
    const publication = new Publication(request, this.#context.createDemuxer(), this.#context.limits)
    this.#publications.set(streamId, publication)
    void this.#authorise(streamId, publication)
  }

  async #authorise(streamId: number, publication: Publication): Promise<void> {
    const verdict = await publication.ask(this.#context.gate, this.#handle(streamId, publication), this.#logger)
    try {
      if (verdict.accepted) this.#accept(streamId, publication, verdict)
      else if (!publication.ended) this.#refuse(streamId, verdict.reason, verdict.description, verdict.channel)
    } catch (error) {
      this.#onProtocolError(error)
    }
  }

  #handle(streamId: number, publication: Publication): SessionHandle {
    return {
      id: publication.request.sessionId,
      remoteAddress: this.#peer.remoteAddress,
      end: async (description, as = 'replaced') => {
        if (this.#publications.get(streamId) !== publication) return
        this.#endPublication(streamId, as)
        this.#connection.endPublish(streamId, description)
        this.#flush()
      },
    }
  }

  #accept(streamId: number, publication: Publication, verdict: PublishVerdict & { readonly accepted: true }): void {
    const wasFull = publication.isFull
    const held = publication.accept(verdict.sink)
    if (publication.ended) return
    publication.channel = verdict.channel
    this.#news.started(publication)
    this.#sawMedia = true
    this.#connection.acceptPublish(streamId)
    this.#flush()
    for (const { type, timestampMs, payload } of held) this.#take(publication, type, timestampMs, payload)
    if (wasFull) this.#pauses.end()
  }

  #onMedia(streamId: number, type: number, timestampMs: number, payload: Uint8Array): void {
    const publication = this.#publications.get(streamId)
    if (!publication) return
    if (publication.accepted) {
      this.#sawMedia = true
      this.#take(publication, type, timestampMs, payload)
      return
    }
    const wasFull = publication.isFull
    publication.hold(type, timestampMs, payload)
    if (!wasFull && publication.isFull) this.#pauses.begin()
  }

  #take(publication: Publication, type: number, timestampMs: number, payload: Uint8Array): void {
    try {
      const waiting = publication.take(type, timestampMs, payload)
      if (waiting) this.#pauses.during(waiting)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      this.#spendOffence(type === 8 || type === 9 ? 'media' : 'data', error)
    }
  }
}
