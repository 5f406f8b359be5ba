import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { CallerSource } from '../rest/ports.ts'
import { EventRequest } from './event-admission.ts'
import { EventClient, type EventClientDeps } from './event-client.ts'
import type { ChangeNotices, EventClientObserver } from './ports.ts'
import { refuseUpgrade } from './upgrade-refusal.ts'

/** What event sockets need of the rest of the house. */
export type EventsUpgradeDeps = EventClientDeps & {
  readonly callers: CallerSource
  readonly changes: ChangeNotices
  readonly observer: EventClientObserver
  /** Event sockets past this number are refused. */
  readonly maxClients: number
}

/** Takes over connections that are to become event sockets. */
export type EventsUpgrade = {
  /** For the `upgrade` event of an HTTP/1.1 listener, with TLS or without. What is not for it is refused. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Tells every client, and resolves when all are gone: at once, or cut after 5 s. */
  stop(): Promise<void>
}

/** How often clients are asked whether they are there, and their credentials are looked at again. */
const SWEEP_MS = 30_000
/** Of all event sockets, one account's. */
const LARGEST_SHARE = 0.5
/** Clients have nothing to say. */
const MAX_MESSAGE_BYTES = 1_024

/**
 * The WebSocket `GET /v1/events`: one event as JSON in each message, in order, from an event or from now on. A client that
 * leaves more than the budget unread for 10 s is cut (4008), as is one whose credential is revoked (4001), whose position the
 * log has forgotten (4010), or that doesn't answer pings; it may go on after the last event that it got.
 */
export function eventsUpgrade(deps: EventsUpgradeDeps): EventsUpgrade {
  return new EventSockets(deps)
}

class EventSockets implements EventsUpgrade {
  readonly #deps: EventsUpgradeDeps
  readonly #clients = new Set<EventClient>()
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  })
  readonly #forgetChanges: () => void
  readonly #sweep
  #arriving = 0
  /** Clients whose credentials are to be looked at. */
  readonly #due = new Set<EventClient>()
  #checking: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  constructor(deps: EventsUpgradeDeps) {
    this.#deps = deps
    this.#server.on('wsClientError', (error, socket) => {
      const refusal = new AppError('REQUEST_INVALID', `This is no WebSocket handshake: ${messageOf(error)}.`)
      refuseUpgrade(socket, refusal, { 'Sec-WebSocket-Version': '13' })
    })
    this.#forgetChanges = deps.changes.onChange((changes) => {
      const written = new Set(
        changes.filter(({ kind }) => kind === 'credential' || kind === 'account').map(({ id }) => id),
      )
      if (written.size > 0)
        this.#recheck(({ admission }) => written.has(admission.credentialId) || written.has(admission.accountId))
    })
    this.#sweep = deps.clock.every(SWEEP_MS, () => {
      for (const client of this.#clients) client.ping()
      this.#recheck(() => true)
    })
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until it is a WebSocket nobody else hears of a peer that goes away.
    socket.on('error', () => socket.destroy())
    this.#admit(request, socket, head).catch((error) => {
      if (!(error instanceof AppError)) this.#deps.logger.error({ err: error }, 'an event socket could not be opened')
      refuseUpgrade(socket, error)
    })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (this.#clients.size + this.#arriving >= this.#deps.maxClients) {
      throw new AppError('RATE_LIMITED', 'There are too many event sockets already.')
    }
    this.#arriving += 1
    try {
      const asked = new EventRequest(request, this.#deps.callers)
      const admission = await asked.admit()
      // Before the client knows that it is connected: what it reads elsewhere from then on is no older than what it is told here.
      const position = admission.after ?? (await this.#deps.events.newest())
      if (this.#stopped) throw new AppError('STOPPED', 'Headend is about to stop.')
      this.#assertShare(admission.accountId)
      this.#server.handleUpgrade(request, socket, head, (opened) => {
        this.#keep(new EventClient(opened, socket, asked, { admission, position }, this.#deps))
      })
    } finally {
      this.#arriving -= 1
    }
  }

  /** Nobody takes all the room there is. Nothing is awaited between this and the upgrade. */
  #assertShare(accountId: string): void {
    const ofAccount = [...this.#clients].filter(({ admission }) => admission.accountId === accountId).length
    if (ofAccount < Math.ceil(this.#deps.maxClients * LARGEST_SHARE)) return
    throw new AppError('RATE_LIMITED', 'The account has too many event sockets already.')
  }

  #keep(client: EventClient): void {
    const { observer } = this.#deps
    this.#clients.add(client)
    observer.clientOpened()
    void client.ended.then((end) => {
      this.#clients.delete(client)
      observer.clientClosed(end)
    })
  }

  #recheck(concerns: (client: EventClient) => boolean): void {
    for (const client of this.#clients) {
      if (concerns(client)) this.#due.add(client)
    }
    this.#checking ??= this.#checkDue()
  }

  /** One client after another: a thousand at once would be a burden on the store. */
  async #checkDue(): Promise<void> {
    for (const client of this.#due) {
      this.#due.delete(client)
      if (!this.#stopped) await client.recheck()
    }
    this.#checking = undefined
  }

  async #stop(): Promise<void> {
    this.#forgetChanges()
    this.#sweep.cancel()
    for (const client of this.#clients) client.close('stopped', 'Headend stops.')
    await Promise.all([...this.#clients].map(({ ended }) => ended))
    await this.#checking
  }
}
