import type { Histogram } from 'prom-client'

type Series = { readonly buckets: number[]; sum: number }

/**
 * A Prometheus histogram that is filled with counts made elsewhere, which prom-client's own can't take: it only observes
 * single values.
 */
export class MergedHistogram<L extends string> {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly #label: L
  readonly #bounds: readonly number[]
  readonly #series = new Map<string, Series>()

  constructor(options: { name: string; help: string; label: L; bounds: readonly number[] }) {
    this.name = options.name
    this.help = options.help
    this.#label = options.label
    this.#bounds = options.bounds
  }

  /** `buckets` holds what to add to each bucket (one for each bound and a last for the rest), `sum` to the sum of values. */
  add(value: string, buckets: readonly number[], sum: number): void {
    const series = this.#series.get(value) ?? { buckets: this.#bounds.map(() => 0).concat(0), sum: 0 }
    this.#series.set(value, series)
    for (const at of series.buckets.keys()) series.buckets[at] = (series.buckets[at] ?? 0) + (buckets[at] ?? 0)
    series.sum += sum
  }

  /** The form in which a registry asks its metrics for their values. */
  get() {
    const values = [...this.#series].flatMap(([value, series]) => this.#samples(value, series))
    return Promise.resolve({ name: this.name, help: this.help, type: this.type, values, aggregator: 'sum' })
  }

  /** A registry calls nothing but `get` on what is registered, whatever its type says. */
  asMetric(): Histogram {
    return this as unknown as Histogram
  }

  #samples(value: string, series: Series) {
    const labels = { [this.#label]: value }
    let count = 0
    const buckets = series.buckets.map((inBucket, at) => {
      count += inBucket
      const le = this.#bounds[at] ?? '+Inf'
      return { metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: series.sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ]
  }
}
