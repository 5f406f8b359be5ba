import { z } from 'zod'
import { AppError, type ErrorKind } from '../lib/errors.ts'

/** A problem document (RFC 9457 §3.1) with the catalogue's code and, where fields are at fault, which. */
export const problemSchema = z
  .strictObject({
    type: z.string().max(256).meta({ description: 'Stable: `urn:headend:problem:…`, or `about:blank`.' }),
    title: z.string().max(256),
    status: z.int().min(400).max(599),
    detail: z.string().max(4_096),
    code: z.string().max(64).optional(),
    problems: z
      .array(z.strictObject({ pointer: z.string(), detail: z.string() }))
      .max(20)
      .optional()
      .meta({ description: 'What was wrong and where, as JSON pointers.' }),
  })
  .meta({
    id: 'Problem',
    description: 'What went wrong (RFC 9457).',
    example: {
      type: 'urn:headend:problem:state-conflict',
      title: 'Conflict',
      status: 409,
      detail: 'The channel is Running, which does not allow “start”.',
      code: 'STATE_CONFLICT',
    },
  })

/** A problem document. */
export type Problem = z.output<typeof problemSchema>

/** The status of an answer that tells of an error of a kind, or that would have told of it (RFC 9110 §15). */
export const statusByKind: Readonly<Record<ErrorKind, number>> = {
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

const MAX_DETAIL = 1_024

/** What an error comes to for who is told of it: nothing of an internal one but that it happened. */
export function explain(error: unknown): { readonly code: string; readonly detail: string; readonly status: number } {
  if (error instanceof AppError && error.kind !== 'internal') {
    return { code: error.code, detail: error.message.slice(0, MAX_DETAIL), status: statusByKind[error.kind] }
  }
  return { code: 'INTERNAL', detail: 'Something went wrong inside Headend; its log says what.', status: 500 }
}
