import type { ConformanceRule } from '../conformance/violation.ts'
import { CmcdCounter, type CmcdCounts, type CmcdReport } from './cmcd-counts.ts'

/** What an origin is asked for: the closed list of the `kind` label. */
export const originRequestKinds = [
  'master',
  'media-playlist',
  'iframe-playlist',
  'mpd',
  'smooth-manifest',
  'smooth-fragment',
  'init',
  'segment',
  'part',
  'live-segment',
  'blocked',
  'download',
  'thumbnail',
  'key',
  'time',
  'other',
] as const

/** A value of the `kind` label. */
export type OriginRequestKind = (typeof originRequestKinds)[number]

/** What there may be too much of: the closed list of the `reason` label. */
export const originShedReasons = [
  'delay',
  'bytes',
  'packaging',
  'reading',
  'waiting',
  'pictures',
  'downloads',
  'connections',
] as const

/** A value of the `reason` label. */
export type OriginShedReason = (typeof originShedReasons)[number]

/** Upper bounds of the duration histogram's buckets, in seconds; one more bucket takes what is slower. */
export const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** Cumulative counts of one kind of request since the thread's counter was made. */
export type RequestCounts = {
  readonly byStatus: Readonly<Record<string, number>>
  readonly sentBytes: number
  readonly durationSumSeconds: number
  /** Not cumulative over buckets: one count for each of `durationBounds` and a last one for what is slower. */
  readonly durationBuckets: readonly number[]
}

/**
 * What an origin thread has counted: plain data that survives `postMessage`. The figures only grow, so that a message that is
 * lost or comes twice does no harm; `incarnation` tells the reader that it starts again from nothing.
 */
export type OriginCounts = {
  readonly incarnation: string
  readonly inFlight: number
  /** Of those, how many wait for the next part of a live presentation. */
  readonly blocked?: number
  /** Requests that were refused for want of room, by what there was too much of. */
  readonly shed?: Readonly<Partial<Record<OriginShedReason, number>>>
  /** Answers that broke a rule of a standard, by the rule. */
  readonly violations: Readonly<Partial<Record<ConformanceRule, number>>>
  readonly kinds: Readonly<Partial<Record<OriginRequestKind, RequestCounts>>>
  /** Answers to requests for content keys, by `{delivery} {outcome}`; absent: there were none. */
  readonly keys?: Readonly<Record<string, number>>
  /** What players have reported, if any did. */
  readonly cmcd?: CmcdCounts
}

type Tally = { byStatus: Record<string, number>; sentBytes: number; durationSumSeconds: number; buckets: number[] }

/** Statuses out of the valid range would be a fault of ours; they must not make a series each. */
function statusLabel(status: number): string {
  return Number.isInteger(status) && status >= 100 && status <= 599 ? String(status) : 'other'
}

function bucketOf(seconds: number): number {
  const at = durationBounds.findIndex((bound) => seconds <= bound)
  return at < 0 ? durationBounds.length : at
}

/** The counter inside an origin thread. Counting costs a few additions; `snapshot` is for once a second. */
export class OriginCounter {
  readonly #incarnation: string
  readonly #tallies = new Map<OriginRequestKind, Tally>()
  readonly #violations: Partial<Record<ConformanceRule, number>> = {}
  readonly #shed: Partial<Record<OriginShedReason, number>> = {}
  readonly #cmcd = new CmcdCounter()
  readonly #keys: Record<string, number> = {}
  #inFlight = 0

  /** `incarnation` must never be used again by the thread's successor, as `crypto.randomUUID()` gives. */
  constructor(incarnation: string) {
    this.#incarnation = incarnation
  }

  /** A request has been accepted; `request` follows when it is answered, or `abandoned` when it never is. */
  started(): void {
    this.#inFlight += 1
  }

  abandoned(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1)
  }

  /** `bytes` is the body as sent, after compression. */
  request(kind: OriginRequestKind, status: number, bytes: number, durationMs: number): void {
    this.abandoned()
    const tally = this.#tally(kind)
    const label = statusLabel(status)
    const bucket = bucketOf(durationMs / 1000)
    tally.byStatus[label] = (tally.byStatus[label] ?? 0) + 1
    tally.sentBytes += bytes
    tally.durationSumSeconds += durationMs / 1000
    tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1
  }

  /** A player has reported by Common Media Client Data. */
  cmcd(report: CmcdReport): void {
    this.#cmcd.add(report)
  }

  shed(reason: OriginShedReason): void {
    this.#shed[reason] = (this.#shed[reason] ?? 0) + 1
  }

  /** A content key was given (`granted`) or refused, for one of a closed list of reasons. */
  key(delivery: string, outcome: string): void {
    const label = `${delivery} ${outcome}`
    this.#keys[label] = (this.#keys[label] ?? 0) + 1
  }

  violated(rule: ConformanceRule): void {
    this.#violations[rule] = (this.#violations[rule] ?? 0) + 1
  }

  /** `blocked`: requests that wait for the next part of a live presentation. */
  snapshot(blocked = 0): OriginCounts {
    const kinds: Partial<Record<OriginRequestKind, RequestCounts>> = {}
    for (const [kind, tally] of this.#tallies) {
      kinds[kind] = {
        byStatus: { ...tally.byStatus },
        sentBytes: tally.sentBytes,
        durationSumSeconds: tally.durationSumSeconds,
        durationBuckets: [...tally.buckets],
      }
    }
    const violations = { ...this.#violations }
    const cmcd = this.#cmcd.snapshot()
    return {
      incarnation: this.#incarnation,
      inFlight: this.#inFlight,
      blocked,
      shed: { ...this.#shed },
      violations,
      kinds,
      ...(Object.keys(this.#keys).length > 0 && { keys: { ...this.#keys } }),
      ...(cmcd && { cmcd }),
    }
  }

  #tally(kind: OriginRequestKind): Tally {
    const found = this.#tallies.get(kind)
    if (found) return found
    const fresh: Tally = {
      byStatus: {},
      sentBytes: 0,
      durationSumSeconds: 0,
      buckets: new Array<number>(durationBounds.length + 1).fill(0),
    }
    this.#tallies.set(kind, fresh)
    return fresh
  }
}
