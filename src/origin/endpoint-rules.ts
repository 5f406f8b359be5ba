import type { IncomingMessage } from 'node:http'
import { type Admission, viewingAdmission } from '../domain/allow-list.ts'
import { durationMs } from '../domain/duration.ts'
import type { EntryRefusal } from '../domain/key-refusal.ts'
import type { AccountRules, EndpointRules } from '../domain/serving-rules.ts'
import { AppError } from '../lib/errors.ts'
import type { Answer } from './answer.ts'
import { boundCaching } from './cache-bounds.ts'
import { checkSignatures } from './signed-access.ts'
import { cookieSignatures } from './signed-url.ts'

/** A request for something under a locator, as an endpoint judges it. */
export type Visit = {
  readonly request: IncomingMessage
  readonly locatorId: string
  /** Of the URL. */
  readonly signature: string | undefined
  /** What stands behind that. */
  readonly target: string
  readonly address: string
  readonly nowMs: number
}

/** Under what an endpoint lets an answer go out. */
export type Passage = {
  readonly rules: EndpointRules
  readonly maxAgeMs: number
  readonly untilMs: number
  /** Nothing for shared caches: somebody else's request would not be let through. */
  readonly isPersonal: boolean
}

type Compiled = { readonly admits: Admission; readonly maxAgeMs: number }

/** What the streaming endpoints of accounts demand of a request and grant to an answer. */
export class EndpointGate {
  readonly #compiled = new WeakMap<EndpointRules, Compiled>()

  /**
   * The endpoint that a request came by: the one that has its host, else one that lists none.
   * @throws AppError `URL_UNKNOWN` where there is none such, `ADDRESS_DENIED`, `SIGNATURE_INVALID`
   */
  pass(account: AccountRules, visit: Visit): Passage {
    const rules = this.enter(account, visit.request, visit.address)
    if (rules === 'endpoint-unknown') throw new AppError('URL_UNKNOWN', 'Nothing is published under this host.')
    if (rules === 'address-not-allowed') throw new AppError('ADDRESS_DENIED', 'This address may not watch it.')
    const { maxAgeMs } = this.#compile(rules)
    if (rules.signedUrlKeys.length === 0) {
      return { rules, maxAgeMs, untilMs: Number.POSITIVE_INFINITY, isPersonal: rules.allowIp.length > 0 }
    }
    const cookies = visit.signature === undefined ? cookieSignatures(visit.request.headers.cookie) : []
    const signatures = visit.signature === undefined ? cookies : [visit.signature]
    const path = visit.target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0] ?? ''
    const { untilMs, isPersonal } = checkSignatures(rules.signedUrlKeys, signatures, { ...visit, path })
    return { rules, maxAgeMs, untilMs, isPersonal: isPersonal || cookies.length > 0 || rules.allowIp.length > 0 }
  }

  /** The endpoint that a request came by, where that lets its address in; signatures are of media, and not looked at. */
  enter(account: AccountRules | undefined, request: IncomingMessage, address: string): EndpointRules | EntryRefusal {
    const endpoints = account?.endpoints ?? []
    const host = hostOf(request)
    const rules =
      endpoints.find(({ hostNames }) => host !== undefined && hostNames.includes(host)) ??
      endpoints.find(({ hostNames }) => hostNames.length === 0)
    if (!rules) return 'endpoint-unknown'
    return this.#compile(rules).admits(address) ? rules : 'address-not-allowed'
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
  { rules, maxAgeMs, untilMs, isPersonal }: Passage,
  { request, nowMs }: Visit,
): Answer {
  const bounded = boundCaching(answer, Math.floor(Math.min(maxAgeMs, untilMs - nowMs) / 1_000), isPersonal)
  const allowOrigin = allowedOrigin(rules, request)
  if (allowOrigin === undefined) return bounded
  // Cookies go along with a page's requests only where it is told that they may.
  const isCookied = rules.signedUrlKeys.length > 0 && allowOrigin !== null
  const headers = isCookied ? [...bounded.headers, 'Access-Control-Allow-Credentials', 'true'] : bounded.headers
  return { ...bounded, headers, allowOrigin }
}

/** The one page that an endpoint lets read an answer: `null` for none, `undefined` where every page may. */
export function allowedOrigin({ cors }: EndpointRules, { headers }: IncomingMessage): string | null | undefined {
  if (!cors) return undefined
  const { origin } = headers
  return origin !== undefined && cors.allowedOrigins.includes(origin.toLowerCase()) ? origin : null
}

/** Without its port; of HTTP/2 `:authority`, which goes before `Host` (RFC 9113 §8.3.1). */
function hostOf({ headers }: IncomingMessage): string | undefined {
  const authority = headers[':authority'] ?? headers.host
  if (typeof authority !== 'string') return undefined
  return authority.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}
