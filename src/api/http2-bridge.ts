import { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import express, { type Express, type Router } from 'express'

/** An express application around `router` for HTTP/1.1. */
export function createHttp1App(router: Router): Express {
  const app = express()
  app.disable('x-powered-by')
  // Express would hash every dynamic answer; files have validators of their own.
  app.set('etag', false)
  app.use(router)
  return app
}

/** `methods`' own properties on top of another base than the one they were written for. */
function graft<T extends object>(methods: T, base: object, app: Express): T {
  return Object.create(base, {
    ...Object.getOwnPropertyDescriptors(methods),
    app: { value: app, configurable: true, enumerable: true, writable: true },
  })
}

/**
 * The same for HTTP/2. Express gives each request and response a prototype that ends in HTTP/1.1's classes, which don't fit the
 * objects of `node:http2`; here the same methods stand on HTTP/2's compatibility classes instead.
 */
export function createHttp2App(router: Router): Express {
  const app = createHttp1App(router)
  app.request = graft(express.request, Http2ServerRequest.prototype, app)
  app.response = graft(express.response, Http2ServerResponse.prototype, app)
  return app
}

/** HTTP/2 names the host in a pseudo header (RFC 9113 §8.3.1); express and our routes read `Host`. */
export function adoptAuthority(request: Http2ServerRequest): void {
  const authority = request.headers[':authority']
  if (authority !== undefined) request.headers.host ??= authority
}

/**
 * A body of HTTP/2 needs no length (RFC 9113 §8.1.1); express tells by the headers of HTTP/1.1 whether there is one, and would
 * pass over it.
 */
export function announceBody(request: Http2ServerRequest): void {
  if (request.stream.endAfterHeaders || request.headers['content-length'] !== undefined) return
  request.headers['transfer-encoding'] = 'chunked'
}
