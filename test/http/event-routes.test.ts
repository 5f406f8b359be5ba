import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Router } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHttp1App } from '../../src/api/http2-bridge.ts'
import { problemHandler, unknownUrl } from '../../src/api/problem.ts'
import { auditRoutes } from '../../src/api/resources/audit.ts'
import { eventSubscriptionRoutes } from '../../src/api/resources/event-subscriptions.ts'
import { eventRoutes } from '../../src/api/resources/events.ts'
import { restRouter } from '../../src/api/rest/rest-router.ts'
import { type DeadLetter, newEventSubscription } from '../../src/domain/event-subscription.ts'
import { newId } from '../../src/domain/kinds.ts'
import { actIn, type Role } from '../../src/domain/permissions.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { channelNamed, EventStore, otherAccount, sampleEvent } from '../support/event-store.ts'

let events: EventStore
let server: Server
let allowPrivateTargets: boolean

beforeEach(async () => {
  events = await EventStore.open()
  allowPrivateTargets = false
  await listen()
})
afterEach(async () => {
  await close()
  await events.close()
})

async function close(): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

/** A key is a role, and perhaps another account than the one of the tests. */
async function listen(): Promise<void> {
  const { store, repository, accountId } = events
  const callers = {
    async identify({ header }: { header: (name: string) => string | undefined }) {
      const [role = '', account = accountId] = (header('Authorization') ?? '').split('@')
      if (role === '') throw new AppError('UNAUTHENTICATED', 'Nobody.')
      const credentialId = newId('credential', () => Buffer.from(role.padEnd(16)))
      return {
        credentialId,
        role: role as Role,
        accountId: account,
        via: 'api-key',
      } as const
    },
    scope: async (caller: { role: Role; accountId: string }, picked: string | undefined) => actIn(caller, picked),
    denied: async () => undefined,
  }
  const shared = { repository, clock: systemClock, random: randomBytes, records: store, allowPrivateTargets }
  const deps = { ...shared, operations: { wait: async <T>(operation: T) => operation } }
  const routes = [...eventRoutes(deps), ...auditRoutes(deps), ...eventSubscriptionRoutes(deps)]
  const rest = { clock: systemClock, logger: silentLogger, store, callers, observer: { served: () => undefined } }
  const router = Router()
  router.use(restRouter(routes, rest), unknownUrl)
  router.use(problemHandler(silentLogger))
  server = createServer(createHttp1App(router))
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve))
}

type Options = { readonly as?: string; readonly body?: unknown; readonly headers?: Record<string, string> }

