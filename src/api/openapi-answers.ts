import type { ResponseConfig } from '@asteasolutions/zod-to-openapi'
import type { z } from 'zod'
import { operationSchema } from '../domain/operation.ts'
import { problemSchema } from '../domain/problem.ts'
import { type AnswerSpec, pathParams, type Route } from './rest/route.ts'

const PROBLEM = 'application/problem+json'

/** Why a route refuses, by status. */
const refusals: Readonly<Record<number, string>> = {
  400: 'The request is not what it should be: `problems` says what, and where.',
  401: 'Nobody is known by what came as a credential, or nothing came.',
  403: 'The role does not allow it, or a quota is used up.',
  404: 'There is no such thing in this account.',
  409: 'The state that it is in, what uses it, or what is there already forbids it.',
  412: 'It has changed since the etag in `If-Match`.',
  413: 'The body is too large.',
  415: 'The body has a media type, or an encoding, that is not taken.',
  429: 'Too many requests, or failed logins: `Retry-After` says when to try again.',
  503: 'The store, or another part that is needed, is down: `Retry-After` says when to try again.',
}

const headerRefs = {
  requestId: { 'Request-Id': { $ref: '#/components/headers/Request-Id' } },
  etag: { ETag: { $ref: '#/components/headers/ETag' } },
  location: { Location: { $ref: '#/components/headers/Location' } },
  retryAfter: { 'Retry-After': { $ref: '#/components/headers/Retry-After' } },
}

/** Whether a request can be bound to what the client has seen: it is about one entity, and makes none beneath it. */
export function takesIfMatch(route: Route): boolean {
  const isList = route.query !== undefined && 'shape' in route.query && 'cursor' in (route.query.shape as object)
  return pathParams(route.path).length > 0 && !isList && !(201 in route.answers)
}

/** The statuses with which a route may refuse, beside those that it declares. */
export function refusalsOf(route: Route): number[] {
  const isOpen = route.access === 'anyone'
  const hasBody = route.body !== undefined || route.bytes === true
  const applies: Readonly<Record<number, boolean>> = {
    400: true,
    401: !isOpen || hasBody,
    403: !isOpen || route.method !== 'get',
    404: !isOpen || pathParams(route.path).length > 0,
    409: route.method !== 'get',
    412: takesIfMatch(route),
    413: hasBody,
    415: hasBody,
    429: true,
    503: true,
  }
  return Object.keys(refusals)
    .map(Number)
    .filter((status) => applies[status])
}

function hasEtag(schema: z.ZodType | undefined): boolean {
  return schema !== undefined && 'shape' in schema && Object.hasOwn(schema.shape as object, 'etag')
}

function contentOf({ schema, mediaType }: AnswerSpec): ResponseConfig['content'] {
  if (mediaType === PROBLEM) return { [PROBLEM]: { schema: problemSchema } }
  if (schema) return { [mediaType ?? 'application/json']: { schema } }
  return mediaType === undefined ? undefined : { [mediaType]: { schema: {} } }
}

/** A declared answer; one that refuses in words of its own may come as a problem document as well. */
function declared(status: number, answer: AnswerSpec): ResponseConfig {
  const content = contentOf(answer)
  const isRefusal = status in refusals
  return {
    description: answer.description,
    headers: {
      ...headerRefs.requestId,
      ...((hasEtag(answer.schema) || status === 206 || status === 304) && headerRefs.etag),
      ...((status === 201 || answer.schema === operationSchema) && headerRefs.location),
    },
    ...((content || isRefusal) && {
      content: { ...content, ...(isRefusal && { [PROBLEM]: { schema: problemSchema } }) },
    }),
  }
}

function refusal(status: number): ResponseConfig {
  return {
    description: refusals[status] ?? '',
    headers: { ...headerRefs.requestId, ...((status === 429 || status === 503) && headerRefs.retryAfter) },
    content: { [PROBLEM]: { schema: problemSchema } },
  }
}

/** Every answer that a route may give. */
export function answersOf(route: Route): Record<string, ResponseConfig> {
  const own = Object.entries(route.answers).map(
    ([status, answer]) => [status, declared(Number(status), answer)] as const,
  )
  const others = refusalsOf(route).map((status) => [String(status), refusal(status)] as const)
  return Object.fromEntries([...others, ...own])
}
