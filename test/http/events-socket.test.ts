import { createSecureServer } from 'node:http2'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { parseSequenceId } from '../../src/domain/sequence-id.ts'
import { certificate } from '../support/certificate.ts'
import { channelNamed, otherAccount, sampleEvent } from '../support/event-store.ts'
import {
  Client,
  callers,
  clock,
  connections,
  ends,
  events,
  feed,
  listen,
  liveClient,
  numbers,
  port,
  setUp,
  shut,
  sockets,
  type Told,
  write,
} from './events-socket-harness.ts'

// Thousands of events, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 })
setUp()

describe('the WebSocket /v1/events', () => {
  it('tells what happens from now on, each event as the API shows it', async () => {
    await write(1, 3)
    const client = new Client()
    await client.open
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
