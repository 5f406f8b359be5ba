import { createHmac, timingSafeEqual } from 'node:crypto'
import type { EndpointRules } from '../domain/serving-rules.ts'
import { AppError } from '../lib/errors.ts'

/** What stands before the locator in a signed URL. */
export type UrlSignature = {
  readonly key: string
  /** Seconds since the epoch, as it stands there. */
  readonly expiry: string
  readonly signature: string
}

const PREFIX = /^((?:https?:\/\/[^/?#]*)?)\/signed\/([^/?#]*)(?=\/)/i
const SIGNATURE = /^([A-Za-z0-9][A-Za-z0-9._~-]{0,127})\.(\d{1,12})\.([A-Za-z0-9_-]{43})$/

/**
 * Takes `/signed/{key}.{expiry}.{signature}` off a request target. It stands in the path, so that relative URLs below keep it and
 * manifests stay the same for everybody.
 * @throws AppError `SIGNATURE_INVALID` for what stands there and is none
 */
export function splitSignature(requestTarget: string): {
  readonly target: string
  readonly signature: UrlSignature | undefined
} {
  const found = PREFIX.exec(requestTarget)
  if (!found) return { target: requestTarget, signature: undefined }
  const [prefix, origin = '', text = ''] = found
  const [, key, expiry, signature] = SIGNATURE.exec(text) ?? []
  if (key === undefined || expiry === undefined || signature === undefined) throw invalid()
  return { target: origin + requestTarget.slice(prefix.length), signature: { key, expiry, signature } }
}

/** The signature of everything under a locator, until `expiry` (seconds since the epoch). */
export function signLocator(secret: string, locatorId: string, expiry: string): string {
  return createHmac('sha256', secret).update(`${locatorId.toLowerCase()}\n${expiry}`).digest('base64url')
}

/**
 * Until when a signature lets through what is under the locator, ms since the epoch.
 * @throws AppError `SIGNATURE_INVALID` where there is none, it is of no key or of something else, or it has expired
 */
export function checkSignature(
  keys: EndpointRules['signedUrlKeys'],
  locatorId: string,
  given: UrlSignature | undefined,
  nowMs: number,
): number {
  if (!given) throw new AppError('SIGNATURE_INVALID', 'This is only answered for under a signed URL.')
  const secret = keys.find(({ name }) => name === given.key)?.secret
  const expected = signLocator(secret ?? '', locatorId, given.expiry)
  const isRight = timingSafeEqual(Buffer.from(expected), Buffer.from(given.signature))
  if (secret === undefined || !isRight) throw invalid()
  const untilMs = Number(given.expiry) * 1_000
  if (nowMs >= untilMs) throw new AppError('SIGNATURE_INVALID', 'The signature of this URL has expired.')
  return untilMs
}

function invalid(): AppError {
  return new AppError('SIGNATURE_INVALID', 'The signature of this URL is not right.')
}
