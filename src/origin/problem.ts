import { AppError, type ErrorCode, type ErrorKind } from '../lib/errors.ts'

/** RFC 9457 problem details; `type` is stable, so that a client can act on it. */
export type Problem = {
  readonly status: number
  readonly type: string
  readonly title: string
  readonly detail: string
  /** Seconds after which the same request may do better. */
  readonly retryAfterSeconds?: number
}

const STATUS: Readonly<Record<ErrorKind, { readonly status: number; readonly title: string }>> = {
  invalid: { status: 400, title: 'The request is malformed' },
  unauthenticated: { status: 401, title: 'Not logged in' },
  forbidden: { status: 403, title: 'Not allowed' },
  'not-found': { status: 404, title: 'There is nothing at this address' },
  gone: { status: 410, title: 'No longer kept' },
  'not-yet': { status: 412, title: 'Not there yet' },
  conflict: { status: 409, title: 'In conflict with the present state' },
  precondition: { status: 412, title: 'A condition of the request does not hold' },
  'too-large': { status: 413, title: 'Too large' },
  'unsupported-type': { status: 415, title: 'Of a type that is not taken' },
  'too-many': { status: 429, title: 'Too often' },
  unavailable: { status: 503, title: 'Unavailable for the moment' },
  internal: { status: 500, title: 'Something broke here' },
}

/** What is wrong here for the moment, and says nothing of how this server is made, or of what stands behind it. */
const TOLD: readonly ErrorCode[] = ['LIVE_EDGE_LATE', 'ORIGIN_BUSY', 'STOPPED', 'STORAGE_BUSY']
/** What the operator has to set right, though it isn't for the moment alone. */
const WITHHELD: readonly ErrorCode[] = ['MASTER_KEY_MISSING', 'STORAGE_REFUSED', 'TARGET_REFUSED']

/**
 * Whether an error is for the operator alone: anybody may ask here, and it names paths, addresses, or what other programs said. Who answers it has to
 * note it.
 */
export function isWithheld(thrown: unknown): thrown is AppError {
  if (!(thrown instanceof AppError)) return false
  return thrown.kind === 'unavailable' ? !TOLD.includes(thrown.code) : WITHHELD.includes(thrown.code)
}

/** The answer to an error. Only what was raised on purpose says more than its kind; a stack never leaves the server. */
export function problemOf(thrown: unknown): Problem {
  if (isWithheld(thrown)) return unavailable
  const error = thrown instanceof AppError && thrown.kind !== 'internal' ? thrown : undefined
  const { status, title } = STATUS[error?.kind ?? 'internal']
  const type = problemType(error?.code ?? 'INTERNAL')
  const detail = error?.message ?? 'The server made a mistake; it has been noted.'
  const isTransient = error?.kind === 'not-yet' || status === 503
  const after = error?.details['retryAfterSeconds']
  return {
    status,
    type,
    title,
    detail,
    ...(isTransient && { retryAfterSeconds: typeof after === 'number' ? after : 1 }),
  }
}

/** One answer to whatever is wrong behind this server. */
const unavailable: Problem = {
  status: 503,
  type: problemType('UNAVAILABLE'),
  title: STATUS.unavailable.title,
  detail: 'The server can not answer this for the moment; it has been noted.',
  retryAfterSeconds: 1,
}

/** `GET`, `HEAD` and `OPTIONS` are all there is. */
export const methodNotAllowed: Problem = {
  status: 405,
  type: problemType('METHOD_NOT_ALLOWED'),
  title: 'Method not allowed',
  detail: 'Use GET, HEAD or OPTIONS.',
}

/** `urn:headend:problem:segment-gone` for `SEGMENT_GONE`. */
function problemType(code: string): string {
  return `urn:headend:problem:${code.toLowerCase().replaceAll('_', '-')}`
}
