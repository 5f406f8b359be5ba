import { type CmcdCounts, type CmcdFigure, cmcdBounds, cmcdObjects } from './cmcd-counts.ts'
import type { Families } from './families.ts'
import { MergedHistogram } from './merged-histogram.ts'

/** What players say, in the units of `/metrics`: seconds and bytes. */
const histograms = {
  bl: {
    name: 'headend_cmcd_buffer_length_seconds',
    help: 'What players say they have buffered (CMCD bl), by what they asked for.',
    scale: 1 / 1_000,
  },
  dl: {
    name: 'headend_cmcd_deadline_seconds',
    help: 'How long players say they can wait before they stall (CMCD dl), by what they asked for.',
    scale: 1 / 1_000,
  },
  mtp: {
    name: 'headend_cmcd_measured_throughput_bytes_per_second',
    help: 'Throughput that players say they have measured (CMCD mtp), by what they asked for. Multiply by 8 for bits.',
    scale: 125,
  },
  br: {
    name: 'headend_cmcd_encoded_bitrate_bytes_per_second',
    help: 'Bitrate of what players asked for, as they say (CMCD br). Multiply by 8 for bits.',
    scale: 125,
  },
} as const satisfies Record<CmcdFigure, { name: string; help: string; scale: number }>

const figures = Object.keys(histograms) as CmcdFigure[]

/** What players report by Common Media Client Data, summed up over origin threads. */
export class CmcdMetrics {
  readonly #reports
  readonly #starvations
  readonly #startups
  readonly #histograms: Readonly<Record<CmcdFigure, MergedHistogram<'object'>>>

  constructor(families: Families) {
    this.#reports = families.counter({
      name: 'cmcd_reports_total',
      help: 'Requests that carried Common Media Client Data, by its version.',
      labels: ['version'],
    })
    this.#starvations = families.counter({
      name: 'cmcd_buffer_starvations_total',
      help: 'Requests whose player says that its buffer had run empty (CMCD bs), by what it asked for.',
      labels: ['object'],
    })
    this.#startups = families.counter({
      name: 'cmcd_startup_requests_total',
      help: 'Requests whose player says that it needs the answer to begin, after a seek or a stall too (CMCD su), by what it asked for.',
      labels: ['object'],
    })
    const made = figures.map((figure) => {
      const { name, help, scale } = histograms[figure]
      const bounds = cmcdBounds[figure].map((bound) => bound * scale)
      const histogram = new MergedHistogram({ name, help, label: 'object', bounds })
      families.custom(histogram.asMetric())
      return [figure, histogram]
    })
    this.#histograms = Object.fromEntries(made)
  }

  /** Takes over what was counted since `before`. */
  merge(before: CmcdCounts | undefined, now: CmcdCounts): void {
    for (const [version, count] of Object.entries(now.reports)) {
      this.#reports.inc({ version }, count - (before?.reports[version] ?? 0))
    }
    for (const object of cmcdObjects) {
      const counts = now.objects[object]
      if (!counts) continue
      const last = before?.objects[object]
      this.#starvations.inc({ object }, counts.starvations - (last?.starvations ?? 0))
      this.#startups.inc({ object }, counts.startups - (last?.startups ?? 0))
      for (const figure of figures) this.#add(object, figure, last?.figures[figure], counts.figures[figure])
    }
  }

  #add(object: string, figure: CmcdFigure, before: FigureCounts | undefined, now: FigureCounts | undefined): void {
    if (!now) return
    const buckets = now.buckets.map((count, at) => count - (before?.buckets[at] ?? 0))
    this.#histograms[figure].add(object, buckets, (now.sum - (before?.sum ?? 0)) * histograms[figure].scale)
  }
}

type FigureCounts = { readonly buckets: readonly number[]; readonly sum: number }