async function call(method: string, path: string, { as = 'admin', body, headers = {} }: Options = {}) {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  const response = await fetch(url, {
    method,
    headers: { Authorization: as, ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  const json: any = text === '' ? undefined : JSON.parse(text)
  return { status: response.status, headers: response.headers, json }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`)
const write = (from: number, to: number, channel = 'a', accountId = events.accountId) =>
  events.append(...numbers(from, to).map((text) => sampleEvent(accountId, channel, text)))
const reasons = (items: { data: { reason: string } }[]) => items.map(({ data }) => data.reason)
const create = (fields: object = {}, options: Options = {}) =>
  call('POST', '/v1/event-subscriptions', {
    ...options,
    body: { name: 'ops', url: 'https://example.com/h', ...fields },
  })

describe('GET /v1/events', () => {
  it('pages through the account’s events, and goes on when there are more', async () => {
    await write(1, 60)
    await write(1, 60, 'a', otherAccount())
    const first = await call('GET', '/v1/events?limit=45', { as: 'viewer' })
    expect([first.status, reasons(first.json.items), first.json.hasMore]).toEqual([200, numbers(1, 45), true])
    const second = await call('GET', `/v1/events?limit=45&after=${first.json.nextAfter}`)
    expect([reasons(second.json.items), second.json.hasMore]).toEqual([numbers(46, 60), false])
    const end = await call('GET', `/v1/events?after=${second.json.nextAfter}`)
    expect(end.json).toEqual({ items: [], nextAfter: second.json.nextAfter, hasMore: false })
    const [id] = await write(61, 61)
    const more = await call('GET', `/v1/events?after=${end.json.nextAfter}`)
    expect(more.json).toMatchObject({ items: [{ id }], nextAfter: id })
  })

  it('filters, also over far more records than it answers with', async () => {
    for (let from = 1; from <= 1_200; from += 100) await write(from, from + 99)
    await write(1, 2, 'b')
    const about = await call('GET', `/v1/events?subjectIds=${channelNamed('b')}`)
    expect(reasons(about.json.items)).toEqual(['1', '2'])
    const two = `${channelNamed('b')},${channelNamed('c')}`
    expect(reasons((await call('GET', `/v1/events?subjectIds=${two}`)).json.items)).toEqual(['1', '2'])
    expect((await call('GET', '/v1/events?types=program.*')).json).toMatchObject({ items: [], hasMore: false })
    expect((await call('GET', '/v1/events?types=channel.*&limit=1000')).json.items).toHaveLength(1_000)
  })

  it('tells nobody of what they may not read', async () => {
    const subscription = await events.subscribe({ url: 'https://example.com/' })
    const data = { deadLetterId: newId('dead-letter', randomBytes), attempts: 27, detail: 'gone' }
    const about = { kind: 'event-subscription' as const, id: subscription.id }
    const time = new Date(0).toISOString()
    await events.append({
      type: 'event-subscription.dead-letter',
      time,
      accountId: events.accountId,
      subject: about,
      data,
    })
    expect((await call('GET', '/v1/events')).json.items).toHaveLength(1)
    expect((await call('GET', '/v1/events', { as: 'viewer' })).json.items).toEqual([])
  })

  it('says which parameter is wrong', async () => {
    const answer = await call('GET', '/v1/events?after=42&types=channel.nothing&limit=0')
    expect(answer.status).toBe(400)
    const pointers = answer.json.problems.map(({ pointer }: { pointer: string }) => pointer)
    expect(new Set(pointers)).toEqual(new Set(['/after', '/limit', '/types']))
  })
})

describe('GET /v1/audit', () => {
  it('gives the newest first, pages without end or gap, and filters by subject', async () => {
    const made = await create()
    for (let count = 0; count < 6; count += 1) {
      const body = { description: `change ${count}` }
      await call('PATCH', `/v1/event-subscriptions/${made.json.id}`, { body })
    }
    const first = await call('GET', '/v1/audit?limit=4')
    const second = await call('GET', `/v1/audit?limit=3&cursor=${first.json.nextCursor}`)
    expect(second.json.nextCursor).toBeUndefined()
    const actions = [...first.json.items, ...second.json.items].map(({ action }) => action)
    expect(actions).toEqual([
      ...Array.from({ length: 6 }, () => 'event-subscription.update'),
      'event-subscription.create',
    ])
    expect(first.json.items[0]).toMatchObject({
      actor: { role: 'admin' },
      subject: { id: made.json.id },
      fields: ['/description'],
      outcome: 'done',
    })
    const oldest = await call('GET', `/v1/audit?order=oldest-first&limit=1&subjectId=${made.json.id}`)
    expect(oldest.json.items).toMatchObject([{ action: 'event-subscription.create' }])
    const next = await call('GET', `/v1/audit?order=oldest-first&limit=1&cursor=${oldest.json.nextCursor}`)
    expect(next.json.items).toMatchObject([{ action: 'event-subscription.update' }])
    expect((await call('GET', '/v1/audit?subjectId=other')).json).toEqual({ items: [] })
    expect((await call('GET', '/v1/audit', { as: 'operator' })).status).toBe(403)
  })
})

describe('/v1/event-subscriptions', () => {
  it('shows the secret when it is made, and never again', async () => {
    const made = await create({ types: ['channel.*'] }, { headers: { 'Idempotency-Key': 'once' } })
    expect(made.status).toBe(201)
    expect(made.json.secret.length).toBeGreaterThan(30)
    expect(made.headers.get('Location')).toBe(`/v1/event-subscriptions/${made.json.id}`)
    const path = `/v1/event-subscriptions/${made.json.id}`
    const { secret: _shownOnce, ...shown } = made.json
    expect((await call('GET', path)).json).toEqual(shown)
    expect((await call('GET', '/v1/event-subscriptions', { as: 'operator' })).json).toEqual({ items: [shown] })
    const again = await create({ types: ['channel.*'] }, { headers: { 'Idempotency-Key': 'once' } })
    expect(again.json).toEqual(made.json)
    const rotated = await call('POST', `${path}/rotate-secret`)
    expect(rotated.json.secret).not.toBe(made.json.secret)
    const stored = await events.repository.get('event-subscription', made.json.id, events.accountId)
    expect(stored.secret).toBe(rotated.json.secret)
    expect(JSON.stringify((await call('GET', '/v1/audit')).json)).not.toContain(stored.secret)
  })

  it('changes and deletes what was seen, for whom it is allowed', async () => {
    const { json, headers } = await create()
    const path = `/v1/event-subscriptions/${json.id}`
    const ifMatch = { 'If-Match': headers.get('ETag') ?? '' }
    const changed = await call('PATCH', path, {
      body: { enabled: false, url: 'http://hooks.example/' },
      headers: ifMatch,
    })
    expect(changed.json).toMatchObject({ enabled: false, url: 'http://hooks.example/' })
    expect(changed.json.secret).toBeUndefined()
    expect((await call('PATCH', path, { body: { enabled: true }, headers: ifMatch })).status).toBe(412)
    for (const as of ['operator', 'viewer']) expect((await call('DELETE', path, { as })).status).toBe(403)
    expect((await call('GET', path, { as: `admin@${otherAccount()}` })).status).toBe(404)
    expect((await call('DELETE', path)).status).toBe(204)
    expect((await call('GET', path)).status).toBe(404)
  })

  it.each(['http://127.0.0.1/', 'http://[::1]:8080/', 'http://10.1.2.3/', 'http://localhost/', 'https://a.localhost/'])(
    'refuses %s unless private targets are allowed',
    async (url) => {
      const refused = await create({ url })
      expect(refused).toMatchObject({ status: 400, json: { problems: [{ pointer: '/url' }] } })
      allowPrivateTargets = true
      await close()
      await listen()
      expect((await create({ url })).status).toBe(201)
    },
  )

  it('keeps to the quota of the account', async () => {
    for (let count = 0; count < 32; count += 1) {
      const draft = newEventSubscription(
        { name: `n${count}`, url: 'https://example.com/', tags: {}, enabled: true },
        events.accountId,
        randomBytes,
      )
      await events.write((changes) => changes.create('event-subscription', draft))
    }
    expect(await create()).toMatchObject({ status: 403, json: { code: 'QUOTA_EXCEEDED' } })
  })
})

describe('dead letters', () => {
  async function letterOf(subscriptionId: string): Promise<DeadLetter> {
    const [id] = await write(1, 1)
    const event = { id: id ?? '', ...sampleEvent(events.accountId, 'a', '1') } as DeadLetter['event']
    const { accountId } = events
    const draft = { id: newId('dead-letter', randomBytes), accountId, event, attempts: 27, detail: 'It answered 500.' }
    const owner = subscriptionId as DeadLetter['subscriptionId']
    const lastAttempt = new Date(Date.now() + 60_000).toISOString()
    return events.write((changes) =>
      changes.create('dead-letter', { ...draft, subscriptionId: owner, lastAttempt, lastStatus: 500 }),
    )
  }

  it('are listed, read, replayed and deleted, each of its own subscription', async () => {
    const [mine, other] = [await create(), await create({ name: 'other' })]
    const letter = await letterOf(mine.json.id)
    const path = `/v1/event-subscriptions/${mine.json.id}/dead-letters`
    expect((await call('GET', path, { as: 'operator' })).json).toEqual({ items: [letter] })
    expect((await call('GET', `${path}/${letter.id}`)).json).toEqual(letter)
    expect((await call('GET', `/v1/event-subscriptions/${other.json.id}/dead-letters`)).json).toEqual({ items: [] })
    expect((await call('GET', `/v1/event-subscriptions/${other.json.id}/dead-letters/${letter.id}`)).status).toBe(404)
    expect((await call('POST', `${path}/${letter.id}/replay`, { as: 'operator' })).status).toBe(403)
    const replayed = await call('POST', `${path}/${letter.id}/replay`)
    expect(replayed.status).toBe(202)
    // The node that failed last is ahead of this one’s clock: the request counts all the same.
    expect(Date.parse(replayed.json.replayRequested)).toBe(Date.parse(letter.lastAttempt) + 1)
    const all = await call('POST', `/v1/event-subscriptions/${mine.json.id}/replay`)
    expect([all.status, typeof all.json.replayRequested, all.json.secret]).toEqual([202, 'string', undefined])
    expect((await call('DELETE', `${path}/${letter.id}`)).status).toBe(204)
    expect((await call('GET', path)).json).toEqual({ items: [] })
  })

  it('go with their subscription', async () => {
    const made = await create()
    const letter = await letterOf(made.json.id)
    expect((await call('DELETE', `/v1/event-subscriptions/${made.json.id}`)).status).toBe(204)
    expect(await events.store.get('dead-letter', letter.id)).toBeUndefined()
  })
})
