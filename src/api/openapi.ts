import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { idSchema } from '../domain/kinds.ts'
import { may, type Role, roles } from '../domain/permissions.ts'
import { answersOf, takesIfMatch } from './openapi-answers.ts'
import { apiDescription, tagDescriptions } from './openapi-texts.ts'
import { paramKinds, pathParams, type Route } from './rest/route.ts'

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = ReturnType<OpenApiGeneratorV31['generateDocument']>

const parameters = {
  'Headend-Account': {
    name: 'Headend-Account',
    in: 'header',
    description: 'The account in which to act: what a `system` credential picks.',
    schema: { type: 'string' },
    example: 'ac_4fZ0mTq2LrX8bNcVdKs1Ye',
  },
  'Idempotency-Key': {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'A request with the key of an earlier one, within a day, is answered with what that one made.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: '0b1d5f3e-7c1a-4a56-9a8e-2f6d3c4b5a69',
  },
  'If-Match': {
    name: 'If-Match',
    in: 'header',
    description: 'Only if it still has this ETag.',
    schema: { type: 'string' },
    example: '"3"',
  },
  Range: {
    name: 'Range',
    in: 'header',
    description: 'One range of bytes (RFC 9110 §14.2).',
    schema: { type: 'string' },
    example: 'bytes=0-1023',
  },
  'If-Range': {
    name: 'If-Range',
    in: 'header',
    description: 'The range only where the ETag is still this one; else everything.',
    schema: { type: 'string' },
  },
  'If-None-Match': {
    name: 'If-None-Match',
    in: 'header',
    description: 'Nothing where the ETag is still this one.',
    schema: { type: 'string' },
  },
} as const

const headers = {
  ETag: { description: 'Changes with every write; send it as `If-Match`.', schema: { type: 'string' }, example: '"3"' },
  Location: {
    description: 'Where what was made, or the operation, is read.',
    schema: { type: 'string' },
    example: '/v1/operations/op_4fZ0mTq2LrX8bNcVdKs1Ye',
  },
  'Request-Id': {
    description: 'What audit records know this request by.',
    schema: { type: 'string', format: 'uuid' },
  },
  'Retry-After': { description: 'When to try again, in seconds.', schema: { type: 'integer' }, example: 2 },
} as const

const securitySchemes = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'An API key (`hk_…`), or a token of `/v1/oauth/token`.' },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'headend-session',
    description: 'A browser’s session, made by `POST /v1/session`; over TLS the cookie is `__Secure-headend-session`.',
  },
  clientCredentials: {
    type: 'oauth2',
    description: 'A credential’s id and secret, for a short token.',
    flows: { clientCredentials: { tokenUrl: '/v1/oauth/token', scopes: {} } },
  },
} as const

type ParameterName = keyof typeof parameters

function parametersOf(route: Route): { $ref: string }[] {
  const isOwn = typeof route.access === 'object' && route.access.as === 'own'
  const isContent = Object.values(route.answers).some(({ mediaType }) => mediaType === '*/*')
  const wanted: Readonly<Record<ParameterName, boolean>> = {
    'Headend-Account': route.access !== 'anyone' && !isOwn,
    'Idempotency-Key': route.recall !== undefined,
    'If-Match': takesIfMatch(route),
    Range: isContent,
    'If-Range': isContent,
    'If-None-Match': isContent,
  }
  return (Object.keys(wanted) as ParameterName[])
    .filter((name) => wanted[name])
    .map((name) => ({ $ref: `#/components/parameters/${name}` }))
}

function paramsOf(path: string): z.ZodObject | undefined {
  const names = pathParams(path)
  if (names.length === 0) return undefined
  return z.object(
    Object.fromEntries(
      names.map((name) => {
        const kind = paramKinds[name]
        return [name, kind === undefined ? z.string() : idSchema(kind)]
      }),
    ),
  )
}

function bodyOf(route: Route): NonNullable<NonNullable<RouteConfig['request']>['body']> | undefined {
  if (route.bytes) {
    return { description: 'The bytes.', required: true, content: { 'application/octet-stream': { schema: {} } } }
  }
  const { body: schema } = route
  if (!schema) return undefined
  const mediaTypes = [
    'application/json',
    ...(route.method === 'patch' ? ['application/merge-patch+json'] : []),
    ...(route.form ? ['application/x-www-form-urlencoded'] : []),
  ]
  return {
    required: route.bodyOptional !== true,
    content: Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, { schema }])),
  }
}

function securityOf({ access }: Route): RouteConfig['security'] {
  return access === 'anyone' ? [] : [{ apiKey: [] }, { session: [] }, { clientCredentials: [] }]
}

/** Who may; `system` acts as an admin of the account that it picks. */
function rolesOf({ access }: Route): readonly string[] {
  if (access === 'anyone') return ['anyone']
  if (access === 'caller') return roles
  const { action, resource, as = 'picked' } = access
  const acting = (role: Role) => (role === 'system' && as === 'picked' ? 'admin' : role)
  return roles.filter((role) => may(acting(role), action, resource))
}

function describe(route: Route): RouteConfig {
  const params = paramsOf(route.path)
  const body = bodyOf(route)
  const refs = parametersOf(route)
  return {
    method: route.method,
    path: route.path,
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    tags: [route.tag],
    security: securityOf(route) ?? [],
    'x-roles': rolesOf(route),
    ...(refs.length > 0 && { parameters: refs }),
    request: {
      ...(params && { params }),
      ...(route.query && { query: route.query as z.ZodObject }),
      ...(body && { body }),
    },
    responses: answersOf(route),
  }
}

/** The document of these routes, made from the very schemas by which they are served. */
export function openApiDocument(routes: readonly Route[], version: string): OpenApiDocument {
  const registry = new OpenAPIRegistry()
  for (const [name, parameter] of Object.entries(parameters)) registry.registerComponent('parameters', name, parameter)
  for (const [name, header] of Object.entries(headers)) registry.registerComponent('headers', name, header)
  for (const [name, scheme] of Object.entries(securitySchemes)) {
    registry.registerComponent('securitySchemes', name, scheme)
  }
  for (const route of routes) registry.registerPath(describe(route))
  const used = [...new Set(routes.map(({ tag }) => tag))]
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Headend',
      version,
      description: apiDescription,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This server.' }],
    tags: used.map((name) => ({ name, description: tagDescriptions[name] ?? '' })),
  })
}
