import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { pathParams, type Route } from '../../src/api/rest/route.ts'
import type { Account } from '../../src/domain/account.ts'
import { entitySchemas, type StoredKind } from '../../src/domain/entities.ts'
import { type ApiAnswer, startApi, type TestApi } from './api-harness.ts'
import { bodyOf, type Seed, seed } from './api-matrix-seed.ts'
import { judgedByOwn, type Letter, tellsSecrets, whoMay } from './api-matrix-table.ts'

// Each test asks every route.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

let api: TestApi
let other: Account
let keys: Readonly<Record<Letter, string>>

beforeAll(async () => {
  process.env['MATRIX_MASTER_KEY'] = randomBytes(32).toString('base64')
  api = await startApi({ masterKeys: [{ id: 'one', environment: 'MATRIX_MASTER_KEY' }] })
  other = await api.newAccount('other')
  // Room for what the matrix makes: a quota is no refusal of who asks.
  const quotas = { channels: 10_000, runningChannels: 10_000, credentials: 10_000, eventSubscriptions: 1_000 }
  await api.call('PATCH', `/v1/accounts/${api.account.id}`, { key: api.systemKey, body: { quotas } })
  keys = {
    A: await api.newKey('admin'),
    O: await api.newKey('operator'),
    V: await api.newKey('viewer'),
    S: api.systemKey,
  }
})
afterAll(async () => {
  delete process.env['MATRIX_MASTER_KEY']
  await api.stop()
})

type Asked = { readonly key?: string | undefined; readonly account?: string; readonly body?: Seed['ids'] }

/** Asks a route for what has these ids; what it refers to is the same, unless `body` says otherwise. */
function ask(route: Route, ids: Seed['ids'], { key, account, body = ids }: Asked): Promise<ApiAnswer> {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => ids[name] ?? '')
  const content = bodyOf(route.operationId, body) ?? (route.method === 'patch' ? {} : undefined)
  const headers = route.bytes ? { 'Content-Type': 'application/octet-stream' } : {}
  return api.call(route.method.toUpperCase(), path, {
    headers,
    ...(key !== undefined && { key }),
    ...(account !== undefined && { account }),
    ...(content !== undefined && { body: content }),
  })
}

const letters: readonly Letter[] = ['A', 'O', 'V', 'S']
const closed = () => api.routes.filter(({ operationId }) => whoMay[operationId] !== 'anyone')
const mayCall = ({ operationId }: Route, letter: Letter) => whoMay[operationId]?.includes(letter) ?? false
/** What there is to read is read; anything else may also say that it can't be done to what was seeded. */
const isReading = ({ method, operationId }: Route) => method === 'get' && operationId !== 'readAssetFileContent'

function expectLetIn(what: string, route: Route, { status, text }: ApiAnswer, isOwn = true): void {
  const isLetIn = status < 500 && status !== 401 && status !== 403
  expect(isLetIn ? 'let in' : `${status} ${text}`, what).toBe('let in')
  if (isOwn && isReading(route)) expect(`${status}`, what).toBe('200')
}

function expectDenied(what: string, { status, json }: ApiAnswer): void {
  expect(`${status} ${json?.code}`, what).toBe('403 PERMISSION_DENIED')
}

/** Nothing that is secret, but what this very answer is there to tell. */
function expectDiscreet(what: string, { operationId }: Route, { text }: ApiAnswer, seeds: readonly Seed[]): void {
  const told = tellsSecrets[operationId]
  const secrets = seeds.flatMap((one) => [
    one.secretHash,
    ...(told === 'stream-key' ? [] : one.secrets['stream-key']),
    ...(told === 'subscription-secret' ? [] : one.secrets['subscription-secret']),
    ...(told === 'content-key' ? [] : one.secrets['content-key']),
  ])
  expect(
    secrets.filter((secret) => text.includes(secret)),
    what,
  ).toEqual([])
  expect(/secretHash/.test(text), what).toBe(false)
  if (told !== 'api-key') expect(/hk_[0-9A-Za-z]{22}_[\w-]{43}/.test(text), what).toBe(false)
}

