import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type RequestHandler, Router } from 'express'
import { matchesEtag } from '../../lib/http-conditions.ts'
import { readOnly } from '../problem.ts'
import type { Route } from '../rest/route.ts'

/** A text that stays what it is while the process runs, made when it is first asked for; whoever has it already gets 304. */
function fixedText(contentType: string, make: () => string | Promise<string>): RequestHandler {
  const fixed = once(async () => {
    const bytes = Buffer.from(await make())
    return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` }
  })
  return async (request, response) => {
    const { bytes, etag } = await fixed()
    response.set({ ETag: etag, 'Cache-Control': 'no-cache', 'Content-Type': contentType })
    if (matchesEtag(request.get('If-None-Match'), etag)) response.status(304).end()
    else response.send(bytes)
  }
}

/** What was made once is given to all; a failure is not kept. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}

function fileBeside(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

/**
 * `/openapi.json`, and `/docs`, the same as a page; open to anybody. Made, and what makes them loaded, when somebody asks: most nodes
 * are never asked, and it is megabytes.
 */
export function docsRoutes(routes: readonly Route[], version: string): Router {
  const router = Router({ caseSensitive: true, strict: true })
  const serve = (path: string, contentType: string, make: () => string | Promise<string>) =>
    router.route(path).get(fixedText(contentType, make)).all(readOnly)
  const document = once(async () => (await import('../openapi.ts')).openApiDocument(routes, version))
  serve('/openapi.json', 'application/json; charset=utf-8', async () => JSON.stringify(await document()))
  serve('/docs', 'text/html; charset=utf-8', async () => (await import('./docs-page.ts')).docsPage(await document()))
  serve('/docs/docs.css', 'text/css; charset=utf-8', () => fileBeside('frame.css') + fileBeside('content.css'))
  serve('/docs/docs.js', 'text/javascript; charset=utf-8', () => fileBeside('docs.js'))
  return router
}
