import { AppError } from '../../lib/errors.ts'

const REALM = 'Bearer realm="headend"'

/** Nothing was shown (RFC 6750 §3.1: then the challenge has no error code). */
export function notShown(): AppError {
  return new AppError(
    'UNAUTHENTICATED',
    'This needs a credential: send `Authorization: Bearer` and an API key or a token.',
    {
      details: { challenge: REALM },
    },
  )
}

/** What was shown does not let anybody in; `why` is a sentence that helps its rightful owner alone. */
export function notLetIn(why: string, cause?: unknown): AppError {
  const challenge = `${REALM}, error="invalid_token"`
  return new AppError('UNAUTHENTICATED', why, { cause, details: { challenge } })
}

/** Too many of them, for so long. */
export function tooMany(what: string, waitMs: number): AppError {
  const retryAfterS = Math.max(1, Math.ceil(waitMs / 1_000))
  return new AppError('RATE_LIMITED', `${what} Try again in ${retryAfterS} s.`, { details: { retryAfterS } })
}
