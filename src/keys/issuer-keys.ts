import type { JSONWebKeySet } from 'jose'
import type { TokenRestriction } from '../domain/key-authorization-policy.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { timeLimit } from '../lib/time-limit.ts'

/** Fetches a document of at most `maxBytes`, following no redirect, from addresses that may be asked. Rejects for anything else. */
export type FetchText = (
  url: string,
  limits: { readonly maxBytes: number; readonly signal: AbortSignal },
) => Promise<string>

/** What fetching key sets needs. */
export type IssuerKeysPorts = { readonly fetch: FetchText; readonly clock: Clock; readonly logger: Logger }

/** How long what is fetched is good for, in ms. */
export type IssuerKeysLimits = { readonly timeoutMs: number; readonly freshMs: number }

const MAX_BYTES = 262_144
const MAX_KEYS = 100
const MAX_SOURCES = 1_000
/** A key that is not in the set makes it be fetched again, no more often than this: who sends nonsense keeps nobody busy. */
const AGAIN_MS = 30_000
/** So long a failure is answered without asking again. */
const RETRY_MS = 5_000
/** An issuer that is down is believed so many times as long as its keys are fresh, then no more. */
const STALE_TIMES = 6

type Source = {
  keys?: JSONWebKeySet
  fetchedMs: number
  failedMs: number
  failure?: unknown
  underWay?: Promise<JSONWebKeySet>
}

/** The key sets of issuers, by URL: fetched when they are needed, kept while they are fresh, and for longer while an issuer is down. */
export class FetchedIssuerKeys {
  readonly #ports: IssuerKeysPorts
  readonly #limits: IssuerKeysLimits
  /** In the order of use. */
  readonly #sources = new Map<string, Source>()
  readonly #stopping = new AbortController()

  constructor(ports: IssuerKeysPorts, limits: IssuerKeysLimits) {
    this.#ports = ports
    this.#limits = limits
  }

  /** As `IssuerKeys.of`. @throws AppError `KEY_PROVIDER_DOWN` */
  async of({ jwksUrl, openIdDiscoveryUrl }: TokenRestriction, fresher?: JSONWebKeySet): Promise<JSONWebKeySet> {
    const url = jwksUrl ?? openIdDiscoveryUrl ?? ''
    const source = this.#use(url)
    const nowMs = this.#ports.clock.monotonicMs()
    const ageMs = nowMs - source.fetchedMs
    const { keys } = source
    if (keys && ageMs < (keys === fresher ? AGAIN_MS : this.#limits.freshMs)) return keys
    try {
      return await this.#fetched(url, source, jwksUrl === undefined)
    } catch (error) {
      if (keys && ageMs < this.#limits.freshMs * STALE_TIMES) return keys
      throw error
    }
  }

  /** Ends what is being fetched. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('STOPPED', 'The node is being stopped.'))
    await Promise.allSettled([...this.#sources.values()].map(({ underWay }) => underWay))
  }

  #use(url: string): Source {
    const source = this.#sources.get(url) ?? { fetchedMs: Number.NEGATIVE_INFINITY, failedMs: Number.NEGATIVE_INFINITY }
    this.#sources.delete(url)
    this.#sources.set(url, source)
    const [oldest] = this.#sources.keys()
    if (this.#sources.size > MAX_SOURCES && oldest !== undefined) this.#sources.delete(oldest)
    return source
  }

  async #fetched(url: string, source: Source, isDiscovery: boolean): Promise<JSONWebKeySet> {
    const { clock, logger } = this.#ports
    if (clock.monotonicMs() - source.failedMs < RETRY_MS) throw source.failure
    source.underWay ??= this.#fetch(url, isDiscovery)
    const { underWay } = source
    try {
      const keys = await underWay
      if (source.underWay === underWay) Object.assign(source, { keys, fetchedMs: clock.monotonicMs() })
      return keys
    } catch (error) {
      if (source.underWay === underWay) {
        Object.assign(source, { failure: error, failedMs: clock.monotonicMs() })
        logger.warn(
          { url: withoutQuery(url), error: messageOf(error) },
          'the keys of a token issuer could not be fetched',
        )
      }
      throw error
    } finally {
      if (source.underWay === underWay) delete source.underWay
    }
  }

  async #fetch(url: string, isDiscovery: boolean): Promise<JSONWebKeySet> {
    const time = timeLimit(this.#ports.clock, this.#limits.timeoutMs, this.#stopping.signal)
    const limits = { maxBytes: MAX_BYTES, signal: time.signal }
    try {
      const at = isDiscovery ? jwksUriOf(url, await this.#ports.fetch(url, limits)) : url
      return keySetOf(await this.#ports.fetch(at, limits))
    } catch (cause) {
      throw new AppError('KEY_PROVIDER_DOWN', `The keys of the token's issuer can't be had: ${messageOf(cause)}.`, {
        cause,
      })
    } finally {
      time.end()
    }
  }
}

function withoutQuery(url: string): string {
  return url.split(/[?#]/, 1)[0] ?? ''
}

function jsonOf(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new AppError('FORMAT_INVALID', 'what it answers is no JSON')
  }
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  throw new AppError('FORMAT_INVALID', 'what it answers is no JSON object')
}

/** OpenID Connect Discovery 1.0 §3: `jwks_uri`. What was asked for over TLS does not lead to what isn't. */
function jwksUriOf(url: string, text: string): string {
  const { jwks_uri: uri } = jsonOf(text)
  if (typeof uri !== 'string' || !URL.canParse(uri) || !/^https?:$/.test(new URL(uri).protocol)) {
    throw new AppError('FORMAT_INVALID', 'its OpenID configuration names no jwks_uri')
  }
  if (url.toLowerCase().startsWith('https:') && new URL(uri).protocol !== 'https:') {
    throw new AppError('FORMAT_INVALID', 'its OpenID configuration names a jwks_uri without TLS')
  }
  return uri
}

/** RFC 7517 §5. */
function keySetOf(text: string): JSONWebKeySet {
  const { keys } = jsonOf(text)
  const isList = Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null && 'kty' in key)
  if (isList && keys.length <= MAX_KEYS) return { keys }
  throw new AppError('FORMAT_INVALID', `it answers with no key set of at most ${MAX_KEYS} keys`)
}
