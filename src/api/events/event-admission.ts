import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { EventFilter } from '../../domain/event-filter.ts'
import { assertMay, may, type Role } from '../../domain/permissions.ts'
import { type FieldProblem, fieldError, fieldProblems } from '../../domain/validation.ts'
import { AppError } from '../../lib/errors.ts'
import type { Approach, CallerSource } from '../rest/ports.ts'
import { eventQueryShape, filterOf, positionOf } from './event-query.ts'

const eventsPath = '/v1/events'

/** Who follows events, and what: as asked, and as found to be allowed. */
export type Admission = {
  readonly credentialId: string
  readonly accountId: string
  readonly role: Role
  readonly after: number | undefined
  readonly filter: EventFilter
}

const querySchema = z.strictObject({ ...eventQueryShape, account: z.string().min(1).max(64).optional() })

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name.toLowerCase()]
  return Array.isArray(value) ? value[0] : value
}

function queryOf(request: IncomingMessage): z.output<typeof querySchema> {
  const { pathname, searchParams } = URL.parse(request.url ?? '/', 'http://localhost') ?? new URL('http://localhost/')
  if (pathname !== eventsPath) throw new AppError('URL_UNKNOWN', 'There is no WebSocket at this address.')
  const repeated = [...new Set(searchParams.keys())].filter((key) => searchParams.getAll(key).length > 1)
  const problems: FieldProblem[] = repeated.map((key) => ({ pointer: `/${key}`, detail: 'may be given once' }))
  const result = querySchema.safeParse(Object.fromEntries(searchParams))
  problems.push(...(result.error ? fieldProblems(result.error) : []))
  if (problems.length > 0 || !result.data) throw fieldError('REQUEST_INVALID', problems, { in: 'query' })
  return result.data
}

/** A request for the stream of events: checked once to let it in, and again while it goes on. */
export class EventRequest {
  readonly #callers: CallerSource
  readonly #approach: Approach
  readonly #query: z.output<typeof querySchema>

  /** @throws AppError `URL_UNKNOWN`, `REQUEST_INVALID` */
  constructor(request: IncomingMessage, callers: CallerSource) {
    this.#callers = callers
    if (request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== 'websocket') {
      throw new AppError('REQUEST_INVALID', 'The only protocol to change to is websocket, by GET.')
    }
    this.#query = queryOf(request)
    this.#approach = {
      method: 'GET',
      header: (name) => headerOf(request, name),
      address: request.socket.remoteAddress ?? '',
      secure: 'encrypted' in request.socket,
    }
  }

  /** @throws AppError as `CallerSource`, which judges the page that a session's WebSocket comes from, and `PERMISSION_DENIED` */
  async admit(): Promise<Admission> {
    const caller = await this.#callers.identify(this.#approach)
    const picked = this.#approach.header('headend-account') ?? this.#query.account
    const { role, accountId } = await this.#callers.scope(caller, picked)
    if (!may(role, 'read', 'event')) {
      const { address } = this.#approach
      await this.#callers.denied(caller, { accountId, action: 'event.read', address, requestId: randomUUID() })
      assertMay(role, 'read', 'event')
    }
    const { credentialId } = caller
    return { credentialId, accountId, role, after: positionOf(this.#query), filter: filterOf(this.#query) }
  }
}
