import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type RequestHandler, Router } from 'express'
import { matchesEtag } from '../../lib/http-conditions.ts'
import { openApiDocument } from '../openapi.ts'
import { readOnly } from '../problem.ts'
import type { Route } from '../rest/route.ts'
import { docsPage } from './docs-page.ts'

/** A text that stays what it is while the process runs; whoever has it already gets 304. */
function fixedText(contentType: string, text: string): RequestHandler {
  const bytes = Buffer.from(text)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
  return (request, response) => {
    response.set({ ETag: etag, 'Cache-Control': 'no-cache', 'Content-Type': contentType })
    if (matchesEtag(request.get('If-None-Match'), etag)) response.status(304).end()
    else response.send(bytes)
  }
}

function fileBeside(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

/** `/openapi.json`, and `/docs`, the same as a page; open to anybody. Made once, when the routes are known. */
export function docsRoutes(routes: readonly Route[], version: string): Router {
  const router = Router({ caseSensitive: true, strict: true })
  const document = openApiDocument(routes, version)
  const serve = (path: string, contentType: string, text: string) =>
    router.route(path).get(fixedText(contentType, text)).all(readOnly)
  serve('/openapi.json', 'application/json; charset=utf-8', JSON.stringify(document))
  serve('/docs', 'text/html; charset=utf-8', docsPage(document))
  serve('/docs/docs.css', 'text/css; charset=utf-8', fileBeside('frame.css') + fileBeside('content.css'))
  serve('/docs/docs.js', 'text/javascript; charset=utf-8', fileBeside('docs.js'))
  return router
}
