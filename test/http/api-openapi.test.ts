import { createConfig, lintFromString } from '@redocly/openapi-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { type OpenApiDocument, openApiDocument } from '../../src/api/openapi.ts'
import { pathParams } from '../../src/api/rest/route.ts'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'

stopApisAfterEach()

let api: TestApi
let document: OpenApiDocument
beforeAll(async () => {
  api = await startApi()
  document = openApiDocument(api.routes, '1.2.3')
})

const rules = {
  struct: 'error',
  'no-unresolved-refs': 'error',
  'path-parameters-defined': 'error',
  'no-ambiguous-paths': 'error',
  'no-identical-paths': 'error',
  'no-unused-components': 'error',
  'operation-operationId-unique': 'error',
  'operation-operationId-url-safe': 'error',
  'operation-parameters-unique': 'error',
  'operation-summary': 'error',
  'operation-tag-defined': 'error',
  'security-defined': 'error',
  'tag-description': 'error',
  'no-path-trailing-slash': 'error',
  'no-enum-type-mismatch': 'error',
  'operation-2xx-response': 'error',
  'operation-4xx-response': 'error',
  'no-invalid-parameter-examples': 'error',
  'no-invalid-schema-examples': 'error',
  'no-invalid-media-type-examples': 'error',
} as const

describe('the OpenAPI document', () => {
  it('is what an independent reader takes', async () => {
    const config = await createConfig({ rules })
    const problems = await lintFromString({ source: JSON.stringify(document), config })
    expect(problems.map(({ message, location }) => `${location[0]?.pointer}: ${message}`)).toEqual([])
  })

  it('finds what is wrong with a document that is broken', async () => {
    const config = await createConfig({ rules })
    const source = JSON.stringify(document).replaceAll('{channelId}', '{channel}')
    const problems = await lintFromString({ source, config })
    expect(problems.some(({ ruleId }) => ruleId === 'path-parameters-defined')).toBe(true)
  })

  it('has every route, with its parameters, answers and who may', () => {
    const paths = document.paths ?? {}
    for (const { method, path, operationId } of api.routes) {
      const operation = paths[path]?.[method]
      expect(operation, `${method} ${path}`).toMatchObject({ operationId })
      const named = (operation?.parameters ?? []).flatMap((one) =>
        'name' in one && one.in === 'path' ? [one.name] : [],
      )
      expect(new Set(named)).toEqual(new Set(pathParams(path)))
      expect(operation?.['x-roles' as 'tags']?.length).toBeGreaterThan(0)
      for (const status of ['400', '429', '503']) expect(operation?.responses?.[status], path).toBeDefined()
    }
    const count = Object.values(paths).reduce((sum, item) => sum + Object.keys(item ?? {}).length, 0)
    expect(count).toBe(api.routes.length)
  })

  it('describes only what there are routes for', () => {
    const schemas = Object.keys(document.components?.schemas ?? {})
    expect(schemas).toContain('Channel')
    for (const name of ['Job', 'Task', 'MediaProcessor', 'MediaStream', 'StorageTask']) {
      expect(schemas).not.toContain(name)
    }
    expect(document.tags?.filter(({ description }) => description === '')).toEqual([])
  })
})

describe('the check of answers', () => {
  const headers = (type: string) => new Headers({ 'Content-Type': type, 'Request-Id': 'x', ETag: '"1"' })
  const channel = '/v1/channels/ch_4fZ0mTq2LrX8bNcVdKs1Ye'
  const problem = JSON.stringify({ type: 'about:blank', title: 'Not Found', status: 404, detail: 'There is none.' })

  it('finds what is not documented', async () => {
    const { check } = api
    const refuses = (method: string, status: number, text: string, given = headers('application/json')) =>
      expect(() => check.assertDocumented(method, channel, { status, headers: given, text }))
    refuses('GET', 418, problem, headers('application/problem+json')).toThrow('not documented')
    refuses('GET', 404, problem).toThrow('came as application/json')
    refuses('GET', 404, '{"type":"about:blank"}', headers('application/problem+json')).toThrow()
    refuses('GET', 200, '{}').toThrow()
    refuses('GET', 404, problem, new Headers({ 'Content-Type': 'application/problem+json' })).toThrow('Request-Id')
    refuses('DELETE', 204, 'something').toThrow('a body that is not documented')
    refuses('GET', 404, problem, headers('application/problem+json')).not.toThrow()
    refuses('DELETE', 204, '').not.toThrow()
  })
})
