import { randomUUID } from 'node:crypto'
import express, { type Request, type RequestHandler, type Response, Router } from 'express'
import { ChangeSet } from '../../domain/change-set.ts'
import type { EntityStore } from '../../domain/entity-store.ts'
import { type Id, idSchema } from '../../domain/kinds.ts'
import { assertMay, type Role } from '../../domain/permissions.ts'
import { Repository } from '../../domain/repository.ts'
import { formatTimestamp } from '../../domain/scalars.ts'
import { type FieldProblem, fieldError, fieldProblems, validate } from '../../domain/validation.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { sendAnswer } from './answer-writer.ts'
import { type IdempotentRequest, idempotentRequest, recallMade, remembering } from './idempotency.ts'
import type { CallerSource } from './ports.ts'
import { type Answer, type Caller, type Made, paramKinds, pathParams, type RestRequest, type Route } from './route.ts'

/** What the router needs of the rest of the house. */
export type RestDeps = {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: EntityStore
  readonly callers: CallerSource
  readonly observer: { served(operationId: string, status: number, seconds: number): void }
}

const MAX_BODY_BYTES = 262_144
const BODY_TIMEOUT_MS = 20_000
/** How often a write that nobody guarded by If-Match is tried again when something else was written in between. */
const MAX_ATTEMPTS = 6

/** Serves the routes under their paths; everything else falls through. */
export function restRouter(routes: readonly Route[], deps: RestDeps): Router {
  const router = Router({ caseSensitive: true, strict: false })
  const json = express.json({ limit: MAX_BODY_BYTES, type: ['application/json', 'application/merge-patch+json'] })
  const form = express.urlencoded({ limit: MAX_BODY_BYTES, extended: false })
  const paths = Map.groupBy(routes, ({ path }) => path)
  for (const [path, group] of paths) {
    const at = router.route(path.replaceAll(/\{(\w+)\}/g, ':$1'))
    for (const route of group) {
      const parsers: RequestHandler[] = route.bytes ? [] : route.form ? [form, json] : [json]
      if (!route.bytes) parsers.unshift(bodyDeadline(deps.clock))
      at[route.method](...parsers, serve(route, deps))
    }
    at.all(refuseMethod(group))
  }
  return router
}

/** A body of JSON is small: who takes long to send it wants to hold the connection. */
function bodyDeadline(clock: Clock): RequestHandler {
  return (request, _response, next) => {
    const timer = clock.after(BODY_TIMEOUT_MS, () => request.destroy())
    request.once('close', () => timer.cancel())
    request.once('end', () => timer.cancel())
    next()
  }
}

/** RFC 9110 §15.5.6. */
function refuseMethod(group: readonly Route[]): RequestHandler {
  const methods = group.flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
  return (_request, response) => {
    response.set('Allow', methods.join(', '))
    const detail = `This address takes ${methods.join(', ')}.`
    sendAnswer(response, {
      status: 405,
      body: { type: 'about:blank', title: 'Method Not Allowed', status: 405, detail },
      headers: { 'Content-Type': 'application/problem+json' },
    })
  }
}

function serve(route: Route, deps: RestDeps): RequestHandler {
  return async (request, response, next) => {
    const startedMs = deps.clock.monotonicMs()
    response.once('close', () => {
      deps.observer.served(route.operationId, response.statusCode, (deps.clock.monotonicMs() - startedMs) / 1_000)
    })
    const requestId = randomUUID()
    response.set('Request-Id', requestId)
    try {
      const call = await RestCall.open(route, request, response, requestId, deps)
      sendAnswer(response, await call.answer())
    } catch (error) {
      next(error)
    }
  }
}

/** One request on its way through a route. */
class RestCall {
  readonly #route: Route
  readonly #deps: RestDeps
  readonly #repository: Repository
  readonly #request: Omit<RestRequest, 'changes' | 'commit'>
  readonly #idempotent: IdempotentRequest | undefined

  /** Knows who calls, that they may, and that what they say is valid. @throws AppError */
  static async open(
    route: Route,
    request: Request,
    response: Response,
    requestId: string,
    deps: RestDeps,
  ): Promise<RestCall> {
    const gone = new AbortController()
    response.once('close', () => gone.abort(new AppError('STOPPED', 'The client has gone.')))
    const address = request.socket.remoteAddress ?? ''
    const secure = 'encrypted' in request.socket
    const seen = {
      method: request.method,
      header: (name: string) => request.get(name),
      address,
      secure,
      picked: request.get('Headend-Account'),
    }
    const caller = route.access === 'anyone' ? nobody : await deps.callers.identify(seen)
    const scope = route.access === 'anyone' ? nobody : await actingScope(route, caller, seen.picked, deps)
    if (typeof route.access === 'object') assertMay(scope.role, route.access.action, route.access.resource)
    const base = { secure, host: request.get('host') }
    return new RestCall(route, deps, {
      params: validParams(route, request),
      query: validQuery(route, request),
      body: validBody(route, request),
      stream: request,
      caller,
      role: scope.role,
      accountId: scope.accountId as Id<'account'>,
      ifMatch: request.get('If-Match'),
      header: seen.header,
      address,
      requestId,
      base,
      signal: gone.signal,
    })
  }

