import { AppError } from '../lib/errors.ts'

const PREFIX = /^((?:https?:\/\/[^/?#]*)?)\/signed\/([^/?#]*)(?=\/)/i
const MAX_CHARACTERS = 2_048

/**
 * Takes `/signed/{signature}` off a request target. It stands in the path, so that relative URLs below keep it and manifests stay the
 * same for everybody. What may stand there: `signed-access.ts`.
 * @throws AppError `SIGNATURE_INVALID` for what is too long, or empty
 */
export function splitSignature(requestTarget: string): {
  readonly target: string
  readonly signature: string | undefined
} {
  const found = PREFIX.exec(requestTarget)
  if (!found) return { target: requestTarget, signature: undefined }
  const [prefix, origin = '', signature = ''] = found
  if (signature === '' || signature.length > MAX_CHARACTERS) {
    throw new AppError('SIGNATURE_INVALID', 'The signature of this URL is not right.')
  }
  return { target: origin + requestTarget.slice(prefix.length), signature }
}

/** The path of a request target as it may stand in a log: who reads that is let through by nothing that stands there. */
export function loggedPath(requestTarget: string): string {
  return (requestTarget.split('?', 1)[0] ?? '').replace(/\/signed\/[^/#]*/gi, '/signed/-')
}

/** By this cookie a player is let through where URLs are not signed. */
const COOKIE = 'headend-access'
const MAX_COOKIES = 8

/** The signatures in a request's cookies; of several, set for different paths, each may be the one. */
export function cookieSignatures(header: string | undefined): readonly string[] {
  const found: string[] = []
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (pair.slice(0, at).trim().toLowerCase() !== COOKIE || found.length === MAX_COOKIES) continue
    const value = pair.slice(at + 1).trim()
    if (value !== '' && value.length <= MAX_CHARACTERS) found.push(value)
  }
  return found
}
