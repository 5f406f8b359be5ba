import { STATUS_CODES } from 'node:http'
import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import { AppError, type ErrorKind, errorCatalog, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'

/** A problem details object (RFC 9457 §3.1), with the catalogue's `code` as an extension member. */
export type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code?: string
}

const statusByKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  gone: 410,
  'not-yet': 412,
  precondition: 412,
  'too-large': 413,
  'unsupported-type': 415,
  'too-many': 429,
  internal: 500,
  unavailable: 503,
}

const RETRY_AFTER_S = 2

function plainProblem(status: number, detail: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail }
}

/** Express and what it is made of throw errors with a status of their own; only those that blame the client are believed. */
function clientStatus(thrown: unknown): number | undefined {
  const status = thrown instanceof Error && 'status' in thrown ? thrown.status : undefined
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined
}

/** The one place where an error becomes an HTTP answer. Nothing of an internal error but its existence is told. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof AppError && thrown.kind !== 'internal') {
    const type = `urn:headend:problem:${thrown.code.toLowerCase().replaceAll('_', '-')}`
    return { ...plainProblem(statusByKind[thrown.kind], thrown.message), type, code: thrown.code }
  }
  const status = clientStatus(thrown)
  if (status !== undefined) return plainProblem(status, `The request could not be served: ${STATUS_CODES[status]}.`)
  return plainProblem(500, 'Something went wrong inside Headend; its log says what.')
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
    if (problem.status >= 500) {
      logger.error({ err: thrown, method: request.method, path: request.path }, `request failed: ${messageOf(thrown)}`)
    }
    // An answer that has begun can't become another one: cutting it is the only honest end.
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (thrown instanceof AppError && errorCatalog[thrown.code].retryable)
      response.set('Retry-After', `${RETRY_AFTER_S}`)
    sendProblem(response, problem)
  }
}