describe('the authorisation matrix', () => {
  it('speaks of every route', () => {
    const ids = api.routes.map(({ operationId }) => operationId)
    // A route that is missing in api-matrix-table.ts: say there who may call it.
    expect(new Set(ids)).toEqual(new Set(Object.keys(whoMay)))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('lets nobody in without a credential', async () => {
    const mine = await seed(api, api.account)
    for (const route of closed()) {
      const what = route.operationId
      const answer = await ask(route, mine.ids, {})
      expect(`${answer.status} ${answer.json?.code}`, what).toBe('401 UNAUTHENTICATED')
      expect(answer.headers.get('WWW-Authenticate'), what).toMatch(/^Bearer /)
      expectDiscreet(what, route, answer, [mine])
    }
  })

  it.each(letters)('lets role %s do in its own account what it may, and nothing else', async (letter) => {
    const theirs = await seed(api, other)
    for (const route of closed()) {
      const mine = await seed(api, api.account)
      const what = `${letter} ${route.operationId}`
      const answer = await ask(route, mine.ids, { key: keys[letter] })
      // To system, which acts in no account here, what is in one isn't there.
      const isOwn = letter !== 'S' || route.path === '/v1/operations' || judgedByOwn.includes(route.operationId)
      if (mayCall(route, letter)) expectLetIn(what, route, answer, isOwn)
      else expectDenied(what, answer)
      expectDiscreet(what, route, answer, [mine, theirs])
    }
  })

  it('lets system do in an account that it picks what its admin may', async () => {
    for (const route of closed()) {
      const mine = await seed(api, api.account)
      const what = `system as admin ${route.operationId}`
      const answer = await ask(route, mine.ids, { key: keys.S, account: api.account.id })
      const isAllowed = mayCall(route, judgedByOwn.includes(route.operationId) ? 'S' : 'A')
      if (isAllowed) expectLetIn(what, route, answer)
      else expectDenied(what, answer)
      expectDiscreet(what, route, answer, [mine])
    }
  })

  it.each(['A', 'O', 'V'] as const)('lets role %s pick no other account', async (letter) => {
    const theirs = await seed(api, other)
    const before = await stateOf(other.id)
    for (const route of closed().filter(({ operationId }) => !judgedByOwn.includes(operationId))) {
      const answer = await ask(route, theirs.ids, { key: keys[letter], account: other.id })
      expect(`${answer.status} ${answer.json?.code}`, `${letter} ${route.operationId}`).toBe('404 ENTITY_NOT_FOUND')
      expectDiscreet(route.operationId, route, answer, [theirs])
    }
    expect(await stateOf(other.id)).toEqual(before)
  })

  it.each(['A', 'O', 'V'] as const)('shows role %s nothing of another account by its ids', async (letter) => {
    const theirs = await seed(api, other)
    const before = await stateOf(other.id)
    for (const route of closed().filter(({ path }) => pathParams(path).length > 0)) {
      const what = `${letter} ${route.operationId}`
      const answer = await ask(route, theirs.ids, { key: keys[letter] })
      if (mayCall(route, letter)) expect(`${answer.status} ${answer.json?.code}`, what).toBe('404 ENTITY_NOT_FOUND')
      else expectDenied(what, answer)
      expectDiscreet(what, route, answer, [theirs])
    }
    expect(await stateOf(other.id)).toEqual(before)
  })

  it('lets nobody reach another account’s things through their own, nor refer to them', async () => {
    const theirs = await seed(api, other)
    const before = await stateOf(other.id)
    for (const route of closed()) {
      const mine = await seed(api, api.account)
      const params = pathParams(route.path)
      const last = params.at(-1)
      if (params.length > 1 && last !== undefined) {
        const mixed = { ...mine.ids, [last]: theirs.ids[last] ?? '' }
        const answer = await ask(route, mixed, { key: keys.A })
        expect(`${answer.status} ${answer.json?.code}`, route.operationId).toBe('404 ENTITY_NOT_FOUND')
      }
      const refers = JSON.stringify(bodyOf(route.operationId, theirs.ids) ?? '')
      if (!Object.values(theirs.ids).some((id) => id !== other.id && refers.includes(id))) continue
      const answer = await ask(route, mine.ids, { key: keys.A, body: theirs.ids })
      expect([400, 404, 409], `${route.operationId} ${answer.status}`).toContain(answer.status)
    }
    expect(await stateOf(other.id)).toEqual(before)
  })

  it('serves no address beside its routes, and no other method', async () => {
    for (const path of new Set(closed().map((route) => route.path))) {
      const mine = path.replaceAll(/\{(\w+)\}/g, 'x')
      const answer = await api.call('QUERY', mine, {})
      expect([404, 405], path).toContain(answer.status)
    }
    expect((await api.call('GET', '/v1/nothing', { key: keys.A })).status).toBe(404)
    expect((await api.call('GET', '/V1/channels', { key: keys.A })).status).toBe(404)
  })
})

/** Everything that an account has, as versions. */
async function stateOf(accountId: string): Promise<readonly string[]> {
  const kinds = Object.keys(entitySchemas) as StoredKind[]
  const all = await Promise.all(kinds.map((kind) => Array.fromAsync(api.repository.each(kind, { accountId }))))
  return all.flat().map(({ id, etag }) => `${id} ${etag}`)
}
