import { CONFORMANCE_RULES } from '../conformance/violation.ts'
import { CmcdMetrics } from './cmcd-metrics.ts'
import type { Families } from './families.ts'
import { MergedHistogram } from './merged-histogram.ts'
import {
  durationBounds,
  type OriginCounts,
  type OriginRequestKind,
  originRequestKinds,
  originShedReasons,
  type RequestCounts,
} from './origin-counts.ts'

const NOTHING: RequestCounts = { byStatus: {}, sentBytes: 0, durationSumSeconds: 0, durationBuckets: [] }

/** The streaming endpoint, summed up over its threads. */
export class OriginMetrics {
  /** The last counts of each thread, by its place among its siblings. */
  readonly #threads = new Map<number, OriginCounts>()
  readonly #cmcd: CmcdMetrics
  readonly #requests
  readonly #sentBytes
  readonly #violations
  readonly #keys
  readonly #shed
  readonly #duration: MergedHistogram<'kind'>

  constructor(families: Families) {
    this.#cmcd = new CmcdMetrics(families)
    this.#requests = families.counter({
      name: 'origin_requests_total',
      help: 'Requests answered by the streaming endpoint, by what was asked for and HTTP status.',
      labels: ['kind', 'status'],
    })
    this.#sentBytes = families.counter({
      name: 'origin_sent_bytes_total',
      help: 'Body bytes sent by the streaming endpoint, after compression.',
      labels: ['kind'],
    })
    this.#violations = families.counter({
      name: 'conformance_violations_total',
      help: 'Answers of the streaming endpoint that broke a rule of HLS, DASH, Smooth Streaming or CMAF, of those that were looked at.',
      labels: ['rule'],
    })
    for (const rule of CONFORMANCE_RULES) this.#violations.inc({ rule }, 0)
    this.#shed = families.counter({
      name: 'origin_shed_total',
      help: 'Requests that the streaming endpoint refused for want of room (503), by what there was too much of.',
      labels: ['reason'],
    })
    for (const reason of originShedReasons) this.#shed.inc({ reason }, 0)
    this.#keys = families.counter({
      name: 'key_requests_total',
      help: 'Content keys that were asked for, by kind of delivery and outcome: granted, or why not.',
      labels: ['delivery', 'outcome'],
    })
    for (const delivery of ['aes128', 'clearkey']) this.#keys.inc({ delivery, outcome: 'granted' }, 0)
    this.#duration = new MergedHistogram({
      name: 'headend_origin_request_duration_seconds',
      help: 'Time from a request to the end of its answer; blocking reloads include the wait that was asked for.',
      label: 'kind',
      bounds: durationBounds,
    })
    families.custom(this.#duration.asMetric())
    families.gauge({ name: 'origin_threads', help: 'Origin threads that report their counts.' }, (gauge) =>
      gauge.set(this.#threads.size),
    )
    families.gauge(
      { name: 'origin_requests_in_flight', help: 'Requests that the streaming endpoint is answering now.' },
      (gauge) => {
        let inFlight = 0
        for (const counts of this.#threads.values()) inFlight += counts.inFlight
        gauge.set(inFlight)
      },
    )
    families.gauge(
      {
        name: 'origin_requests_blocked',
        help: 'Requests of low-latency players that wait for the next part: about two for each viewer.',
      },
      (gauge) => {
        let blocked = 0
        for (const counts of this.#threads.values()) blocked += counts.blocked ?? 0
        gauge.set(blocked)
      },
    )
  }

  /** Takes over what `thread` (0, 1, …) counted since its last report; a new incarnation counts from nothing. */
  merge(thread: number, counts: OriginCounts): void {
    const last = this.#threads.get(thread)
    const before = last?.incarnation === counts.incarnation ? last : undefined
    for (const kind of originRequestKinds) {
      const now = counts.kinds[kind]
      if (now) this.#add(kind, before?.kinds[kind] ?? NOTHING, now)
    }
    for (const rule of CONFORMANCE_RULES) {
      this.#violations.inc({ rule }, (counts.violations[rule] ?? 0) - (before?.violations[rule] ?? 0))
    }
    for (const reason of originShedReasons) {
      this.#shed.inc({ reason }, (counts.shed?.[reason] ?? 0) - (before?.shed?.[reason] ?? 0))
    }
    for (const [label, count] of Object.entries(counts.keys ?? {})) {
      const [delivery = '', outcome = ''] = label.split(' ')
      this.#keys.inc({ delivery, outcome }, count - (before?.keys?.[label] ?? 0))
    }
    if (counts.cmcd) this.#cmcd.merge(before?.cmcd, counts.cmcd)
    this.#threads.set(thread, counts)
  }

  /** The thread has ended: what it counted stays, what it had in flight is gone. */
  threadGone(thread: number): void {
    this.#threads.delete(thread)
  }

  #add(kind: OriginRequestKind, before: RequestCounts, now: RequestCounts): void {
    for (const [status, count] of Object.entries(now.byStatus)) {
      this.#requests.inc({ kind, status }, count - (before.byStatus[status] ?? 0))
    }
    this.#sentBytes.inc({ kind }, now.sentBytes - before.sentBytes)
    this.#duration.add(
      kind,
      now.durationBuckets.map((count, at) => count - (before.durationBuckets[at] ?? 0)),
      now.durationSumSeconds - before.durationSumSeconds,
    )
  }
}
