import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import { statusByKind } from '../domain/problem.ts'
import type { FieldProblem } from '../domain/validation.ts'
import { AppError, type ErrorCode, errorCatalog, messageOf } from '../lib/errors.ts'
import { STATUS_CODES } from '../lib/http.ts'
import type { Logger } from '../lib/logger.ts'

/** A problem details object (RFC 9457 §3.1), with the catalogue's `code` as an extension member. */
export type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code?: string
  /** What was wrong and where, where fields are at fault. */
  readonly problems?: readonly FieldProblem[]
}

const RETRY_AFTER_S = 2

function plainProblem(status: number, detail: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail }
}

function codedProblem(code: ErrorCode, detail: string, problems?: readonly FieldProblem[]): Problem {
  const type = `urn:headend:problem:${code.toLowerCase().replaceAll('_', '-')}`
  const status = statusByKind[errorCatalog[code].kind]
  return { ...plainProblem(status, detail), type, code, ...(problems && { problems }) }
}

/** What express makes of a body that it can't read, by the `type` of the error. */
const unreadable: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  'charset.unsupported': ['MEDIA_TYPE_UNSUPPORTED', 'The body must be in UTF-8.'],
  'encoding.unsupported': ['MEDIA_TYPE_UNSUPPORTED', 'The body has an encoding that is not supported.'],
  'entity.parse.failed': ['REQUEST_INVALID', 'The body is not what its media type says.'],
  'entity.too.large': ['LIMIT_EXCEEDED', 'The body is too large.'],
  'parameters.too.many': ['LIMIT_EXCEEDED', 'The body has too many parameters.'],
}

/** Express and what it is made of throw errors with a status of their own; only those that blame the client are believed. */
function clientProblem(thrown: unknown): Problem | undefined {
  const status = thrown instanceof Error && 'status' in thrown ? thrown.status : undefined
  if (typeof status !== 'number' || status < 400 || status >= 500) return undefined
  const type = thrown instanceof Error && 'type' in thrown ? String(thrown.type) : ''
  const known = Object.hasOwn(unreadable, type) ? unreadable[type] : undefined
  return known
    ? codedProblem(...known)
    : plainProblem(status, `The request could not be served: ${STATUS_CODES[status]}.`)
}

/** The one place where an error becomes an HTTP answer. Nothing of an internal error but its existence is told. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof AppError && thrown.kind !== 'internal') {
    const { problems } = thrown.details
    return codedProblem(thrown.code, thrown.message, isFieldProblems(problems) ? problems : undefined)
  }
  return clientProblem(thrown) ?? plainProblem(500, 'Something went wrong inside Headend; its log says what.')
}

function isFieldProblems(value: unknown): value is readonly FieldProblem[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null && 'pointer' in one)
}

/** What else the answer says of an error: how to show who one is (RFC 9110 §11.6.1), when to come again (§10.2.3). */
export function problemHeaders(thrown: unknown): Readonly<Record<string, string>> {
  if (!(thrown instanceof AppError)) return {}
  const { challenge = 'Bearer realm="headend"', retryAfterS = RETRY_AFTER_S } = thrown.details
  return {
    ...(thrown.kind === 'unauthenticated' && { 'WWW-Authenticate': String(challenge) }),
    ...(errorCatalog[thrown.code].retryable && { 'Retry-After': String(retryAfterS) }),
  }
}

/** Answers with a problem document (RFC 9457) in the media type that is its own. */
export function sendProblem(response: Response, problem: Problem): void {
  response.status(problem.status).set('Cache-Control', 'no-store')
  response.type('application/problem+json').send(JSON.stringify(problem))
}

/** Answers what no route knows. */
export const unknownUrl: RequestHandler = (_request, response) => {
  sendProblem(response, problemOf(new AppError('URL_UNKNOWN', 'There is nothing at this address.')))
}

/** Answers a known address asked in a way it doesn't offer (RFC 9110 §15.5.6). */
export const readOnly: RequestHandler = (_request, response) => {
  response.set('Allow', 'GET, HEAD')
  sendProblem(response, plainProblem(405, 'This address can only be read.'))
}

/** The last handler of the router: whatever a route threw. */
export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, _next) => {
    const problem = problemOf(thrown)
    const asked = { method: request.method, path: request.path }
    // What is down for the moment says so itself; anything else is a fault of ours.
    if (thrown instanceof AppError && thrown.kind === 'unavailable') {
      logger.warn({ ...asked, code: thrown.code }, `request refused: ${thrown.message}`)
    } else if (problem.status >= 500) {
      logger.error({ err: thrown, ...asked }, `request failed: ${messageOf(thrown)}`)
    }
    // An answer that has begun can't become another one: cutting it is the only honest end.
    if (response.headersSent) {
      response.destroy()
      return
    }
    response.set(problemHeaders(thrown))
    sendProblem(response, problem)
  }
}
