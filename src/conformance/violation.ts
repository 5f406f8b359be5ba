/** What can be wrong with what is served: the closed list of a metric's label. Each is named after the standard that has the rule. */
export const CONFORMANCE_RULES = [
  // RFC 8216bis, of one playlist.
  'hls-syntax',
  'hls-version',
  'hls-target-duration',
  'hls-map',
  'hls-program-date-time',
  'hls-part-duration',
  'hls-part-sum',
  'hls-server-control',
  'hls-preload-hint',
  'hls-rendition-report',
  'hls-date-range',
  // And of two that follow each other.
  'hls-reload-sequence',
  'hls-reload-changed',
  'hls-reload-after-end',
  // ISO/IEC 23009-1.
  'dash-syntax',
  'dash-attributes',
  'dash-timeline',
  'dash-period',
  'dash-reload',
  'dash-low-latency',
  // [MS-SSTR].
  'smooth-syntax',
  'smooth-attributes',
  'smooth-chunks',
  'smooth-reload',
  'smooth-fragment',
  // ISO/IEC 14496-12 and 23000-19.
  'cmaf-boxes',
  'cmaf-track-run',
  'cmaf-time',
] as const

/** A rule that conformance is checked by. */
export type ConformanceRule = (typeof CONFORMANCE_RULES)[number]

/** A rule that is broken, and where. */
export type Violation = { readonly rule: ConformanceRule; readonly detail: string }

/** Violations as they are found. */
export class Findings {
  readonly #violations: Violation[] = []

  get all(): readonly Violation[] {
    return this.#violations
  }

  /** Notes it where `isKept` is false. */
  expect(isKept: boolean, rule: ConformanceRule, detail: string | (() => string)): void {
    if (!isKept) this.#violations.push({ rule, detail: typeof detail === 'string' ? detail : detail() })
  }
}
