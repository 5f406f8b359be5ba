import { randomUUID } from 'node:crypto'
import express, { type RequestHandler, Router } from 'express'
import type { Clock } from '../../lib/clock.ts'
import { sendAnswer } from './answer-writer.ts'
import { hasBody } from './request-check.ts'
import { RestCall, type RestDeps } from './rest-call.ts'
import type { Route } from './route.ts'

const MAX_BODY_BYTES = 262_144
const BODY_TIMEOUT_MS = 20_000
/** Serves the routes under their paths; everything else falls through. */
export function restRouter(routes: readonly Route[], deps: RestDeps): Router {
  const router = Router({ caseSensitive: true, strict: false })
  const json = express.json({ limit: MAX_BODY_BYTES, type: ['application/json', 'application/merge-patch+json'] })
  const form = express.urlencoded({ limit: MAX_BODY_BYTES, extended: false })
  const paths = Map.groupBy(routes, ({ path }) => path)
  // Before anything can go wrong: what is refused is found again by it too.
  router.use('/v1', (_request, response, next) => {
    response.set('Request-Id', randomUUID())
    next()
  })
  for (const [path, group] of paths) {
    const at = router.route(path.replaceAll(/\{(\w+)\}/g, ':$1'))
    for (const route of group) {
      const parsers: RequestHandler[] = route.body ? (route.form ? [form, json] : [json]) : []
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
    if (!hasBody(request)) return next()
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
    const requestId = response.get('Request-Id') ?? ''
    try {
      const call = await RestCall.open(route, request, response, requestId, deps)
      sendAnswer(response, await call.answer())
    } catch (error) {
      next(error)
    }
  }
}
