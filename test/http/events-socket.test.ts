import { createServer, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { type EventsUpgrade, eventsUpgrade } from '../../src/api/events/events-upgrade.ts'
import type { ClientEnd } from '../../src/api/events/ports.ts'
import type { Approach, CallerSource } from '../../src/api/rest/ports.ts'
import type { Caller } from '../../src/api/rest/route.ts'
import { actIn } from '../../src/domain/permissions.ts'
import { parseSequenceId } from '../../src/domain/sequence-id.ts'
import { EventFeed } from '../../src/events/event-feed.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { certificate } from '../support/certificate.ts'
import { Arrivals, channelNamed, EventStore, otherAccount, sampleEvent } from '../support/event-store.ts'

vi.setConfig({ testTimeout: 60_000 })

let clock: VirtualClock
let events: EventStore
let feed: EventFeed
let sockets: EventsUpgrade
let server: Server | Http2SecureServer
let port: number
let callers: FakeCallers
let opened: number
let connections: Socket[]
let ends: Arrivals<ClientEnd>

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

async function listen(made: Server | Http2SecureServer, maxClients = 100): Promise<void> {
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

async function shut(): Promise<void> {
  await sockets.stop()
  await feed.stop()
  await new Promise((resolve) => server.close(resolve))
}

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

type Told = { readonly id: string; readonly reason: string }

/** A client as anybody would write one. */
class Client {
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

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`)

async function write(from: number, to: number, channel = 'a', accountId = events.accountId): Promise<string[]> {
  const ids = await events.append(...numbers(from, to).map((text) => sampleEvent(accountId, channel, text)))
  feed.ring()
  return ids
}

/** A client that has heard of everything so far and stands at the live edge. */
async function liveClient(key = 'admin', options: ClientOptions = {}): Promise<Client> {
  await write(0, 0)
  const client = new Client('?after=ev_0000000000000000', key, options)
  await client.told.until((all) => all.some(({ reason }) => reason === '0'))
  return client
}

describe('the WebSocket /v1/events', () => {
  it('tells what happens from now on, each event as the API shows it', async () => {
    await write(1, 3)
    const client = new Client()
    await client.open
    await feed.follow(events.accountId, undefined, AbortSignal.timeout(0)).next()
    const [id] = await write(4, 4)
    await client.told.count(1)
    expect(client.told.all).toEqual([{ id, reason: '4' }])
  })

  it('resumes after an event, and misses nothing under concurrent writers, however often it is cut off', async () => {
    const writing = Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let count = 0; count < 100; count += 1) {
          await events.append(sampleEvent(events.accountId, `w${writer}`, `${writer}/${count}`))
          feed.ring()
        }
      }),
    )
    const told: Told[] = []
    let cuts = 0
    while (told.length < 400) {
      const after = told.at(-1)?.id ?? 'ev_0000000000000000'
      const client = new Client(`?after=${after}`)
      await client.told.count(Math.min(37, 400 - told.length))
      client.socket.terminate()
      told.push(...client.told.all)
      cuts += 1
    }
    await writing
    expect(cuts).toBeGreaterThan(4)
    expect(new Set(told.map(({ id }) => id)).size).toBe(400)
    const positions = told.map(({ id }) => parseSequenceId('ev', id) ?? 0)
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    for (let writer = 0; writer < 4; writer += 1) {
      const own = told.map(({ reason }) => reason).filter((reason) => reason.startsWith(`${writer}/`))
      expect(own).toEqual(Array.from({ length: 100 }, (_, count) => `${writer}/${count}`))
    }
  })

  it('tells of its account alone, and of what the filter asks for', async () => {
    await write(1, 5, 'a')
    await write(1, 5, 'b')
    await write(1, 5, 'a', otherAccount())
    await write(6, 6, 'a')
    const after = 'after=ev_0000000000000000'
    const one = new Client(`?${after}&subjectIds=${channelNamed('b')},${channelNamed('none')}`)
    await one.told.count(5)
    const family = new Client(`?${after}&types=program.*,channel.input-lost&subjectKinds=channel`)
    await family.told.count(11)
    expect(one.reasons).toEqual(numbers(1, 5))
    expect(family.reasons).toEqual([...numbers(1, 5), ...numbers(1, 5), '6'])
  })

  it('lets system pick an account by header or, as browsers must, by query', async () => {
    await write(1, 1)
    for (const client of [
      new Client(`?after=ev_0000000000000000&account=${events.accountId}`, 'system'),
      new Client('?after=ev_0000000000000000', 'system', { headers: { 'Headend-Account': events.accountId } }),
    ]) {
      expect(await client.told.count(1)).toMatchObject([{ reason: '1' }])
    }
    expect(await new Client('', 'system').refused).toMatchObject({
      status: 403,
      problem: { code: 'PERMISSION_DENIED' },
    })
    const foreign = new Client(`?account=${otherAccount()}`)
    expect(await foreign.refused).toMatchObject({ status: 404, problem: { code: 'ENTITY_NOT_FOUND' } })
  })

  it('hands everything that says who calls to the caller source, the upgrade itself included', async () => {
    const headers = { Cookie: 'headend=1', Origin: `http://127.0.0.1:${port}` }
    await new Client('', 'admin', { headers }).open
    const [approach] = callers.seen
    expect(approach).toMatchObject({ method: 'GET', address: '127.0.0.1', secure: false })
    expect(['Cookie', 'Origin', 'Upgrade', 'Host'].map((name) => approach?.header(name))).toEqual([
      'headend=1',
      `http://127.0.0.1:${port}`,
      'websocket',
      `127.0.0.1:${port}`,
    ])
  })

  it('refuses as a plain HTTP answer with a problem', async () => {
    const unknown = await new Client('', 'nobody').refused
    expect(unknown).toMatchObject({
      status: 401,
      headers: { 'content-type': 'application/problem+json', 'www-authenticate': expect.stringContaining('Bearer') },
      problem: { code: 'UNAUTHENTICATED', status: 401 },
    })
    const bad = await new Client('?after=x&types=nonsense&unknown=1&subjectKinds=channel&subjectKinds=asset').refused
    expect(bad).toMatchObject({ status: 400, problem: { code: 'REQUEST_INVALID' } })
    expect((bad.problem as { problems: { pointer: string }[] }).problems.map(({ pointer }) => pointer).sort()).toEqual([
      '/after',
      '/subjectKinds',
      '/types',
      '/unknown',
    ])
    const elsewhere = new WebSocket(`ws://127.0.0.1:${port}/v1/elsewhere`)
    elsewhere.on('error', () => undefined)
    const [, response] = await new Promise<unknown[]>((resolve) =>
      elsewhere.once('unexpected-response', (...given) => resolve(given)),
    )
    expect(response).toMatchObject({ statusCode: 404 })
  })

  it.each([
    [
      'another protocol',
      'GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: admin\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    ],
    [
      'no key',
      'GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: admin\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
    ],
    [
      'another method',
      'POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: admin\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
  ])('refuses a handshake with %s', async (_what, text) => {
    const peer: Socket = connect(port, '127.0.0.1')
    peer.write(text)
    let answer = ''
    for await (const chunk of peer) answer += chunk
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(answer).toContain('"code":"REQUEST_INVALID"')
  })

  it('refuses more than so many, with 429', async () => {
    await shut()
    await listen(createServer(), 2)
    const clients = [new Client(), new Client()]
    await Promise.all(clients.map(({ open }) => open))
    expect(await new Client().refused).toMatchObject({ status: 429, headers: { 'retry-after': '2' } })
    clients[0]?.socket.close()
    await ends.count(1)
    await new Client().open
    expect(opened).toBe(3)
  })

  it('ends with 4010 where the log does not reach back to the position', async () => {
    await write(1, 1)
    const client = new Client('?after=ev_0000000000009999')
    expect(await client.closed).toMatchObject({ code: 4010, reason: expect.stringContaining('begin anew') })
    expect(await ends.count(1)).toEqual(['gone'])
  })

  it('ends with 4001 as soon as the credential is revoked, and leaves others alone', async () => {
    const [client, other] = [await liveClient('viewer'), await liveClient('admin')]
    callers.known.delete('viewer')
    const credential = { kind: 'credential', id: 'cr_viewer', accountId: events.accountId, body: {} }
    await events.store.create(credential)
    expect(await client.closed).toMatchObject({ code: 4001, reason: expect.stringContaining('not good any more') })
    const before = other.told.all.length
    await write(1, 1)
    await other.told.count(before + 1)
    expect(await ends.count(1)).toEqual(['revoked'])
  })

  it('looks at credentials again every 30 s', async () => {
    const client = await liveClient('viewer')
    callers.known.delete('viewer')
    await clock.advance(30_000)
    expect(await client.closed).toMatchObject({ code: 4001 })
  })

  it('cuts a client that does not answer pings', async () => {
    const silent = await liveClient('admin', { autoPong: false })
    const good = await liveClient('admin')
    const pinged = new Promise((resolve) => good.socket.once('ping', resolve))
    await clock.advance(30_000)
    await pinged
    // What the client sends next comes after its pong.
    good.socket.send('ping')
    await new Promise((resolve) => good.socket.ping(undefined, undefined, resolve))
    const [pong] = await Promise.all([new Promise((resolve) => good.socket.once('pong', () => resolve('pong')))])
    expect(pong).toBe('pong')
    await clock.advance(30_000)
    expect(await silent.closed).toMatchObject({ code: 1006 })
    expect(await ends.count(1)).toEqual(['silent'])
    expect(good.socket.readyState).toBe(WebSocket.OPEN)
  })

  it('cuts a client that does not read with 4008, keeping no more for it than the budget', async () => {
    const slow = await liveClient()
    const transport = connections.at(-1)
    const quick = await liveClient()
    slow.socket.pause()
    let mostUnsent = 0
    for (let round = 1; round <= 130; round += 1) {
      await events.append(...Array.from({ length: 100 }, () => sampleEvent(events.accountId, 'a', 'x'.repeat(900))))
      feed.ring()
      await quick.told.until((all) => all.length >= 100 * round)
      mostUnsent = Math.max(mostUnsent, transport?.writableLength ?? 0)
    }
    expect(mostUnsent).toBeGreaterThan(1_048_576)
    expect(mostUnsent).toBeLessThan(1_060_000)
    await clock.advance(9_999)
    expect(ends.all).toEqual([])
    await clock.advance(1)
    slow.socket.resume()
    expect(await slow.closed).toMatchObject({ code: 4008 })
    expect(await ends.count(1)).toEqual(['slow'])
    expect(slow.told.all.length).toBeLessThan(13_000)
    const again = new Client(`?after=${slow.told.all.at(-1)?.id}`)
    await again.told.count(13_002 - slow.told.all.length)
    const positions = [...slow.told.all, ...again.told.all].map(({ id }) => parseSequenceId('ev', id))
    expect(positions).toEqual(Array.from({ length: 13_002 }, (_, index) => index + 1))
  })

  it('tells clients when the server stops, and cuts who does not close', async () => {
    const [client, deaf] = [await liveClient(), await liveClient()]
    deaf.socket.pause()
    const stopped = sockets.stop()
    expect(await client.closed).toMatchObject({ code: 1001, reason: 'Headend stops.' })
    await ends.count(1)
    await clock.advance(5_000)
    await stopped
    expect(ends.all).toEqual(['stopped', 'stopped'])
    deaf.socket.terminate()
    expect(await new Client().refused).toMatchObject({ status: 503 })
  })

  it('works over TLS on a listener that also speaks HTTP/2', async () => {
    await shut()
    await listen(createSecureServer({ ...certificate('localhost'), allowHTTP1: true }))
    await write(1, 1)
    const client = new Client('?after=ev_0000000000000000', 'admin', { scheme: 'wss', rejectUnauthorized: false })
    expect(await client.told.count(1)).toMatchObject([{ reason: '1' }])
    expect(callers.seen[0]?.secure).toBe(true)
  })
})
