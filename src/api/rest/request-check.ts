import type { Request } from 'express'
import { idSchema } from '../../domain/kinds.ts'
import { type FieldProblem, fieldError, fieldProblems, validate } from '../../domain/validation.ts'
import { AppError } from '../../lib/errors.ts'
import { paramKinds, pathParams, type Route } from './route.ts'

/** Whether a body comes with the request (RFC 9112 §6.3). */
export function hasBody(request: Request): boolean {
  return request.get('Transfer-Encoding') !== undefined || Number(request.get('Content-Length') ?? 0) > 0
}

/** The ids of the path, well formed. @throws AppError `ENTITY_NOT_FOUND` */
export function validParams(route: Route, request: Request): Record<string, string> {
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

/** The query by the route's schema; nothing in it is unknown or said twice. @throws AppError `REQUEST_INVALID` */
export function validQuery(route: Route, request: Request): unknown {
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

/** The body by the route's schema. @throws AppError `ENTITY_INVALID`, `REQUEST_INVALID`, `MEDIA_TYPE_UNSUPPORTED` */
export function validBody(route: Route, request: Request): unknown {
  if (!route.body) return undefined
  const body: unknown = request.body
  const isEmpty = body === undefined && !hasBody(request)
  if (isEmpty && route.bodyOptional) return validate(route.body, {})
  if (body !== undefined) return validate(route.body, body)
  if (isEmpty) throw new AppError('REQUEST_INVALID', 'A JSON body is expected.')
  const takes = route.form ? 'application/json or application/x-www-form-urlencoded' : 'application/json'
  throw new AppError('MEDIA_TYPE_UNSUPPORTED', `The body must be ${takes}.`)
}
