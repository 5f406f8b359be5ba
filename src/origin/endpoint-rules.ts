import type { IncomingMessage } from 'node:http'
import { type Admission, viewingAdmission } from '../domain/allow-list.ts'
import { durationMs } from '../domain/duration.ts'
import type { AccountRules, EndpointRules } from '../domain/serving-rules.ts'
import { AppError } from '../lib/errors.ts'
import type { Answer } from './answer.ts'
import { boundCaching } from './cache-bounds.ts'
import { checkSignature, type UrlSignature } from './signed-url.ts'

/** A request for something under a locator, as an endpoint judges it. */
export type Visit = {
  readonly request: IncomingMessage
  readonly locatorId: string
  readonly signature: UrlSignature | undefined
  readonly nowMs: number
}

/** Under what an endpoint lets an answer go out. */
export type Passage = {
  readonly rules: EndpointRules
  readonly maxAgeMs: number
  readonly untilMs: number
}

type Compiled = { readonly admits: Admission; readonly maxAgeMs: number }

/** What the streaming endpoints of accounts demand of a request and grant to an answer. */
export class EndpointGate {
  readonly #compiled = new WeakMap<EndpointRules, Compiled>()

  /**
   * The endpoint that a request came by: the one that has its host, else one that lists none.
   * @throws AppError `URL_UNKNOWN` where there is none such, `ADDRESS_DENIED`, `SIGNATURE_INVALID`
   */
  pass({ endpoints }: AccountRules, { request, locatorId, signature, nowMs }: Visit): Passage {
    const host = hostOf(request)
    const rules =
      endpoints.find(({ hostNames }) => host !== undefined && hostNames.includes(host)) ??
      endpoints.find(({ hostNames }) => hostNames.length === 0)
    if (!rules) throw new AppError('URL_UNKNOWN', 'Nothing is published under this host.')
    const { admits, maxAgeMs } = this.#compile(rules)
    if (!admits(request.socket.remoteAddress ?? '')) {
      throw new AppError('ADDRESS_DENIED', 'This address may not watch it.')
    }
    const isSigned = rules.signedUrlKeys.length > 0
    const untilMs = isSigned
      ? checkSignature(rules.signedUrlKeys, locatorId, signature, nowMs)
      : Number.POSITIVE_INFINITY
    return { rules, maxAgeMs, untilMs }
  }

  #compile(rules: EndpointRules): Compiled {
    const known = this.#compiled.get(rules) ?? {
      admits: viewingAdmission(rules.allowIp),
      maxAgeMs: durationMs(rules.maxCacheAge),
    }
    this.#compiled.set(rules, known)
    return known
  }
}

/** The answer as the endpoint lets it out: kept by caches no longer than it allows, and readable by the pages that it allows. */
export function withinEndpoint(
  answer: Answer,
  { rules, maxAgeMs, untilMs }: Passage,
  { request, nowMs }: Visit,
): Answer {
  const bounded = boundCaching(
    answer,
    Math.floor(Math.min(maxAgeMs, untilMs - nowMs) / 1_000),
    rules.allowIp.length > 0,
  )
  if (!rules.cors) return bounded
  const { origin } = request.headers
  const isAllowed = origin !== undefined && rules.cors.allowedOrigins.includes(origin.toLowerCase())
  return { ...bounded, allowOrigin: isAllowed ? origin : null }
}

/** Without its port; of HTTP/2 `:authority`, which goes before `Host` (RFC 9113 §8.3.1). */
function hostOf({ headers }: IncomingMessage): string | undefined {
  const authority = headers[':authority'] ?? headers.host
  if (typeof authority !== 'string') return undefined
  return authority.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}