  private constructor(route: Route, deps: RestDeps, request: Omit<RestRequest, 'changes' | 'commit'>) {
    this.#route = route
    this.#deps = deps
    this.#repository = new Repository(deps.store)
    this.#request = request
    const key = request.header('Idempotency-Key')
    if (key === undefined || !route.recall) return
    const { accountId, body, caller, params } = request
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => params[name] ?? '')
    const asked = { accountId, credentialId: caller.credentialId, method: route.method, path, body }
    this.#idempotent = idempotentRequest(key, asked)
  }

  async answer(): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await this.#repeated()) ?? (await this.#route.handle(this.#bound()))
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !this.#mayTryAgain(error)) throw error
      }
    }
  }

  /** A write that lost a race starts over from what is there now; of two requests with one key, the later finds the first. */
  #mayTryAgain(error: unknown): boolean {
    if (!(error instanceof AppError)) return false
    if (error.code === 'ETAG_MISMATCH') return this.#request.ifMatch === undefined
    return error.code === 'IDEMPOTENCY_KEY_USED' && 'operation' in error.details
  }

  async #repeated(): Promise<Answer | undefined> {
    const made = this.#idempotent && (await recallMade(this.#deps.store, this.#idempotent))
    return made && this.#route.recall?.(this.#bound(), made)
  }

  #bound(): RestRequest {
    const { accountId, caller, address, requestId } = this.#request
    const now = () => this.#deps.clock.now()
    return {
      ...this.#request,
      changes: (action, subject, fields) => {
        const changes = new ChangeSet()
        changes.audit({
          accountId,
          time: formatTimestamp(now()),
          actor: actorOf(caller, address),
          action,
          subject,
          outcome: 'done',
          ...(fields && { fields: fields.slice(0, 64) }),
          requestId,
        })
        return changes
      },
      commit: (changes: ChangeSet, made?: Made) => {
        if (this.#idempotent && made) changes.remember(remembering(this.#idempotent, made, now()))
        return this.#repository.commit(changes)
      },
    }
  }
}

const nobody: Caller = { credentialId: '', role: 'viewer', accountId: '', via: 'api-key' }

function actorOf(caller: Caller, address: string) {
  const credential = caller.credentialId === '' ? {} : { credentialId: caller.credentialId as Id<'credential'> }
  return { ...credential, role: caller.role, address: address.slice(0, 64) }
}

async function actingScope(route: Route, caller: Caller, picked: string | undefined, deps: RestDeps) {
  const isOwn = typeof route.access === 'object' && route.access.as === 'own'
  return isOwn ? caller : await deps.callers.scope(caller, picked)
}

function validParams(route: Route, request: Request): Record<string, string> {
  return Object.fromEntries(
    pathParams(route.path).map((name) => {
      const text = String(request.params[name] ?? '')
      const kind = paramKinds[name]
      if (kind === undefined) return [name, text]
      const id = idSchema(kind).safeParse(text)
      if (id.success) return [name, id.data]
      const what = kind.replaceAll('-', ' ')
      throw new AppError('ENTITY_NOT_FOUND', `There is no ${what} of that id.`, { details: { kind } })
    }),
  )
}

function validQuery(route: Route, request: Request): unknown {
  const given = new URLSearchParams(request.url.split('?').slice(1).join('?'))
  const repeated = [...new Set(given.keys())].filter((key) => given.getAll(key).length > 1)
  const problems: FieldProblem[] = repeated.map((key) => ({ pointer: `/${key}`, detail: 'may be given once' }))
  if (problems.length > 0) throw fieldError('REQUEST_INVALID', problems)
  const query = Object.fromEntries(given)
  if (!route.query) {
    const unknown = Object.keys(query).map((key) => ({ pointer: `/${key}`, detail: 'there is no such parameter' }))
    if (unknown.length > 0) throw fieldError('REQUEST_INVALID', unknown, { in: 'query' })
    return query
  }
  const result = route.query.safeParse(query)
  if (result.success) return result.data
  throw fieldError('REQUEST_INVALID', fieldProblems(result.error), { in: 'query' })
}

function validBody(route: Route, request: Request): unknown {
  if (!route.body) return undefined
  const body: unknown = request.body
  const isEmpty =
    body === undefined && (request.get('Content-Length') ?? '0') === '0' && !request.get('Transfer-Encoding')
  if (isEmpty && route.bodyOptional) return validate(route.body, {})
  if (body !== undefined) return validate(route.body, body)
  if (isEmpty) throw new AppError('REQUEST_INVALID', 'A JSON body is expected.')
  const takes = route.form ? 'application/json or application/x-www-form-urlencoded' : 'application/json'
  throw new AppError('MEDIA_TYPE_UNSUPPORTED', `The body must be ${takes}.`)
}

/** The roles that a route's access admits, for documentation and tests. */
export function admits(route: Route, role: Role): boolean {
  if (typeof route.access !== 'object') return true
  try {
    assertMay(role, route.access.action, route.access.resource)
    return true
  } catch {
    return false
  }
}
