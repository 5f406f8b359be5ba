import type { Admission } from '../domain/allow-list.ts'
import { viewingAdmission } from '../domain/allow-list.ts'
import { AppError } from '../lib/errors.ts'
import type { Answer } from './answer.ts'
import { boundCaching } from './cache-bounds.ts'
import type { Published } from './ports.ts'

type Terms = Pick<Published, 'notBeforeMs' | 'notAfterMs' | 'allowIp'>

/**
 * What a publication allows at the moment of a request, whatever was answered, or is cached, of it before: from when to
 * when it is valid, and who may watch.
 */
export class PublicationTerms {
  /** Compiled once per list; a list lives as long as its publication. */
  readonly #admissions = new WeakMap<readonly string[], Admission>()

  /**
   * What is published, if it may be told.
   * @throws AppError `URL_UNKNOWN` for what is not published, not yet, or no longer, all alike; `ADDRESS_DENIED`
   */
  check<T extends Terms>(published: T | undefined, nowMs: number, address: string | undefined): T {
    const { notBeforeMs = 0, notAfterMs = Number.POSITIVE_INFINITY, allowIp }: Terms = published ?? {}
    if (!published || nowMs < notBeforeMs || nowMs >= notAfterMs) {
      throw new AppError('URL_UNKNOWN', 'Nothing is published under this locator.')
    }
    if (allowIp && !this.#admissionOf(allowIp)(address ?? '')) {
      throw new AppError('ADDRESS_DENIED', 'This address may not watch it.')
    }
    return published
  }

  #admissionOf(allowIp: readonly string[]): Admission {
    const known = this.#admissions.get(allowIp) ?? viewingAdmission(allowIp)
    this.#admissions.set(allowIp, known)
    return known
  }
}

/** The answer as caches outside may keep it: no longer than the publication is valid, and not for others than it was given to. */
export function withinTerms(answer: Answer, { notAfterMs, allowIp }: Terms, nowMs: number): Answer {
  const leftSeconds = Math.floor(((notAfterMs ?? Number.POSITIVE_INFINITY) - nowMs) / 1_000)
  return boundCaching(answer, leftSeconds, allowIp !== undefined && allowIp.length > 0)
}
