import type { Request, Response } from 'express'
import { ChangeSet } from '../../domain/change-set.ts'
import type { EntityStore } from '../../domain/entity-store.ts'
import type { Id } from '../../domain/kinds.ts'
import { assertMay, type Scope } from '../../domain/permissions.ts'
import { Repository } from '../../domain/repository.ts'
import { formatTimestamp } from '../../domain/scalars.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { type IdempotentRequest, idempotentRequest, recallMade, remembering } from './idempotency.ts'
import type { CallerSource, Denial } from './ports.ts'
import { validBody, validParams, validQuery } from './request-check.ts'
import type { Answer, Caller, Made, RestRequest, Route } from './route.ts'

/** What the router needs of the rest of the house. */
export type RestDeps = {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: EntityStore
  readonly callers: CallerSource
  readonly observer: { served(operationId: string, status: number, seconds: number): void }
}

/** How often a write that nobody guarded by If-Match is tried again when something else was written in between. */
const MAX_ATTEMPTS = 6

/** One request on its way through a route. */
export class RestCall {
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
    const denial = { accountId: scope.accountId, action: actionOf(route), address, requestId }
    await orDenied(deps, caller, denial, async () => assertRouteAccess(route, scope))
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
        return (await this.#repeated()) ?? (await this.#handle())
      } catch (error) {
        if (attempt === MAX_ATTEMPTS) throw error
        if (!this.#mayTryAgain(error) && !(await this.#madeMeanwhile(error))) throw error
      }
    }
  }

  /** What a route's access can't say, such as which fields a role may change, the handler does. */
  #handle(): Promise<Answer> {
    const { accountId, address, caller, requestId } = this.#request
    const denial = { accountId, action: actionOf(this.#route), address, requestId }
    return orDenied(this.#deps, caller, denial, () => this.#route.handle(this.#bound()))
  }

  /** A write that lost a race starts over from what is there now; of two requests with one key, the later finds the first. */
  #mayTryAgain(error: unknown): boolean {
    if (!(error instanceof AppError)) return false
    // What a commit met, and not what the handler found: of something that the request also touches, so that it looks again.
    const isOfCommit = 'operation' in error.details && !this.#route.bytes
    if (error.code === 'ETAG_MISMATCH') return isOfCommit || this.#request.ifMatch === undefined
    return isOfCommit && (error.code === 'ENTITY_NOT_FOUND' || error.code === 'IDEMPOTENCY_KEY_USED')
  }

  /** Two requests with one key may be in each other's way before the key is: the later is told its name is taken, by itself. */
  async #madeMeanwhile(error: unknown): Promise<boolean> {
    if (!this.#idempotent || !(error instanceof AppError) || error.kind !== 'conflict') return false
    return (await recallMade(this.#deps.store, this.#idempotent)) !== undefined
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

function actionOf({ access, operationId }: Route): string {
  return typeof access === 'object' ? `${access.resource}.${access.action}` : operationId
}

function assertRouteAccess({ access }: Route, { role }: Scope): void {
  if (typeof access === 'object') assertMay(role, access.action, access.resource)
}

/** What somebody may not have is written down before they are told. */
async function orDenied<T>(deps: RestDeps, caller: Caller, denial: Denial, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof AppError && error.code === 'PERMISSION_DENIED') await deps.callers.denied(caller, denial)
    throw error
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
