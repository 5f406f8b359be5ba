import { createServer, type Server } from 'node:http'
import type { Http2SecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { type EventsUpgrade, eventsUpgrade } from '../../src/api/events/events-upgrade.ts'
import type { ClientEnd } from '../../src/api/events/ports.ts'
import type { Approach, CallerSource } from '../../src/api/rest/ports.ts'
import type { Caller } from '../../src/api/rest/route.ts'
import { actIn } from '../../src/domain/permissions.ts'
import { EventFeed } from '../../src/events/event-feed.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { Arrivals, EventStore, sampleEvent } from '../support/event-store.ts'

export let clock: VirtualClock
export let events: EventStore
export let feed: EventFeed
export let sockets: EventsUpgrade
let server: Server | Http2SecureServer
export let port: number
export let callers: FakeCallers
export let opened: number
export let connections: Socket[]
export let ends: Arrivals<ClientEnd>

/** Knows who calls by a key in the header. */
class FakeCallers implements CallerSource {
  readonly known = new Map<string, Caller>()
  readonly seen: Approach[] = []

  async identify(approach: Approach): Promise<Caller> {
    this.seen.push(approach)
    const caller = this.known.get(approach.header('Authorization') ?? '')
    if (caller) return caller
    throw new AppError('UNAUTHENTICATED', 'Nobody knows this key.')
  }

  async scope(caller: Caller, picked: string | undefined) {
    return actIn(caller, picked)
  }

  async denied(): Promise<void> {}
}

/** Opens event sockets on a listener. */
export async function listen(made: Server | Http2SecureServer, maxClients = 100): Promise<void> {
  server = made
  feed = new EventFeed({ log: events.store, changes: events.changes, clock, logger: silentLogger })
  sockets = eventsUpgrade({
    events: feed,
    callers,
    changes: events.changes,
    clock,
    logger: silentLogger,
    observer: {
      clientOpened() {
        opened += 1
      },
      clientClosed: (end) => ends.push(end),
    },
    maxClients,
    maxUnsentBytes: 1_048_576,
  })
  server.on('upgrade', sockets.upgrade.bind(sockets))
  server.on('connection', (socket: Socket) => connections.push(socket))
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve))
  port = (server.address() as AddressInfo).port
}

/** Closes them. */
export async function shut(): Promise<void> {
  await sockets.stop()
  await feed.stop()
  await new Promise((resolve) => server.close(resolve))
}

/** To be called once in a test file: opens, for each test, a store with the feed and a listener over it. */
export function setUp(): void {
  beforeEach(async () => {
    clock = new VirtualClock(Date.now())
    events = await EventStore.open()
    callers = new FakeCallers()
    const { accountId } = events
    callers.known.set('admin', { credentialId: 'cr_admin', role: 'admin', accountId, via: 'api-key' })
    callers.known.set('viewer', { credentialId: 'cr_viewer', role: 'viewer', accountId, via: 'api-key' })
    callers.known.set('system', { credentialId: 'cr_system', role: 'system', accountId: 'system', via: 'api-key' })
    opened = 0
    connections = []
    ends = new Arrivals()
    await listen(createServer())
  })
  afterEach(async () => {
    await shut()
    await events.close()
  })
}

/** An event as a client was told it. */
export type Told = { readonly id: string; readonly reason: string }

/** A client as anybody would write one. */
export class Client {
  readonly told = new Arrivals<Told>()
  readonly socket: WebSocket
  readonly open: Promise<void>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  /** Of a refusal before it was a WebSocket. */
  readonly refused: Promise<{ readonly status: number; readonly headers: object; readonly problem: object }>

  constructor(query = '', key = 'admin', options: ClientOptions & { scheme?: string } = {}) {
    const { scheme = 'ws', headers, ...rest } = options
    const all = { ...(key !== '' && { Authorization: key }), ...headers }
    this.socket = new WebSocket(`${scheme}://127.0.0.1:${port}/v1/events${query}`, { headers: all, ...rest })
    this.socket.on('message', (message) => {
      const event = JSON.parse(String(message))
      this.told.push({ id: event.id, reason: event.data.reason ?? event.type })
    })
    this.socket.on('error', () => undefined)
    this.open = new Promise((resolve) => this.socket.once('open', () => resolve()))
    this.closed = new Promise((resolve) =>
      this.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
    )
    this.refused = new Promise((resolve) =>
      this.socket.once('unexpected-response', async (_request, response) => {
        let body = ''
        for await (const chunk of response) body += chunk
        resolve({ status: response.statusCode ?? 0, headers: response.headers, problem: JSON.parse(body) })
      }),
    )
  }

  get reasons(): readonly string[] {
    return this.told.all.map(({ reason }) => reason)
  }
}

export const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`)

export async function write(from: number, to: number, channel = 'a', accountId = events.accountId): Promise<string[]> {
  const ids = await events.append(...numbers(from, to).map((text) => sampleEvent(accountId, channel, text)))
  feed.ring()
  return ids
}

/** A client that has heard of everything so far and stands at the live edge. */
export async function liveClient(key = 'admin', options: ClientOptions = {}): Promise<Client> {
  await write(0, 0)
  const client = new Client('?after=ev_0000000000000000', key, options)
  await client.told.until((all) => all.some(({ reason }) => reason === '0'))
  return client
}
