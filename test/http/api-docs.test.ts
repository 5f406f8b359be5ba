import type { Router } from 'express'
import { beforeEach, describe, expect, it } from 'vitest'
import { docsRoutes } from '../../src/api/docs/docs-routes.ts'
import { html, prose } from '../../src/api/docs/html.ts'
import { type Schema, sampleOf } from '../../src/api/docs/schema-view.ts'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'
import { ask, open, setUp } from './control-harness.ts'

setUp()
stopApisAfterEach()

let api: TestApi
let port: number
beforeEach(async () => {
  api = await startApi()
  const router: Router = docsRoutes(api.routes, '1.2.3')
  port = (await open({ routers: [router] })).port
})

describe('/openapi.json', () => {
  it('is the document of the routes, told once to who has it', async () => {
    const answer = await ask(port, '/openapi.json')
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json; charset=utf-8' } })
    const document = JSON.parse(answer.body)
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Headend', version: '1.2.3' } })
    expect(new Set(Object.keys(document.paths))).toEqual(new Set(api.routes.map(({ path }) => path)))
    const again = await ask(port, '/openapi.json', { headers: { 'If-None-Match': answer.headers['etag'] ?? '' } })
    expect([again.status, again.body]).toEqual([304, ''])
    expect((await ask(port, '/openapi.json', { method: 'POST' })).status).toBe(405)
  })
})

describe('/docs', () => {
  it('has every operation and schema, and loads nothing from elsewhere', async () => {
    const page = await ask(port, '/docs')
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } })
    expect(page.headers['content-security-policy']).toContain("script-src 'self'")
    for (const { operationId } of api.routes) expect(page.body).toContain(`id="${operationId}"`)
    expect(page.body).toContain('id="schema-Channel"')
    const loaded = [...page.body.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, url = '']) => url)
    expect(new Set(loaded)).toEqual(new Set(['data:,', '/', '/docs/docs.css', '/docs/docs.js', '/openapi.json']))
    for (const path of ['/docs/docs.css', '/docs/docs.js']) {
      const file = await ask(port, path)
      expect(file.status).toBe(200)
      expect(file.body).not.toMatch(/https?:|@import|url\(/)
    }
    expect(page.body).not.toMatch(/<(script|style)[^>]*>[^<]/)
  })

  it('leads to what there is', async () => {
    const { body } = await ask(port, '/docs')
    const ids = new Set([...body.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
    const missing = [...body.matchAll(/href="#([^"]+)"/g)].map(([, id = '']) => id).filter((id) => !ids.has(id))
    expect(missing).toEqual([])
  })
})

describe('what the page is made of', () => {
  it('escapes what is put in', () => {
    expect(html`<p title="${'"&'}">${'<script>'}</p>${[html`<b>${1}</b>`, false, undefined]}`.text).toBe(
      '<p title="&#34;&#38;">&#60;script&#62;</p><b>1</b>',
    )
    expect(prose('A `b<c` **d**\n\ne').text).toBe('<p>A <code>b&#60;c</code> <strong>d</strong></p><p>e</p>')
  })

  it('makes examples of what schemas say, round and round too', () => {
    const schemas: Record<string, Schema> = {
      Node: {
        type: 'object',
        required: ['id', 'next'],
        properties: {
          id: { type: 'string', example: 'n1' },
          next: { $ref: '#/components/schemas/Node' },
          other: { type: 'string' },
        },
      },
    }
    const sample = sampleOf({ $ref: '#/components/schemas/Node' }, schemas)
    expect(sample).toMatchObject({ id: 'n1', next: { id: 'n1' } })
    expect(sampleOf({ type: 'array', items: { enum: ['a', 'b'] } }, schemas)).toEqual(['a'])
    expect(sampleOf({ anyOf: [{ const: 4 }, { type: 'null' }] }, schemas)).toBe(4)
  })
})
