import { createHmac, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { networkAdmission } from '../domain/allow-list.ts'
import type { EndpointRules } from '../domain/serving-rules.ts'
import { AppError } from '../lib/errors.ts'

type SigningKeys = EndpointRules['signedUrlKeys']

/** What a signature has to be for. */
export type SignedVisit = {
  readonly locatorId: string
  /** Behind the signature, without the query. */
  readonly path: string
  readonly address: string
  readonly nowMs: number
}

/** Until when a signature lets through (ms since the epoch), and whether for its bearer's address alone. */
export type SignedPassage = { readonly untilMs: number; readonly isPersonal: boolean }

/** What a signature says, once it is verified. */
type Terms = {
  /** ms since the epoch. */
  readonly untilMs: number
  readonly fromMs?: number
  /** Of the path; absent: everything under the locator. */
  readonly prefix?: string
  readonly address?: string
}

const SIMPLE = /^([A-Za-z0-9][A-Za-z0-9._~-]{0,127})\.(\d{1,12})\.([A-Za-z0-9_-]{43})$/
const LIMITED =
  /^([A-Za-z0-9][A-Za-z0-9._~-]{0,127})\.(\d{1,12})\.p([A-Za-z0-9_-]{1,1024})(?:\.a([A-Za-z0-9_-]{1,90}))?\.([A-Za-z0-9_-]{43})$/
const JWT = /^([A-Za-z0-9_-]{1,512})\.([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]{43,86})$/
const HASHES: Readonly<Record<string, string>> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }

/** The signature of everything under a locator, until `expiry` (seconds since the epoch): `{key}.{expiry}.{signature}`. */
export function signLocator(secret: string, locatorId: string, expiry: string): string {
  return hmac(secret, `${locatorId.toLowerCase()}\n${expiry}`)
}

/**
 * The signature of what is under a path prefix (it begins with `/`), for an address or a network where one is given:
 * `{key}.{expiry}.p{prefix}.a{address}.{signature}`, prefix and address in base64url, `.a…` left out without one.
 */
export function signPrefix(secret: string, prefix: string, expiry: string, address = ''): string {
  return hmac(secret, `prefix\n${prefix}\n${expiry}\n${address}`)
}

/**
 * What one of these signatures, of a URL or of cookies, lets through: `{key}.{expiry}.{signature}` (`signLocator`), the form of
 * `signPrefix`, or a JWT (HS256, HS384, HS512) whose header names the key by `kid`, with the claims `exp` (required), `nbf`, `path` (a prefix;
 * absent: everything of the endpoint) and `ip`.
 * @throws AppError `SIGNATURE_INVALID` where there is none, or each is of no key, of something else or has expired
 */
export function checkSignatures(keys: SigningKeys, signatures: readonly string[], visit: SignedVisit): SignedPassage {
  if (signatures.length === 0) {
    throw new AppError('SIGNATURE_INVALID', 'This is only answered for under a signed URL, or with a signed cookie.')
  }
  let problem = ''
  for (const text of signatures) {
    const terms = readTerms(keys, text, visit.locatorId)
    const found = terms === undefined ? 'is not right' : problemOf(terms, visit)
    if (found === undefined && terms) return { untilMs: terms.untilMs, isPersonal: terms.address !== undefined }
    problem ||= found ?? ''
  }
  throw new AppError('SIGNATURE_INVALID', `The signature of this request ${problem}.`)
}

function problemOf({ untilMs, fromMs = 0, prefix, address }: Terms, visit: SignedVisit): string | undefined {
  if (visit.nowMs >= untilMs) return 'has expired'
  if (visit.nowMs < fromMs) return 'is not valid yet'
  if (prefix !== undefined && !isUnder(visit.path, prefix)) return 'is for something else'
  if (address !== undefined && !isFrom(visit.address, address)) return 'is for another address'
  return undefined
}

/** A prefix ends where a part of the path does: `/a` is not one of `/ab`. Paths are told apart as URLs of the endpoint are: without their case. */
function isUnder(path: string, prefix: string): boolean {
  const [within, whole] = [path.toLowerCase(), prefix.toLowerCase()]
  // Nothing under a locator has such parts; whatever stands between us and the player might resolve them.
  if (/(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/.test(within)) return false
  return within === whole || within.startsWith(whole.endsWith('/') ? whole : `${whole}/`)
}

function isFrom(address: string, network: string): boolean {
  const [host = '', bits] = network.split('/')
  const family = isIP(host)
  if (family === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))))
    return false
  return networkAdmission([network])(address)
}

function readTerms(keys: SigningKeys, text: string, locatorId: string): Terms | undefined {
  const secretOf = (name: string) => keys.find((key) => key.name === name)?.secret
  const [, simpleKey, simpleExpiry = '', simpleSignature = ''] = SIMPLE.exec(text) ?? []
  if (simpleKey !== undefined) {
    const secret = secretOf(simpleKey)
    const isRight = equal(signLocator(secret ?? '', locatorId, simpleExpiry), simpleSignature)
    return isRight && secret !== undefined ? { untilMs: Number(simpleExpiry) * 1_000 } : undefined
  }
  const [, key, expiry = '', prefixText = '', addressText, signature = ''] = LIMITED.exec(text) ?? []
  if (key === undefined) return readJwt(keys, text)
  const secret = secretOf(key)
  const prefix = decoded(prefixText)
  const address = addressText === undefined ? undefined : decoded(addressText)
  const isRight = equal(signPrefix(secret ?? '', prefix, expiry, address ?? ''), signature)
  if (!isRight || secret === undefined || !prefix.startsWith('/')) return undefined
  return { untilMs: Number(expiry) * 1_000, prefix, ...(address !== undefined && { address }) }
}

/** Verified here: an answer is decided on without waiting, and with secrets alone there is nothing that algorithms could be confused by. */
function readJwt(keys: SigningKeys, text: string): Terms | undefined {
  const [, head = '', body = '', signature = ''] = JWT.exec(text) ?? []
  const header = jsonOf(head)
  const hash = HASHES[String(header?.['alg'])]
  const secret = keys.find(({ name }) => name === header?.['kid'])?.secret
  if (hash === undefined || header?.['crit'] !== undefined) return undefined
  const expected = createHmac(hash, secret ?? '')
    .update(`${head}.${body}`)
    .digest('base64url')
  const claims = equal(expected, signature) && secret !== undefined ? jsonOf(body) : undefined
  const { exp, nbf = 0, path = '/', ip } = claims ?? {}
  if (!isSeconds(exp) || !isSeconds(nbf) || typeof path !== 'string' || !path.startsWith('/')) return undefined
  if (ip !== undefined && typeof ip !== 'string') return undefined
  return { untilMs: exp * 1_000, fromMs: nbf * 1_000, prefix: path, ...(ip !== undefined && { address: ip }) }
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function jsonOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(decoded(text))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    // No JSON: no token.
    return undefined
  }
}

function decoded(text: string): string {
  return Buffer.from(text, 'base64url').toString('utf8')
}

function hmac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url')
}

function equal(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)]
  return one.byteLength === other.byteLength && timingSafeEqual(one, other)
}
