import { AppError, messageOf } from '../lib/errors.ts'

/** What an answer of the service, or the way there, went wrong with, as far as it says. */
type Failure = { readonly name: string; readonly status: number | undefined }

const FULL = new Set(['QuotaExceeded', 'QuotaExceededException', 'XMinioStorageFull', 'InsufficientCapacity'])
const SLOW = new Set(['SlowDown', 'Throttling', 'ThrottlingException', 'TooManyRequests', 'RequestLimitExceeded'])
const PASSING = new Set(['RequestTimeout', 'RequestTimeTooSkewed', 'OperationAborted', 'InternalError'])
const MISSING = new Set(['NoSuchKey', 'NotFound'])
const NAMELESS = new Set(['Error', 'AggregateError', 'Unknown', 'UnknownError', '403'])
const INSUFFICIENT_STORAGE = 507

function failureOf(thrown: unknown): Failure {
  if (!(thrown instanceof Error)) return { name: 'Unknown', status: undefined }
  const metadata = '$metadata' in thrown ? (thrown.$metadata as { httpStatusCode?: number } | undefined) : undefined
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
  const status = metadata?.httpStatusCode
  // The answer to a HEAD has no body to say more than its status.
  if (NAMELESS.has(thrown.name)) return { name: code ?? (status === 403 ? 'AccessDenied' : thrown.name), status }
  return { name: thrown.name, status }
}

/** Whether there is no such object; that there is no such bucket is another thing. */
export function isMissing(thrown: unknown): boolean {
  const { name, status } = failureOf(thrown)
  return MISSING.has(name) || (status === 404 && name !== 'NoSuchBucket' && name !== 'NoSuchUpload')
}

/** What the service calls the failure. */
export function failureName(thrown: unknown): string {
  return failureOf(thrown).name
}

/** Whether the same request may well succeed in a moment: it never arrived, or the service was busy or at fault. */
export function isPassing(thrown: unknown): boolean {
  if (thrown instanceof AppError) return false
  const { name, status } = failureOf(thrown)
  if (FULL.has(name) || status === INSUFFICIENT_STORAGE || name === 'CredentialsProviderError') return false
  if (SLOW.has(name) || PASSING.has(name)) return true
  return status === undefined || status >= 500 || status === 429 || status === 408
}

/** What the service said, in the catalogue's terms; an error of ours stays what it is. */
export function s3Error(thrown: unknown, doing: string): AppError {
  if (thrown instanceof AppError) return thrown
  const { name, status } = failureOf(thrown)
  const details = { name, ...(status !== undefined && { status }), message: messageOf(thrown) }
  const options = { cause: thrown, details }
  if (FULL.has(name) || status === INSUFFICIENT_STORAGE) {
    return new AppError('STORAGE_FULL', `There is no room left for ${doing} (${name}).`, options)
  }
  if (SLOW.has(name) || status === 429 || status === 503) {
    return new AppError('STORAGE_BUSY', `The object store has too much to do for ${doing} (${name}).`, options)
  }
  return new AppError('STORAGE_DOWN', `The object store failed at ${doing} (${name}).`, options)
}
