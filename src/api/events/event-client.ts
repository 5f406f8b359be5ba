import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Admission, EventRequest } from './event-admission.ts'
import { isShown } from './event-query.ts'
import type { ClientEnd, EventSource } from './ports.ts'

/** The codes with which the server closes an event socket (RFC 6455 §7.4; from 4000 on they are ours). */
export const closeCodes = { stopped: 1001, revoked: 4001, slow: 4008, gone: 4010, failed: 1011 } as const

/** What a client needs of the rest of the house. */
export type EventClientDeps = {
  readonly events: EventSource
  readonly clock: Clock
  readonly logger: Logger
  /** What may be on its way to one client; see `SLOW_MS`. */
  readonly maxUnsentBytes: number
}

/** A client that has left more than the budget unread for so long is cut. */
const SLOW_MS = 10_000
const CLOSE_GRACE_MS = 5_000
/** What a close frame holds (RFC 6455 §5.5), less the code. */
const MAX_REASON_BYTES = 123

/** One event socket: sends events as they come, and no faster than they are taken. */
export class EventClient {
  readonly #socket: WebSocket
  readonly #transport: Duplex
  readonly #request: EventRequest
  readonly #deps: EventClientDeps
  readonly #closed = new AbortController()
  /** Resolves, with what ended it, when nothing is left of it. */
  readonly ended: Promise<ClientEnd>
  #admission: Admission
  #end: ClientEnd = 'client'
  #isAlive = true

  /** Sends what follows `position`. */
  constructor(
    socket: WebSocket,
    transport: Duplex,
    request: EventRequest,
    { admission, position }: { readonly admission: Admission; readonly position: number },
    deps: EventClientDeps,
  ) {
    this.#socket = socket
    this.#transport = transport
    this.#request = request
    this.#admission = admission
    this.#deps = deps
    const alive = () => {
      this.#isAlive = true
    }
    socket.on('pong', alive)
    socket.on('message', alive)
    // Answers to pings are not held back: a client that only asks and never reads must not pile them up.
    socket.on('ping', () => {
      if (socket.bufferedAmount > 2 * deps.maxUnsentBytes) socket.terminate()
    })
    // Whatever breaks the connection also closes it.
    socket.on('error', (error) => deps.logger.debug({ problem: messageOf(error) }, 'an event socket failed'))
    socket.once('close', () => this.#closed.abort())
    const sent = this.#send(position)
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    this.ended = Promise.all([sent, closed]).then(() => this.#end)
  }

  get admission(): Admission {
    return this.#admission
  }

  /** Asks whether the client is still there, and cuts it where it didn't answer the last time. */
  ping(): void {
    if (!this.#isAlive) {
      this.#end = 'silent'
      this.#socket.terminate()
      return
    }
    this.#isAlive = false
    this.#socket.ping()
  }

  /** Looks whether the credential is still good. */
  async recheck(): Promise<void> {
    try {
      const admission = await this.#request.admit()
      if (admission.accountId !== this.#admission.accountId) throw new AppError('PERMISSION_DENIED', 'It was moved.')
      this.#admission = admission
    } catch (error) {
      // Anything else than a plain no is asked again the next time.
      const isNo = error instanceof AppError && ['unauthenticated', 'forbidden', 'not-found'].includes(error.kind)
      if (isNo) this.close('revoked', `The credential is not good any more: ${error.message}`)
      else this.#deps.logger.debug({ problem: messageOf(error) }, 'an event socket’s credential could not be checked')
    }
  }

  /** Says why, and cuts the connection where the client doesn't close it in 5 s. */
  close(end: Exclude<ClientEnd, 'client' | 'silent'>, reason: string): void {
    this.#close(end, closeCodes[end], reason)
  }

  #close(end: ClientEnd, code: number, reason: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#end = end
    this.#socket.close(code, clip(reason))
    const cut = this.#deps.clock.after(CLOSE_GRACE_MS, () => this.#socket.terminate())
    this.#socket.once('close', () => cut.cancel())
  }

  async #send(position: number): Promise<void> {
    const { accountId } = this.#admission
    const { signal } = this.#closed
    try {
      for await (const { events } of this.#deps.events.follow(accountId, position, signal)) {
        for (const { event, text } of events) {
          if (this.#socket.readyState !== this.#socket.OPEN) return
          const { filter, role } = this.#admission
          if (!isShown(event, filter, role)) continue
          this.#socket.send(text)
          if (this.#socket.bufferedAmount > this.#deps.maxUnsentBytes && !(await this.#drained())) return
        }
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof AppError && error.code === 'EVENTS_GONE') return this.close('gone', error.message)
      this.#deps.logger.error({ err: error }, 'an event socket failed')
      this.#close('client', closeCodes.failed, 'Something went wrong inside Headend.')
    }
  }

  /** Resolves when the client has taken all; false when it is gone, or was too slow and is cut. */
  async #drained(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const { signal } = this.#closed
    const tooLate = this.#deps.clock.after(SLOW_MS, () => {
      this.close('slow', 'Too slow: events are not read as they come. Go on after the last one that you got.')
      resolve(false)
    })
    const onDrain = () => resolve(true)
    const onClose = () => resolve(false)
    this.#transport.once('drain', onDrain)
    signal.addEventListener('abort', onClose, { once: true })
    try {
      return await promise
    } finally {
      tooLate.cancel()
      this.#transport.off('drain', onDrain)
      signal.removeEventListener('abort', onClose)
    }
  }
}

function clip(reason: string): string {
  let text = reason
  while (Buffer.byteLength(text) > MAX_REASON_BYTES) text = text.slice(0, -1)
  return text
}
